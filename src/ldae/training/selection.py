"""By whose scans the best step of a supervised encoder is chosen.

The paper's validation split is 1 % of the subjects. In a cohort of a few hundred that is one or two people of a
class: the best of fifty steps by them is a step chosen by chance, and a baseline trained so is easily beaten. With
``selection: enough`` at least :data:`FEWEST` subjects of each class choose: those of the validation split and, where
these are too few, some that are set aside from the training split. In a cohort too small for that nobody chooses: the
last step is delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ldae.core.keyed import key

FEWEST = 10  # subjects of a class
MOST = 0.2  # of a class's training subjects that may be set aside
How = Literal["enough", "validation"]


@dataclass(frozen=True)
class Selection:
    """Who teaches and who chooses.

    Attributes:
        train: (n,) which of the labelled training scans are trained on.
        set_aside: (n,) which of them help to choose the step instead.
        chooses: whether a step is chosen; else the last one is delivered.
        words: how, for model.json and the tables.
    """

    train: np.ndarray
    set_aside: np.ndarray
    chooses: bool
    words: str


def chosen_by(how: How) -> dict[str, str]:
    """What the fingerprint of a training holds of it: nothing of ``validation``, as before there was a choice."""
    return {} if how == "validation" else {"selection": how}


def select(
    how: How,
    subjects: Sequence[np.ndarray],
    classes: Sequence[np.ndarray],
    names: dict[float, str],
    seed: int,
) -> Selection:
    """Share labelled scans between training and the choice of the step.

    Args:
        how: ``enough``: as the module says. ``validation``: the validation split chooses, however small it is.
        subjects: of the scans of training and of validation.
        classes: of the same scans; a subject counts with the class of its last one.
        names: class -> its name; every class must be represented.
        seed: of the run; a subject is set aside by a hash of it and the name, whoever else is in the cohort.
    """
    (train, validation), everyone = (_by_class(*part) for part in zip(subjects, classes, strict=True)), subjects[0]
    nobody = np.zeros(len(everyone), dtype=bool)
    counts = {kind: len(validation.get(kind, [])) for kind in names}
    if not sum(counts.values()) and how == "validation":
        return Selection(~nobody, nobody, False, "last step: no validation scan has this label")
    missing = {kind: max(FEWEST - count, 0) for kind, count in counts.items()}
    if how == "validation" or not any(missing.values()):
        return Selection(~nobody, nobody, True, f"best step by {_words(counts, names)} of the validation split")
    if any(count > MOST * len(train.get(kind, [])) for kind, count in missing.items()):
        return Selection(~nobody, nobody, False, f"last step: {_known(names)}")
    aside = [
        name
        for kind, count in missing.items()
        for name in sorted(train[kind], key=lambda name: key(seed, "chooses the step", str(name)))[:count]
    ]
    chosen = np.isin(everyone, aside)
    counts = {kind: count + missing[kind] for kind, count in counts.items()}
    words = f"best step by {_words(counts, names)}, {len(aside)} of them set aside from the training split"
    return Selection(~chosen, chosen, True, words)


def _by_class(subjects: np.ndarray, classes: np.ndarray) -> dict[float, list[str]]:
    """Class -> its subjects."""
    found: dict[float, list[str]] = {}
    for name, kind in dict(zip(subjects.tolist(), classes.tolist(), strict=True)).items():
        found.setdefault(float(kind), []).append(name)
    return found


def _words(counts: dict[float, int], names: dict[float, str]) -> str:
    if len(names) == 1:
        return f"{sum(counts.values())} subjects"
    return f"{sum(counts.values())} subjects ({', '.join(f'{counts[kind]} {name}' for kind, name in names.items())})"


def _known(names: dict[float, str]) -> str:
    whom = f"subjects of each of {' and '.join(names.values())}" if len(names) > 1 else "subjects"
    return (
        f"{FEWEST} {whom} would have to choose another, and at most {MOST:.0%} of the training subjects are set aside "
        "for that"
    )
