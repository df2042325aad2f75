"""Asking for other models, where scans came or went after the training."""

from collections.abc import Sequence
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.lineage import MADE_FROM
from ldae.core.scans import TARGETS, Change, ScanSet, read_splits
from ldae.core.store import open_store
from ldae.training.safety.delivery import Deliveries
from ldae.training.safety.lock import RunLock


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
