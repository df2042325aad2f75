"""What a person sees of a training while it runs: a bar in a terminal, log lines, and a live file with wall times.

None of this reaches the declared outputs, which are byte-identical on a second run.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

from ldae import config
from ldae.core.jsonl import append_row, rewind_rows
from ldae.inference.device import device_name, pick_device

logger = logging.getLogger("ldae")
LINES = 20  # rows per training, beside those of validations
SILENCE = 300.0  # seconds after which a log line comes anyway


class Reporter:
    """Reports steps; a context manager that closes the bar.

    Args:
        live: one row for every twentieth part of the training and for every validation: step, losses, metrics, seconds
            of training so far, and on which device, how many of them. Rows after ``first_step`` are dropped, since this
            run writes them again.
        devices: processes that share the training, one device each.
    """

    def __init__(self, name: str, first_step: int, settings: config.Training, live: Path, devices: int = 1):
        self.where = {"device": device_name(pick_device()), "devices": devices}
        self.name, self.first_step, self.settings, self.live = name, first_step, settings, live
        self.every = max(1, round(settings.steps / LINES))
        rows = rewind_rows(live, first_step)
        self.started = time.monotonic()
        self.spent = rows[-1]["seconds"] if rows else 0.0
        self.said = self.started
        self.bar = _bar(name, first_step, settings.steps) if sys.stderr.isatty() else None

    def __enter__(self) -> "Reporter":
        self.live.parent.mkdir(parents=True, exist_ok=True)
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, step: int, losses: dict[str, float], metrics: dict[str, Any]) -> None:
        """Report one finished step."""
        clock, steps = time.monotonic(), self.settings.steps
        rate = (step - self.first_step) / max(clock - self.started, 1e-9)
        if self.bar is not None:
            speed = f"{rate * self.settings.batch:.3g} scans/s"
            self.bar.update(self.bar.task_ids[0], completed=step, losses=_values(losses), speed=speed)
        row = not step % self.every or bool(metrics) or step == steps
        if row:
            seconds = round(self.spent + clock - self.started, 1)
            append_row(self.live, {"step": step, "seconds": seconds} | self.where | losses | metrics)
        if row or clock - self.said > SILENCE:
            self.said = clock
            values, left = _values(losses | metrics), _clock((steps - step) / max(rate, 1e-9))
            speed = f"{rate * self.settings.batch:.3g} scans/s"
            logger.info("%s step %d/%d  %s  %s  %s left", self.name, step, steps, values, speed, left)


def _values(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items() if value is not None)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bar(name: str, first_step: int, steps: int):
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(name, completed=first_step, total=steps, losses="", speed="")
    return progress
