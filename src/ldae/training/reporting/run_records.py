"""What a training leaves beside its checkpoints while it runs. Only the first process writes; nothing is declared.

live.jsonl        losses and metrics with wall times, no step twice and none missing however often the run was killed
skipped.jsonl     the batches that were left out because a loss or gradient was not finite
attempts.json     how the attempts ended; progress: steps done
pictures/         validation pictures;  tensorboard/: curves, on request
"""

import logging
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ldae import config
from ldae.core.closure import Code
from ldae.core.files import digest
from ldae.core.jsonl import append_row, rewind_rows
from ldae.training.reporting.curves import Curves
from ldae.training.reporting.live import Reporter
from ldae.training.reporting.validation_pictures import write_picture
from ldae.training.safety.attempts import Attempts
from ldae.training.safety.interruption import REQUEST
from ldae.training.trainer import Step, Trainer

logger = logging.getLogger("ldae")
CODE = "ldae.training.run"  # and all that it imports


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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):
            self.attempts.end_of_another(error)
