"""Seconds and memory of one piece of work."""

import os
import time
from pathlib import Path


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
