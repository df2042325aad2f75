"""The files at the root of the BIDS dataset, made of what the shards converted."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from ldae.adni.bids_tables import PARTICIPANT_COLUMNS, SESSION_COLUMNS, sidecar
from ldae.adni.converted_subjects import read_record
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json, write_text, write_tsv

README = """ADNI T1-weighted scans, one per visit, converted to BIDS by Clinica and verified scan by scan.

Each image keeps the voxels Clinica wrote. Clinica replaces the scanner's affine by voxel size and a centred origin, so
position and obliquity are not those of the scanner. The free-text fields of the headers are emptied. Ages and
diagnoses belong to the visit; the date of a scan is in its scans.tsv.

The data fall under the ADNI data use agreement; keep them where it allows them to be.
"""


def merge_bids(statuses: list[Path], bids: Path) -> None:
    """Write participants.tsv, dataset_description.json, the data dictionaries and README.

    A participant is listed if at least one of its scans was converted and its folder is there. What a killed job left
    at the root (half-written files, subjects that left the download meanwhile) is removed.

    Raises:
        UserError: no subject has a usable scan.
    """
    rows = {}
    for status in statuses:
        table = read_tsv(status, dtype={"participant_id": str})
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
    write_tsv(bids / "participants.tsv", participants)
    write_json(bids / "dataset_description.json", dataset_description())


def dataset_description() -> dict:
    tools = [{"Name": name, "Version": version(name)} for name in ("clinica", "dcm2niix")]
    return {
        "Name": "ADNI, T1-weighted scans",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "Authors": ["Alzheimer's Disease Neuroimaging Initiative"],
        "HowToAcknowledge": "Follow the ADNI data use agreement.",
        "GeneratedBy": tools,
    }
