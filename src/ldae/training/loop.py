"""One training loop for every stage, in plain PyTorch.

Progress is one integer, the number of optimizer steps done. Data order, noise, timesteps and learning rates are pure
functions of (seed, stage, step, position in the effective batch), so a run that was killed and continued ends with
the same bytes as one that was not.
"""

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ldae import config
from ldae.errors import Interrupted, UserError
from ldae.training.checkpoint import CheckpointFolder
from ldae.training.jobs.attempts import Attempts
from ldae.training.jobs.distributed import World
from ldae.training.jobs.interruption import StopFlag
from ldae.training.jobs.walltime import Walltime
from ldae.training.reporting.records import Records, attempts_of
from ldae.training.stages.stage import Stage
from ldae.training.trainer import Outcome, Trainer

logger = logging.getLogger("ldae")
LAUNCH = config.Launch()
CHECKPOINTS = "checkpoints"  # the folder of checkpoints and records in that of a training


def train(
    stage: Stage,
    settings: config.Training,
    seed: int,
    folder: Path,
    fingerprint: dict[str, Any],
    launch: config.Launch = LAUNCH,
) -> Outcome:
    """Train a stage to its last step, continuing from its newest checkpoint.

    Raises:
        Interrupted: SIGTERM or SIGUSR1 came, or the job's time limit is near; the state is saved.
        UserError: the checkpoints belong to another training or are all gone, two attempts ended at the same step, too
            many steps in a row were not finite, or the disk is full.
    """
    world = World.current()
    attempts = attempts_of(folder, settings, world.size)
    checkpoints = CheckpointFolder(folder, fingerprint, on_saved=attempts.saved)
    trainer = Trainer(stage, settings, seed, world)
    if world.first:
        attempts.refuse_repeats()
    resume(trainer, checkpoints, attempts)
    walltime = Walltime(launch.stop_margin_seconds)
    records = Records(trainer, folder, launch, attempts) if world.first else nullcontext()
    with StopFlag() as stop, records, ending_well(checkpoints):
        while trainer.step < settings.steps:
            with timed(walltime, "step"):
                step = trainer.advance()
            reason = stop.reason(folder) or ("the end of the job's time limit is near" if walltime else None)
            stopping = world.any(reason is not None)
            if world.first:
                due = trainer.step % settings.validate_every == 0 or trainer.step == settings.steps
                with timed(walltime, "validation") if due else nullcontext():
                    metrics = trainer.validate() if due else {}
                if due or stopping:
                    with timed(walltime, "save"):
                        checkpoints.save(trainer.step, *trainer.state())
                records.step(step, metrics)
            if trainer.skipped_in_a_row > settings.skip_nonfinite:
                checkpoints.wait()
                raise UserError(
                    f"{stage.name}: a loss or gradient was not finite in {trainer.skipped_in_a_row} steps in a row, "
                    f"the last of them step {trainer.step}; their scans are in {folder / 'skipped.jsonl'}. Look at "
                    "them, or lower training.learning_rate."
                )
            if stopping and trainer.step < settings.steps:
                checkpoints.wait()
                world.wait()  # nobody leaves before the state is on disk
                raise Interrupted(
                    f"{stage.name}: {reason or 'another process was asked to stop'}; saved after step {trainer.step} "
                    f"of {settings.steps}. The same command continues."
                )
        checkpoints.wait()
    return trainer.outcome()


def resume(trainer: Trainer, checkpoints: CheckpointFolder, attempts: Attempts) -> None:
    """Load the newest whole checkpoint that the first process finds, in every process.

    Raises:
        UserError: there was one, and it is gone.
    """
    world, name, steps = trainer.world, trainer.stage.name, trainer.settings.steps
    newest = None
    if world.first:
        checkpoints.clean()
        newest = checkpoints.newest()
        if newest is None and (saved := attempts.saved_step()):
            raise UserError(
                f"{name}: step {saved} was saved in {checkpoints.folder}, but no checkpoint is there any more: put it "
                f"back, or start over with `ldae fresh {checkpoints.folder.parent}`."
            )
    found = world.largest(-1 if newest is None else newest.step)
    if found >= 0:
        trainer.load(newest or checkpoints.at(found))
    if world.first and found >= 0:
        lost = f" (step {attempts.saved_step()} was saved, too)" if attempts.saved_step() > found else ""
        logger.info("%s: continued from step %d of %d%s", name, found, steps, lost)


@contextmanager
def ending_well(checkpoints: CheckpointFolder) -> Iterator[None]:
    """Whatever ends the training: finish the checkpoint that is being written, and say a full disk in a sentence."""
    try:
        yield
    except OSError as error:
        checkpoints.join()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(f"{checkpoints.folder}: {error.strerror}: make room; {checkpoints.whole()}.") from error
    finally:
        checkpoints.join()


@contextmanager
def timed(walltime: Walltime, kind: str) -> Iterator[None]:
    """Tell the time limit how long the block took."""
    started = time.monotonic()
    yield
    walltime.observe(kind, time.monotonic() - started)
