"""What a training leaves beside its checkpoints while it runs. Only the first process writes; nothing is declared.

live.jsonl        losses and metrics with wall times, no step twice and none missing however often the run was killed
skipped.jsonl     the batches that were left out because a loss or gradient was not finite
attempts.json     how the attempts ended; progress: steps done
pictures/         validation pictures;  tensorboard/: curves, on request
"""

import logging
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ldae import config
from ldae.core.closure import Code
from ldae.core.duration import duration
from ldae.core.errors import UserError
from ldae.core.files import append_row, atomic_path, digest, rewind_rows
from ldae.inference.device import device_name, pick_device
from ldae.training.safety.attempts import Attempts
from ldae.training.safety.interruption import REQUEST
from ldae.training.stages.stage import Stage
from ldae.training.trainer import Step, Trainer

LINES = 20  # rows per training, beside those of validations
SILENCE = 300.0  # seconds after which a log line comes anyway
logger = logging.getLogger("ldae")
CODE = "ldae.training.run"  # and all that it imports


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
            values, left = _values(losses | metrics), duration((steps - step) / max(rate, 1e-9))
            speed = f"{rate * self.settings.batch:.3g} scans/s"
            logger.info("%s step %d/%d  %s  %s  %s left", self.name, step, steps, values, speed, left)


def _values(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items() if value is not None)


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


def attempts_of(folder: Path, settings: config.Training, processes: int) -> Attempts:
    """The attempts at one training; a change of code, micro-batch or processes starts a new count."""
    return Attempts(folder, digest([_code(), settings.micro_batch, processes]))


@cache
def _code() -> str:
    return Code().digest(CODE)


class Records:
    """A context manager around the steps of one attempt."""

    def __init__(self, trainer: Trainer, folder: Path, launch: config.Launch, attempts: Attempts):
        self.trainer, self.folder, self.launch, self.attempts = trainer, folder, launch, attempts
        self.skipped = folder / "skipped.jsonl"
        stage, settings = trainer.stage, trainer.settings
        folder.mkdir(parents=True, exist_ok=True)
        rewind_rows(self.skipped, trainer.step)
        self.remarked = False
        self.reporter = Reporter(stage.name, trainer.step, settings, folder / "live.jsonl", trainer.world.size)
        self.curves = Curves(folder / "tensorboard", trainer.step) if launch.tensorboard else None

    def __enter__(self) -> "Records":
        self.attempts.start(self.trainer.step, self.trainer.world.size)
        self.reporter.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.reporter.__exit__(kind, error, trace)
        if self.curves is not None:
            self.curves.close()
        (self.folder / REQUEST).unlink(missing_ok=True)
        with suppress(OSError):  # a full disk has been said already
            self.attempts.end(error)

    def step(self, step: Step, metrics: dict[str, Any]) -> None:
        """One step is done, with the metrics of a validation after it, if there was one."""
        trainer = self.trainer
        if step.skipped:
            losses = {name: str(value) for name, value in step.losses.items()}
            append_row(self.skipped, {"step": trainer.step, "scans": trainer.batch(trainer.step - 1), "losses": losses})
            logger.warning(
                "%s: step %d left out, a loss or gradient is not finite (%s); its scans are in %s",
                *(trainer.stage.name, trainer.step, ", ".join(f"{n} {v}" for n, v in losses.items()), self.skipped),
            )
        self.reporter.step(trainer.step, {} if step.skipped else step.losses, metrics)
        if metrics and not self.remarked and (sentence := trainer.stage.remark(trainer.history)):
            logger.warning("%s", sentence)
            self.remarked = True
        if self.curves is not None:
            self.curves.add(trainer.step, ({} if step.skipped else step.losses) | metrics)
        if metrics and self.launch.pictures_every and len(trainer.history) % self.launch.pictures_every == 0:
            write_picture(self.folder / "pictures" / f"step-{trainer.step:08d}.png", trainer.stage, trainer.evaluated)


class Witness:
    """What the other processes leave: a fault of their own. A context manager in the place of :class:`Records`."""

    def __init__(self, attempts: Attempts):
        self.attempts = attempts

    def __enter__(self) -> "Witness":
        return self

    def step(self, step: Step, metrics: dict[str, Any]) -> None:
        """Nothing: the first process records."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):
            self.attempts.end_of_another(error)


@torch.no_grad()
def write_picture(path: Path, stage: Stage, product: nn.Module) -> None:
    """Middle slices of the stage's examples as a PNG, one row per scan and direction. Nothing where it has none."""
    from matplotlib.image import imsave

    try:
        examples = stage.examples(product.eval())
        if examples is None:
            return
        with atomic_path(path) as temporary:
            imsave(temporary, sheet(examples.float().cpu()), cmap="gray", vmin=0, vmax=1)
    except (OSError, torch.OutOfMemoryError) as error:  # a full disk or GPU costs a picture, not the training
        logger.warning("%s could not be written (%s)", path, error)


def sheet(examples: Tensor) -> np.ndarray:
    """Scans x columns of volumes (n, k, X, Y, Z) in [0, 1] -> one image; axial slice, and coronal slice below it."""
    rows = []
    for scan in examples.clamp(0, 1).numpy():
        middle = [size // 2 for size in scan.shape[1:]]
        rows.append(np.concatenate([np.rot90(volume[:, :, middle[2]]) for volume in scan], axis=1))
        rows.append(np.concatenate([np.rot90(volume[:, middle[1], :]) for volume in scan], axis=1))
    return np.concatenate(rows, axis=0)


class Curves:
    """Scalars by step.

    Args:
        folder: of the event files.
        step: steps done; what an earlier attempt wrote after it is hidden.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "launch.tensorboard is on, but TensorBoard is not installed: `pip install tensorboard`, or turn it off."
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, values: dict[str, float | None]) -> None:
        """Values after ``step`` steps; None is left out."""
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()
