"""The tables inside the BIDS dataset: Clinica's facts in the column order the BIDS validator asks for."""

import logging
from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv, write_tsv

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
DIAGNOSES = {"CN": "CN", "MCI": "MCI", "AD": "AD", "Dementia": "AD"}
logger = logging.getLogger("ldae")


def participant_rows(bids: Path) -> dict[str, dict[str, str | None]]:
    """participant_id -> its row of Clinica's participants.tsv, in our columns.

    Clinica's apoe_gen1 and apoe_gen2 are not kept: it pastes them by row number, not by subject.
    """
    path = bids / "participants.tsv"
    table = read_tsv(path, dtype=str) if path.is_file() else pd.DataFrame(columns=["participant_id"])
    table = table.reindex(columns=list(PARTICIPANT_COLUMNS))
    table = table.astype(object).where(table.notna(), None)
    return {row["participant_id"]: row for row in table.to_dict("records")}


def write_sessions(clinica_table: Path, out: Path) -> None:
    """Rewrite a sessions.tsv: session_id first, in visit order, diagnosis CN, MCI, AD or n/a.

    Clinica leaves every diagnosis unmapped (``Dementia``) as soon as one cell of the study table holds another word.
    Such a word becomes n/a, with a line in the log.
    """
    sessions = read_tsv(clinica_table, dtype=str).reindex(columns=list(SESSION_COLUMNS))
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
        }
    )
    write_tsv(out, table)


def sidecar(columns: dict[str, str]) -> dict[str, dict[str, str]]:
    """A BIDS data dictionary."""
    return {name: {"Description": text} for name, text in columns.items()}
