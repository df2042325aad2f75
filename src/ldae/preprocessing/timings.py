"""Seconds and memory of every scan that was worked on, kept apart from what must be byte-identical."""

import os
from pathlib import Path

from ldae.core.keys import KEY
from ldae.preprocessing.pool import Outcome

HEADER = (*KEY, "state", "seconds", "cpu_seconds", "peak_mb")


class Timings:
    """A table that only grows: a scan that was done twice would stand in it twice."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, participant_id: str, session_id: str, outcome: Outcome) -> None:
        """Append one row and bring it to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        spent = (f"{outcome.seconds:.3f}", f"{outcome.cpu_seconds:.3f}", f"{outcome.peak_mb:.0f}")
        row = (participant_id, session_id, "quarantined" if outcome.reason else "done", *spent)
        with open(self.path, "a", encoding="utf-8") as table:
            if table.tell() == 0:
                table.write("\t".join(HEADER) + "\n")
            table.write("\t".join(row) + "\n")
            table.flush()
            os.fsync(table.fileno())
