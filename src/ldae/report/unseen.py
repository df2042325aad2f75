"""Which scans of the cohort its models have not seen, because they came after the training."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ldae.core.lineage import MADE_FROM, read_description
from ldae.core.scans import TARGETS, Change, ScanSet, read_splits
from ldae.core.store import Store, open_store


def changes(
    train: Path, volumes: Store, splits: pd.DataFrame, stages: Iterable[str] = tuple(MADE_FROM)
) -> dict[str, Change]:
    """Stage -> how the training and validation scans of now differ from those that its model was trained on.

    An imported model says nothing of its scans, and is left out.
    """
    found = {}
    for stage in stages:
        trained = ScanSet.read(Path(train) / stage)
        if trained is not None:
            found[stage] = Change.between(trained, ScanSet.of(volumes, splits, TARGETS.get(stage)))
    return found


def unseen_sentences(train: Path, volumes: Path, splits: Path) -> list[str]:
    """One sentence for every model whose training or validation scans have changed since; none after a fresh run.

    Args:
        train: folder of the models.
        volumes: folder of the volume store.
        splits: splits.tsv.
    """
    store, sentences = open_store(volumes), []
    for stage, change in changes(train, store, read_splits(splits)).items():
        if change.nothing:
            continue
        words = [f"has not seen {change.unseen} of the {change.kept + change.unseen} training and validation scans"]
        if change.gone:
            words.append(f"was trained on {len(change.gone)} that are no longer among them")
        digest = read_description(Path(train) / stage)["digest"]
        sentences.append(f"The model of {stage} ({digest}) {' and '.join(words)}; `ldae refit` trains another.")
    return sentences
