"""The tables of the BIDS dataset: Clinica's facts in the BIDS validator's column order, and the root files.

They are made of what is known of each converted subject, kept beside the status tables so that a shard can skip it next
time. The status table of a shard is a declared output, which Snakemake deletes before every attempt; the records are
not, and the table is made of them. A record is written after the subject's folder is in place, so it never promises
more than is there.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from ldae.adni.accounting import check_lost
from ldae.core.errors import UserError, speaks_of_the_machine
from ldae.core.files import read_json, read_tsv, sha256_file, write_json, write_text, write_tsv

STATUS_COLUMNS = [
    "participant_id",
    "session_id",
    "path",
    "size",
    "sha256",
    "state",
    "reason",
    "image_id",
    "scan_date",
    "field_strength",
    "converted_by",
]


@dataclass(frozen=True)
class SubjectRecord:
    """``inputs``: digest of the images and table rows it was made from; ``scans``: its rows of the status table.

    ``retry`` marks a subject that ended Clinica: the cause may be outside the data (a full disk), so it is tried anew.
    """

    participant_id: str
    inputs: str
    participant: dict[str, str | None] = field(default_factory=dict)
    scans: list[dict] = field(default_factory=list)
    retry: bool = False


def record_path(status: Path, participant_id: str) -> Path:
    """Where the record of a subject lies, given the status table of its shard."""
    return status.parent / "subjects" / f"{participant_id}.json"


def write_record(status: Path, record: SubjectRecord) -> None:
    """Keep what became of a subject, beside the status table ``status``."""
    write_json(record_path(status, record.participant_id), asdict(record))


def read_record(status: Path, participant_id: str) -> SubjectRecord | None:
    """What became of a subject; None where it was not converted yet."""
    path = record_path(status, participant_id)
    return SubjectRecord(**read_json(path)) if path.is_file() else None


def is_current(record: SubjectRecord | None, inputs: str, bids: Path) -> bool:
    """Made of the same inputs, no scan lost to the machine, the subject's table is there, and every image still has
    its digest."""
    if record is None or record.retry or record.inputs != inputs:
        return False
    if any(speaks_of_the_machine(scan["reason"] or "") for scan in record.scans):
        return False
    products = [scan for scan in record.scans if scan["state"] == "done"]
    if products and not (bids / record.participant_id / f"{record.participant_id}_sessions.tsv").is_file():
        return False
    return all((bids / scan["path"]).is_file() for scan in products) and all(
        sha256_file(bids / scan["path"]) == scan["sha256"] for scan in products
    )


def sweep_temporary(status: Path, participants: list[str]) -> None:
    """Remove what a killed writer left of the records of these subjects; other shards may be writing theirs."""
    for participant in participants:
        path = record_path(status, participant)
        for leftover in path.parent.glob(f".tmp-*-{path.name}"):
            leftover.unlink(missing_ok=True)


PARTICIPANT_COLUMNS = {
    "participant_id": "Subject",
    "sex": "M or F",
    "age_bl": "Age at the baseline visit, years",
    "education_level": "Years of education",
    "site": "ADNI site number",
    "original_study": "ADNI phase of enrolment",
    "diagnosis_sc": "Diagnosis at screening: CN, SMC, EMCI, LMCI, AD (ADNI3: CN, MCI, AD)",
    "apoe4": "Number of APOE e4 alleles",
    "mmse_bl": "Mini-Mental State Examination at baseline, 0-30",
}
SESSION_COLUMNS = {
    "session_id": "Visit; the number is months since baseline",
    "examination_date": "Date of the visit (the scan has its own, in scans.tsv)",
    "age": "Age at the visit, years",
    "current_study": "ADNI phase of the visit",
    "diagnosis": "CN, MCI or AD at the visit",
    "MMSE": "Mini-Mental State Examination, 0-30",
    "cdr_global": "Clinical Dementia Rating, global: 0, 0.5, 1, 2, 3",
    "cdr_sb": "Clinical Dementia Rating, sum of boxes, 0-18",
    "adas11": "ADAS-Cog 11",
    "adas13": "ADAS-Cog 13",
    "moca": "Montreal Cognitive Assessment, 0-30",
    "FAQ": "Functional Activities Questionnaire",
}
SCANS_COLUMNS = {
    "filename": "Image, relative to this table",
    "acq_time": "Date of the scan (the time of day is not told)",
    "image_id": "LONI's number of the image",
    "field_strength": "Field strength of the scanner, T",
    "converted_by": "clinica, or dcm2niix: visits of ADNI4, which Clinica does not convert, chosen by this workflow",
}
DIAGNOSES = {"CN": "CN", "MCI": "MCI", "AD": "AD", "Dementia": "AD"}
logger = logging.getLogger("ldae")
README = """ADNI T1-weighted scans, one per visit, converted to BIDS by Clinica and verified scan by scan.

Visits of ADNI4, which Clinica does not convert, were converted by dcm2niix (converted_by in the scans tables).
Each image keeps the voxels its converter wrote. The scanner's affine is replaced by voxel size and a centred origin, so
position and obliquity are not those of the scanner. The free-text fields of the headers are emptied. Ages and
diagnoses belong to the visit; the date of a scan is in its scans.tsv.

The data fall under the ADNI data use agreement; keep them where it allows them to be.
"""


def participant_rows(bids: Path) -> dict[str, dict[str, str | None]]:
    """participant_id -> its row of Clinica's participants.tsv, in our columns.

    Clinica's apoe_gen1 and apoe_gen2 are not kept: it pastes them by row number, not by subject.
    """
    path = bids / "participants.tsv"
    table = read_tsv(path, dtype=str) if path.is_file() else pd.DataFrame(columns=["participant_id"])
    table = table.reindex(columns=list(PARTICIPANT_COLUMNS))
    table = table.astype(object).where(table.notna(), None)
    return {row["participant_id"]: row for row in table.to_dict("records")}


def write_sessions(clinica_table: Path, out: Path, more: Sequence[dict] = ()) -> None:
    """Rewrite a sessions.tsv: session_id first, in visit order, diagnosis CN, MCI, AD or n/a.

    Args:
        more: visits of ADNI4. Of one that Clinica has a row for as well (made of CDR alone), its cells are used where
            this one is empty. Without a table of Clinica's they are all.

    Clinica leaves every diagnosis unmapped (``Dementia``) as soon as one cell of the study table holds another word.
    Such a word becomes n/a, with a line in the log.
    """
    known = read_tsv(clinica_table, dtype=str) if clinica_table.is_file() else pd.DataFrame(columns=["session_id"])
    sessions = known.reindex(columns=list(SESSION_COLUMNS)).astype(object)
    if more:
        added = pd.DataFrame(more).reindex(columns=list(SESSION_COLUMNS)).astype(object).set_index("session_id")
        sessions = added.combine_first(sessions.set_index("session_id")).reset_index()[list(SESSION_COLUMNS)]
    for row in sessions[sessions["diagnosis"].notna() & ~sessions["diagnosis"].isin(DIAGNOSES)].itertuples():
        where = f"{out.parent.name} {row.session_id}"
        logger.warning("%s: diagnosis %r is n/a, it is none of %s", where, row.diagnosis, ", ".join(DIAGNOSES))
    sessions["diagnosis"] = sessions["diagnosis"].map(DIAGNOSES)
    write_tsv(out, sessions.sort_values("session_id", kind="stable"))


def write_scans(rows: list[dict], out: Path) -> None:
    """Write the scans.tsv of one session; ``acq_time`` carries the date alone."""
    table = pd.DataFrame(
        {
            "filename": [f"anat/{Path(row['path']).name}" for row in rows],
            "acq_time": [f"{row['scan_date']}T00:00:00" for row in rows],
            "image_id": [row["image_id"] for row in rows],
            "field_strength": [row["field_strength"] for row in rows],
            "converted_by": [row.get("converted_by") for row in rows],
        }
    )
    write_tsv(out, table)


def sidecar(columns: dict[str, str]) -> dict[str, dict[str, str]]:
    """A BIDS data dictionary."""
    return {name: {"Description": text} for name, text in columns.items()}


def merge_bids(statuses: list[Path], bids: Path, max_quarantined_fraction: float) -> None:
    """Write participants.tsv, dataset_description.json, the data dictionaries and README.

    A participant is listed if at least one of its scans was converted and its folder is there. What a killed job left
    at the root (half-written files, subjects that left the download meanwhile) is removed.

    Raises:
        UserError: no subject has a usable scan, or more than ``max_quarantined_fraction`` of the cohort's scans are
            lost (those of a single subject never are too many; scans that were not downloaded, that the study refused,
            or of a phase that is not converted do not count). Nothing is written or removed then.
    """
    rows = {}
    tables = {status: read_tsv(status, dtype={"participant_id": str}) for status in statuses}
    check_lost(pd.concat(tables.values(), ignore_index=True), max_quarantined_fraction)
    for status, table in tables.items():
        for participant in table.loc[table["state"] == "done", "participant_id"].unique():
            record = read_record(status, participant)
            if record is not None and (bids / participant).is_dir():
                rows[participant] = record.participant | {"participant_id": participant}
    if not rows:
        raise UserError(
            f"No scan of the download could be converted (reasons in {statuses[0].parent}): run `ldae preflight` on it."
        )
    for path in bids.iterdir():
        if path.name.startswith(".tmp-"):
            path.unlink()
        elif path.name.startswith("sub-") and path.name not in rows:
            shutil.rmtree(path)
    participants = pd.DataFrame([rows[name] for name in sorted(rows)], columns=list(PARTICIPANT_COLUMNS))
    write_json(bids / "participants.json", sidecar(PARTICIPANT_COLUMNS))
    write_json(bids / "sessions.json", sidecar(SESSION_COLUMNS))
    write_text(bids / "README", README)
    write_json(bids / "scans.json", sidecar(SCANS_COLUMNS))
    write_tsv(bids / "participants.tsv", participants)
    write_json(bids / "dataset_description.json", dataset_description())


def dataset_description() -> dict:
    """Content of ``dataset_description.json``, with the versions of Clinica and dcm2niix."""
    tools = [{"Name": name, "Version": version(name)} for name in ("clinica", "dcm2niix")]
    return {
        "Name": "ADNI, T1-weighted scans",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "Authors": ["Alzheimer's Disease Neuroimaging Initiative"],
        "HowToAcknowledge": "Follow the ADNI data use agreement.",
        "GeneratedBy": tools,
    }
