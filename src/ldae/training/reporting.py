"""What a person sees of a training while it runs: a bar in a terminal, log lines, and a live file with wall times.

None of this reaches the declared outputs, which are byte-identical on a second run.
"""

import json
import logging
import sys
import time
from pathlib import Path

logger = logging.getLogger("ldae")
LINES = 20  # log lines per training


class Reporter:
    """Reports steps; a context manager that closes the bar.

    Args:
        live: JSON lines with step, losses, validation metrics and seconds since the start, one per log line.
    """

    def __init__(self, name: str, first_step: int, steps: int, live: Path):
        self.name, self.first_step, self.steps, self.live = name, first_step, steps, live
        self.every = max(1, round(steps / LINES))
        self.started = time.monotonic()
        self.bar = _bar(name, first_step, steps) if sys.stderr.isatty() else None

    def __enter__(self) -> "Reporter":
        self.live.parent.mkdir(parents=True, exist_ok=True)
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, step: int, losses: dict[str, float], metrics: dict[str, float]) -> None:
        """Report one finished step; every twentieth part of the training and every validation get a line."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=step)
        if step % self.every and not metrics and step != self.steps:
            return
        seconds = time.monotonic() - self.started
        rate = (step - self.first_step) / max(seconds, 1e-9)
        values = "  ".join(f"{name} {value:.4g}" for name, value in (losses | metrics).items())
        remaining = (self.steps - step) / max(rate, 1e-9)
        logger.info(
            "%s step %d/%d  %s  %.2f steps/s  %s left", self.name, step, self.steps, values, rate, _clock(remaining)
        )
        with open(self.live, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": step, "seconds": round(seconds, 1)} | losses | metrics) + "\n")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bar(name: str, first_step: int, steps: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(name, completed=first_step, total=steps)
    return progress
