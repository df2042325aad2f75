"""What a training was asked to do, and whether it has to be done at all.

A delivered model is not trained again because scans came or went: it stays until its user asks (``training.refit``).
Other settings, another seed, another grid or another model before it are asked for by whoever changes them; more steps
alone are asked of the model that is there, which goes on. Each way the model that stood there is moved aside, never
overwritten.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ldae import config
from ldae.core.errors import UserError
from ldae.core.scans import FILE, Change, ScanSet, some
from ldae.core.store import Store
from ldae.inference.model_folder import CHECKPOINTS, Outcome, fingerprint, start_from, write_model
from ldae.networks.counts import count_parameters
from ldae.training import extension
from ldae.training.distributed import World
from ldae.training.loop import train
from ldae.training.safety.attempts import Attempts
from ldae.training.safety.checkpoint import CheckpointFolder
from ldae.training.safety.delivery import Deliveries, Delivery
from ldae.training.safety.lock import RunLock
from ldae.training.stages.stage import Stage
from ldae.training.warm_start import MEASURED_HERE, Start

logger = logging.getLogger("ldae")
Settings = config.Autoencoder | config.Diffusion | config.Representation | config.Dae
ASKED = ("settings.", "method.", "seed", "inputs.")  # a change of these asks for another model
SETS = ("inputs.train", "inputs.validation")  # a change of these alone does not


@dataclass(frozen=True)
class Assignment:
    """One training.

    Attributes:
        stage: its name.
        out: its folder.
        scans: those that it reads.
        splits: splits.tsv, to see whether a scan that was trained on is a test scan now.
        inputs: digests of what it reads beside the scans (models, grid).
        method: the entries of the ``method`` section that it reads.
        start: the weights that it starts from; none: it starts at random.
    """

    stage: str
    out: Path
    settings: Settings
    seed: int
    launch: config.Launch
    scans: ScanSet
    splits: pd.DataFrame
    inputs: dict[str, str]
    method: dict[str, Any]
    start: Start | None = None

    @property
    def folder(self) -> Path:
        """Where its checkpoints and records lie."""
        return Path(self.out) / CHECKPOINTS

    @property
    def identity(self) -> dict[str, Any]:
        """The fingerprint of the training."""
        inputs = self.inputs | self.scans.digests()
        return fingerprint(self.settings, self.seed, inputs, method=self.method)

    def rows(self, store: Store, split: str) -> np.ndarray:
        """Positions of the scans of one split in a store, in the order in which they are numbered."""
        return self.scans.rows(store, split)

    def run(self, stage: Stage, **more: Any) -> None:
        """Run the loop, write and keep the model, drop the checkpoints, which have no further use then.

        Args:
            more: further entries of model.json.
        """
        world = World.current()
        self.begin(stage)
        outcome = train(stage, self.settings.training, self.seed, self.folder, self.identity, self.launch)
        if world.first:
            parameters = {name: count_parameters(network) for name, network in stage.networks.items()}
            self.deliver(outcome, **(more | {"parameters": parameters, "scans": stage.scans}))
            self.tidy()
            logger.info("%s: written to %s (weights of step %d)", stage.name, self.out, outcome.step)

    def begin(self, stage: Stage) -> None:
        """Put the weights into the network that it starts from, unless it has done steps already.

        Raises:
            UserError: they are gone, or do not fit.
        """
        start, given = self.start, self.settings.training.init_from
        if start is None or any(self.folder.glob("step-*.json")):
            return
        if start.folder is None:
            raise UserError(
                f"{self.stage}.training.init_from: {given} does not exist, so no other model can start from it: put it "
                "back."
            )
        start_from(stage.product, start.folder, MEASURED_HERE.get(self.stage, ()))
        logger.info("%s: starts from the weights %s of %s", self.stage, start.digest, start.folder)

    def deliver(self, outcome: Outcome, **more: Any) -> None:
        """Write the model folder and keep a second name of it; what stood there is moved aside."""
        deliveries, out = Deliveries(self.out), Path(self.out)
        deliveries.preserve()
        facts = {"inputs": self.identity["inputs"]} | ({"method": self.method} if self.method else {})
        if self.start is not None:
            facts["init_from"] = self.start.facts(self.splits)
        write_model(out, outcome, self.stage, self.settings, self.seed, **(facts | more))
        last = CheckpointFolder(self.folder, self.identity).files(self.settings.training.steps)
        seen = None if self.start is None else self.start.seen
        deliveries.keep(self.identity, self.scans, last if self.launch.keep_last_state else None, seen)

    def tidy(self) -> None:
        """Remove what only an unfinished training needs, unless it is another's."""
        CheckpointFolder(self.folder, self.identity).clear()
        if not any(self.folder.glob("step-*.json")):
            Attempts(self.folder, shape="").clear()
            (self.folder / FILE).unlink(missing_ok=True)


@contextmanager
def assigned(assignment: Assignment) -> Iterator[Assignment | None]:
    """The training that is left to be done, or none: a delivered model stays, or is delivered again.

    Of several processes the first holds the lock and decides; the others read the scans that it has written down.

    Raises:
        UserError: the delivered model can neither stay nor be replaced unasked, or the scans of an interrupted training
            have changed.
    """
    world, folder = World.current(), assignment.folder
    with RunLock(folder) if world.first else nullcontext():
        if world.any(world.first and _settled(assignment)):
            yield None
            return
        if world.first:
            _own_scans(assignment).write(folder)
        world.wait()
        yield Assignment(**(assignment.__dict__ | {"scans": ScanSet.read(folder)}))
    world.wait()


def _settled(wanted: Assignment) -> bool:
    """Whether a model that was delivered before answers the assignment; it stands in the folder then."""
    if wanted.start is not None:
        wanted.start.require_unseen(wanted.stage, wanted.settings.training, wanted.splits)
    deliveries = Deliveries(wanted.out, type(wanted.settings))
    if same := deliveries.find(wanted.identity):
        deliveries.deliver(same)
        wanted.tidy()  # a kill may have come between the delivery and that
        logger.info("%s: it had finished before; delivered again to %s", wanted.stage, wanted.out)
        return True
    current = deliveries.current()
    if current is not None and current.imported:
        deliveries.deliver(current)
        logger.warning(
            "%s: the imported model stays. To train one here, put it aside with `ldae fresh %s`.",
            *(wanted.stage, wanted.out),
        )
        return True
    if current is None or current.scans is None or current.scans.part("train").empty:
        return False
    other = extension.differences(current.identity, wanted.identity)
    asked = [name for name in other if name.startswith(ASKED) and name not in SETS]
    change = Change.between(current.scans, wanted.scans)
    when_changed = wanted.settings.training.refit == "when_changed" and not change.nothing
    if asked == [extension.STEPS] and not when_changed:
        _extend(wanted, deliveries, current, current.scans)
        return False
    if asked:
        logger.warning(
            "%s: another model is trained, since %s changed; the old one is kept in %s.",
            *(wanted.stage, ", ".join(asked), deliveries.replaced),
        )
        return False
    if when_changed:
        logger.warning(
            "%s: another model is trained, since its scans changed: %s; the old one is kept in %s.",
            *(wanted.stage, change, deliveries.replaced),
        )
        return False
    _require_usable(wanted, current.scans, change)
    deliveries.deliver(current)
    logger.warning(
        "%s: the model stays, although its scans changed: %s. `%s` trains another.",
        *(wanted.stage, change, _command(wanted)),
    )
    return True


def _extend(wanted: Assignment, deliveries: Deliveries, current: Delivery, own: ScanSet) -> None:
    """The finished training goes on with the scans that it has read, if it has not begun to.

    Raises:
        UserError: it has done more steps than are asked for, its last state is not there, or its scans have changed.
    """
    done, steps = current.identity["settings"]["training"]["steps"], wanted.settings.training.steps
    begun = any(wanted.folder.glob("step-*.json"))
    kept = begun or extension.state_of(current.folder) is not None
    if reason := extension.refusal(wanted.stage, wanted.out, done, steps, kept):
        raise UserError(reason)
    change = Change.between(own, wanted.scans)
    _require_usable(wanted, own, change)
    if change.gone or change.altered:
        raise UserError(
            f"{wanted.stage}: the training of {done} steps cannot go on to {steps}, since its scans changed: {change}: "
            f"put them or the {done} steps back, or train another with `{_command(wanted)}`, which keeps this one "
            "aside."
        )
    if begun:
        return
    own.write(wanted.folder)
    longer = Assignment(**(wanted.__dict__ | {"scans": own}))
    entry = extension.begin(current.folder, wanted.folder, wanted.stage, current.identity, longer.identity)
    logger.warning(
        "%s: goes on from step %d to %d (schedule %s); the model of %d steps is kept in %s.",
        *(wanted.stage, done, steps, entry["schedule"], done, deliveries.replaced),
    )


def _require_usable(wanted: Assignment, trained: ScanSet, change: Change) -> None:
    """Raises:
    UserError: the model was trained on a subject of the test split, or on none of the scans of now.
    """
    test = set(wanted.splits.loc[wanted.splits["split"] == "test", "participant_id"])
    leaked = sorted(set(trained.table["participant_id"]) & test)
    if leaked:
        raise UserError(
            f"{wanted.out}: the model was trained on {some(leaked)}, now in the test split: put the splits back, or "
            f"train another with `{_command(wanted)}`, which keeps this one aside."
        )
    if not change.kept:
        raise UserError(
            f"{wanted.out}: none of the {len(trained.table)} scans that the model was trained on is there as it was "
            f"({change}): put them back, or train another with `{_command(wanted)}`, which keeps this one aside."
        )


def _own_scans(wanted: Assignment) -> ScanSet:
    """Those of the interrupted training that is there, as long as all of them are; else those of now.

    Raises:
        UserError: they have changed.
    """
    begun = ScanSet.read(wanted.folder)
    if begun is None or not any(wanted.folder.glob("step-*.json")):
        return wanted.scans
    change = Change.between(begun, wanted.scans)
    if change.nothing:
        return wanted.scans
    if change.gone or change.altered or wanted.settings.training.refit == "when_changed":
        raise UserError(
            f"{wanted.stage}: its scans changed since the checkpoints in {wanted.folder} were made: {change}. Put them "
            f"back to continue that training, or start over with `ldae fresh {wanted.out}`, which keeps it aside."
        )
    logger.warning(
        "%s: the training that was begun goes on with its own scans; since then %s. `ldae fresh %s` starts over.",
        *(wanted.stage, change, wanted.out),
    )
    return begun


def _command(wanted: Assignment) -> str:
    return f"ldae refit {Path(wanted.out).parents[1]} {Path(wanted.out).name}"
