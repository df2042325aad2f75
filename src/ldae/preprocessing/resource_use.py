"""What a piece of work cost, seconds and memory; kept apart from what must be byte-identical."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldae.core.keys import KEY

HEADER = (*KEY, "state", "seconds", "cpu_seconds", "peak_mb")


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        value: what ``work`` returned; None when the item was quarantined.
        reason: why it was quarantined, in one line; empty otherwise.
        details: the traceback of an error that nobody foresaw, for the log.
        seconds, cpu_seconds: of this item alone.
        peak_mb: largest resident memory of the worker while it had the item (MB).
    """

    value: Any = None
    reason: str = ""
    details: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


class Meter:
    """Counts from its making. One at a time in a process: making another resets the high-water mark of memory."""

    def __init__(self) -> None:
        forget_peak()
        self.start = time.perf_counter()
        self.start_cpu = cpu_seconds()

    def spent(self) -> dict[str, float]:
        """``seconds``, ``cpu_seconds`` (of this process and of the commands it ran) and ``peak_mb`` (resident)."""
        return {
            "seconds": round(time.perf_counter() - self.start, 3),
            "cpu_seconds": round(cpu_seconds() - self.start_cpu, 3),
            "peak_mb": round(peak_mb()),
        }


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def forget_peak() -> None:
    """Reset the kernel's high-water mark of this process's memory, where there is one (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """High-water mark of this process's resident memory (MB); 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


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
