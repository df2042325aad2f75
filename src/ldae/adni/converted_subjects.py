"""What is known of a converted subject, kept beside the status tables so that a shard can skip it next time.

The status table of a shard is a declared output, which Snakemake deletes before every attempt; the records are not,
and the table is made of them. A record is written after the subject's folder is in place, so it never promises more
than is there.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from ldae.core.errors import speaks_of_the_machine
from ldae.core.files import read_json, sha256_file, write_json

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
