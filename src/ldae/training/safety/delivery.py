"""What finished trainings have delivered, under names that no one else deletes.

Snakemake deletes the declared outputs of a job before it runs again, and when it is killed after its last word. The
copies here (hard links) are not declared: ``checkpoints/delivered`` holds what stands in the folder of the training,
``replaced/<digest>`` each model that stood there before. ``refit`` withdraws those that have not seen every scan.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ldae.config import computed
from ldae.core.errors import UserError
from ldae.core.files import link_or_copy, read_json, sha256_file, write_json
from ldae.core.lineage import MADE_FROM
from ldae.core.scans import FILE, TARGETS, Change, ScanSet, read_splits
from ldae.core.store import open_store
from ldae.training.extension import NOTE, keep_state
from ldae.training.safety.lock import RunLock
from ldae.training.warm_start import SEEN, Seen

BESIDE = (FILE, SEEN)  # where they are there
FILES = ("metrics.jsonl", "model.safetensors", "model.json")  # model.json last: a folder with one is whole


@dataclass(frozen=True)
class Delivery:
    """One finished training: its copies, what it depended on, and the scans that it read."""

    folder: Path
    identity: dict[str, Any]
    scans: ScanSet | None

    @property
    def imported(self) -> bool:
        """Whether the weights were trained elsewhere."""
        return "imported" in self.identity

    @property
    def digest(self) -> str:
        """Of the model, as model.json has it."""
        return read_json(self.folder / "model.json")["digest"]


class Deliveries:
    """The deliveries of one training.

    Args:
        out: its folder (``results/train/<stage>``).
        settings: kind of its settings, by which those of an earlier version of the code are completed.
    """

    def __init__(self, out: Path, settings: type[BaseModel] | None = None):
        self.out, self.settings = Path(out), settings
        self.kept, self.replaced = self.out / "checkpoints" / "delivered", self.out / "replaced"

    def current(self) -> Delivery | None:
        """What was delivered last; none where there is none, or it is damaged."""
        return self._read(self.kept)

    def find(self, identity: dict[str, Any]) -> Delivery | None:
        """What exactly this training has delivered, now or before it was replaced."""
        folders = [self.kept, *sorted(self.replaced.iterdir() if self.replaced.is_dir() else [])]
        found = (self._read(folder) for folder in folders)
        return next((delivery for delivery in found if delivery and delivery.identity == identity), None)

    def deliver(self, delivery: Delivery) -> None:
        """Put a delivery into the folder of the training (again)."""
        if delivery.folder != self.kept:
            self.set_aside()
            delivery.folder.rename(self.kept)
        for name in (*FILES, *BESIDE):
            if (self.kept / name).is_file():
                (self.out / name).unlink(missing_ok=True)
                link_or_copy(self.kept / name, self.out / name)
            elif name == SEEN:  # of the model that stood here
                (self.out / name).unlink(missing_ok=True)

    def keep(
        self, identity: dict[str, Any], scans: ScanSet, state: list[Path] | None = None, start: Seen | None = None
    ) -> None:
        """Link what stands in the folder of the training (a copy where the file system has no hard links).

        Args:
            state: files of its last state, so that it can go on one day; none: it is not kept.
            start: whom the weights had seen that it started from; none: it started at random.
        """
        scans.write(self.out)
        self.set_aside()
        if start is None:
            (self.out / SEEN).unlink(missing_ok=True)
        else:
            start.write(self.out)
        beside = [name for name in BESIDE if (self.out / name).is_file()]
        self._keep((*FILES, *beside), identity, state or [])

    def keep_imported(self) -> None:
        """Keep weights that were imported into the folder: they stay when the workflow comes to this training."""
        current = self.current()
        if current is not None and current.imported:  # the same weights: another is refused before it is written
            shutil.rmtree(self.kept)
        self.set_aside()
        self._keep(FILES, {"imported": read_json(self.out / "model.json")["digest"]})

    def _keep(self, names: tuple[str, ...], identity: dict[str, Any], state: Sequence[Path] = ()) -> None:
        fresh = self.kept.with_name(f".tmp-{self.kept.name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name in names:
            link_or_copy(self.out / name, fresh / name)
        contents = {name: sha256_file(fresh / name) for name in names}
        keep_state(list(state), fresh)
        write_json(fresh / NOTE, {"identity": identity, "sha256": contents})
        fresh.rename(self.kept)

    def set_aside(self) -> Path | None:
        """Move what was delivered last to ``replaced/<digest of its weights>``; returns the new name."""
        if not self.kept.is_dir():
            return None
        delivery = self._read(self.kept)
        aside = self._aside(delivery.digest if delivery else "damaged")
        aside.parent.mkdir(parents=True, exist_ok=True)
        self.kept.rename(aside)
        return aside

    def withdraw(self) -> Path | None:
        """Move what was delivered aside, and take it out of the folder of the training."""
        self.preserve()
        aside = self.set_aside()
        for name in (*FILES, *BESIDE):
            (self.out / name).unlink(missing_ok=True)
        return aside

    def preserve(self) -> None:
        """Keep what stands in the folder of the training but was not delivered by one (imported weights)."""
        model, kept = self.out / "model.safetensors", self.kept / "model.safetensors"
        if not (self.out / "model.json").is_file() or not model.is_file():
            return
        if kept.is_file() and sha256_file(kept) == sha256_file(model):
            return
        aside = self._aside(sha256_file(model)[:16])
        aside.mkdir(parents=True)
        for name in (*FILES, *BESIDE):
            if (self.out / name).is_file():
                link_or_copy(self.out / name, aside / name)

    def _aside(self, name: str) -> Path:
        aside, count = self.replaced / name, 1
        while aside.exists():
            count += 1
            aside = self.replaced / f"{name}-{count}"
        return aside

    def _read(self, folder: Path) -> Delivery | None:
        """Whole and undamaged, or none."""
        if not (folder / NOTE).is_file():
            return None
        note = read_json(folder / NOTE)
        for name, content in note["sha256"].items():
            if not (folder / name).is_file() or sha256_file(folder / name) != content:
                return None
        return Delivery(folder, self._identity(folder, note), ScanSet.read(folder))

    def _identity(self, folder: Path, note: dict[str, Any]) -> dict[str, Any]:
        """What it depended on; settings that are newer than the delivery had their defaults."""
        identity = note.get("identity", {})  # an earlier version kept its digest alone
        if self.settings is None or not identity:
            return identity
        try:
            completed = self.settings.model_validate(read_json(folder / "model.json")["settings"])
        except ValidationError:  # a setting that there was is gone
            return identity
        return identity | {"settings": computed(completed)}


def keep_imported(train: Path) -> None:
    """Keep every imported model below a folder, since one import may complete the description of another."""
    for path in sorted(Path(train).glob("*/model.json")):
        if "imported" in read_json(path):
            Deliveries(path.parent).keep_imported()


def refit(results: Path, stages: Sequence[str]) -> tuple[dict[str, Path | None], list[str]]:
    """Move models aside whose training or validation scans have changed.

    Their declared outputs are gone then, so the workflow plans those trainings, and what rests on them.

    Args:
        results: a results folder.
        stages: those that are looked at.

    Returns:
        stage -> where its model is kept; the stages whose models have seen every scan.

    Raises:
        UserError: no such stage, no store yet, or a process trains one of them.
    """
    if unknown := sorted(set(stages) - set(MADE_FROM)):
        raise UserError(f"There is no training {unknown[0]!r}: give one or more of {', '.join(MADE_FROM)}.")
    volumes, splits = results / "store" / "volumes", results / "manifest" / "splits.tsv"
    if not (volumes / "store.json").is_file() or not splits.is_file():
        raise UserError(f"{results} holds no packed volumes yet: run the workflow up to `pack_volumes` first.")
    store, table, moved, seen = open_store(volumes), read_splits(splits), {}, []
    for stage in stages:
        deliveries = Deliveries(results / "train" / stage)
        delivered = deliveries.current()
        if delivered is None or delivered.scans is None:
            continue
        if Change.between(delivered.scans, ScanSet.of(store, table, TARGETS.get(stage))).nothing:
            seen.append(stage)
            continue
        with RunLock(deliveries.kept.parent):
            moved[stage] = deliveries.withdraw()
    return moved, seen
