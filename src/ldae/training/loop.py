"""One training loop for every stage, in plain PyTorch.

Progress is one integer, the number of optimizer steps done. Data order, noise, timesteps and learning rates are pure
functions of (seed, stage, step, position in the effective batch), so a run that was killed and continued ends with
the same bytes as one that was not: on a CPU always, on a GPU with ``training.deterministic``.
"""

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import torch

from ldae import config
from ldae.core.errors import Interrupted, MachineError, UserError
from ldae.inference.device import deterministic
from ldae.inference.model_folder import Outcome
from ldae.training.distributed import World
from ldae.training.records import Records, Witness, attempts_of
from ldae.training.safety.attempts import Attempts
from ldae.training.safety.checkpoint import CheckpointFolder
from ldae.training.safety.interruption import StopFlag, Walltime
from ldae.training.stages.stage import Stage
from ldae.training.trainer import Step, Trainer

logger = logging.getLogger("ldae")
LAUNCH = config.Launch()


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
        Interrupted: a signal came (SIGTERM, SIGUSR1, SIGINT, SIGHUP), or the job's time limit is near; the state is
            saved.
        UserError: the checkpoints belong to another training or are all gone, two attempts ended at the same step, too
            many steps in a row were not finite, the GPU's memory or the disk is full. Whatever error ends it: the steps
            done so far are saved, if the disk allows it.
    """
    world = World.current()
    attempts = attempts_of(folder, settings, world.size)
    checkpoints = CheckpointFolder(folder, fingerprint, on_saved=attempts.saved)
    trainer = Trainer(stage, settings, seed, world)
    if world.first:
        attempts.refuse_repeats()
    walltime = Walltime(launch.stop_margin_seconds)
    with timed(walltime, "write"):  # reading a checkpoint, digest and all, takes about as long as writing one
        resume(trainer, checkpoints, attempts)
    records = Records(trainer, folder, launch, attempts) if world.first else Witness(attempts)
    with StopFlag() as stop, records, deterministic(settings.deterministic), ending_well(trainer, checkpoints):
        if trainer.step < settings.steps:
            leave_if_asked(trainer, stop.reason(folder), checkpoints)
        if world.first and trainer.due() and not trainer.validated:  # the last attempt ended in that validation
            with timed(walltime, "validation"):
                records.step(Step({}, skipped=False), trainer.validate())
        while trainer.step < settings.steps:
            with timed(walltime, "step"):
                step = trainer.advance()
            due = world.first and trainer.due()
            if world.first:
                attempts.reached(trainer.step)
            with timed(walltime, "validation") if due else nullcontext():
                metrics = trainer.validate() if due else {}
            walltime.observe("write", checkpoints.seconds)
            reason = stop.reason(folder) or ("the end of the job's time limit is near" if walltime else None)
            stopping = world.any(reason is not None)
            if world.first:
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
                leave(trainer, reason, checkpoints)
        checkpoints.wait()
    return trainer.outcome()


def leave_if_asked(trainer: Trainer, reason: str | None, checkpoints: CheckpointFolder) -> None:
    """Before the first step of an attempt: it was asked to stop while it was starting."""
    if trainer.world.any(reason is not None):
        leave(trainer, reason, checkpoints)


def leave(trainer: Trainer, reason: str | None, checkpoints: CheckpointFolder) -> NoReturn:
    """Every process ends here when one was asked to stop; what is saved is on disk then."""
    checkpoints.wait()
    trainer.world.wait()  # nobody leaves before the state is on disk
    name, step, steps = trainer.stage.name, trainer.step, trainer.settings.steps
    saved = f"saved after step {step} of {steps}" if step else f"none of its {steps} steps was done"
    raise Interrupted(f"{name}: {reason or 'another process was asked to stop'}; {saved}. The same command continues.")


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
def ending_well(trainer: Trainer, checkpoints: CheckpointFolder) -> Iterator[None]:
    """Whatever ends the training: finish the checkpoint that is being written, save the steps done since, and say a
    full disk in a sentence."""
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        checkpoints.join()
        if trainer.world.first:
            save_what_is_done(trainer, checkpoints)
        if isinstance(error, torch.OutOfMemoryError):
            raise MachineError(
                f"{trainer.stage.name}: out of GPU memory after step {trainer.step} ({str(error).partition('.')[0]}). "
                f"Free the GPU, or use a larger one or a smaller network; of the checkpoints {checkpoints.whole()}."
            ) from error
        if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise MachineError(f"{checkpoints.folder}: {error.strerror}: make room; {checkpoints.whole()}.") from error
    finally:
        checkpoints.join()


def save_what_is_done(trainer: Trainer, checkpoints: CheckpointFolder) -> None:
    """After an error: the steps since the last checkpoint, where the state is whole and no loss went astray."""
    if trainer.step <= checkpoints.newest_step() or trainer.skipped_in_a_row or not trainer.rewind():
        return
    try:
        checkpoints.save(trainer.step, *trainer.state())
        checkpoints.wait()
    except Exception as error:  # the one that ended the training is told
        logger.warning("%s: step %d could not be saved (%s)", trainer.stage.name, trainer.step, error)
    else:
        logger.info("%s: saved after step %d of %d", trainer.stage.name, trainer.step, trainer.settings.steps)


@contextmanager
def timed(walltime: Walltime, kind: str) -> Iterator[None]:
    """Tell the time limit how long the block took."""
    started = time.monotonic()
    yield
    walltime.observe(kind, time.monotonic() - started)
