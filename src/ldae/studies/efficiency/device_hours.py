"""Device hours of a training, from its own live record."""

from dataclasses import dataclass
from pathlib import Path

from ldae.core.jsonl import read_rows
from ldae.inference.folder import CHECKPOINTS


@dataclass(frozen=True)
class Spent:
    """Wall-clock hours of training and validation, and hours x devices; steps that a kill threw away do not count.

    Attributes:
        devices: names of the devices, with how many worked side by side.
    """

    hours: float
    device_hours: float
    devices: str


def spent(folder: Path) -> Spent | None:
    """What ``checkpoints/live.jsonl`` of a training folder tells; none where it is gone, or is older than the record
    of devices."""
    rows = read_rows(Path(folder) / CHECKPOINTS / "live.jsonl")
    if not rows or any("device" not in row for row in rows):
        return None
    before, total, kinds = 0.0, 0.0, {}
    for row in rows:
        total += (row["seconds"] - before) * row["devices"]
        before = row["seconds"]
        kinds[f"{row['devices']} x {row['device']}"] = None
    return Spent(before / 3600, total / 3600, "; ".join(kinds))
