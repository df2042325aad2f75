"""What a code knows of a label that nobody asked it for, such as the scanner: read by cross-validation, beside chance.

The label is read by penalised linear regression on one column of 0 and 1 for each class, all classes and penalties of a
fold at once (ridge regression in closed form). Chance is not 0.5: what is fitted without a subject leans away from it,
so codes of pure noise are read below 0.5, the more so the fewer subjects there are. Chance is therefore measured: the
codes of the subjects change places, and the same folds are read again.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from ldae.core.keyed import study_stream
from ldae.studies.common.chance import CHANCE, beside, stand_ins
from ldae.studies.common.feature_sets import VoxelPca
from ldae.studies.common.linear_probes import (
    INNER_FOLDS,
    PENALTIES,
    Features,
    fit_with_penalty,
    moments,
    subject_folds,
)
from ldae.studies.common.scales import Share, on
from ldae.studies.common.statistics import (
    Estimate,
    Statistic,
    cv_widening,
    estimates_table,
    interval,
    mean_auc,
    not_available,
)
from ldae.studies.probes.estimates import OURS, r2

PENALTY = PENALTIES["age"]
ROUNDING = 1e-6  # of a column's spread over all rows: what sums of squares leave of no spread at all
COMPONENTS, COMPONENT_KEYS, COMPONENT_R2 = 10, ("method", "metric", "component"), "voxel_component_r2"


@dataclass(frozen=True)
class Reading:
    """A number, the classes that were told apart, and what the number is where the codes know nothing.

    Attributes:
        chance: mean of the number over permutations; ``chance_low`` and ``chance_high``: where 95 % of them lie.
        chance_p: share of the permutations with a number at least as large, the unpermuted one counted among them.
    """

    estimate: Estimate
    classes: str | None = None
    chance: float | None = None
    chance_low: float | None = None
    chance_high: float | None = None
    chance_p: float | None = None

    def row(self, method: str, metric: str) -> dict:
        """One line of confounds.tsv."""
        beside = {name: getattr(self, name) for name in CHANCE}
        return self.estimate.row(method=method, metric=metric, classes=self.classes, **beside)


def read_from(
    scans: pd.DataFrame,
    features: Features,
    labels: pd.Series,
    folds: int,
    bootstrap: int,
    seed: int,
    permutations: int,
) -> dict[str, Reading]:
    """AUC (mean of one class against the rest) and balanced accuracy (mean recall) of a cross-validated reading.

    Folds hold whole subjects, and as many of every class as chance allows, those that choose the penalty too. Classes
    whose scans all lie in one fold cannot be learnt for it and are left out.

    Args:
        labels: the class of each scan; scans without one are left out.
        permutations: how often the subjects' codes change places. 0: no null.
    """
    known = np.flatnonzero(labels.notna())
    everyone = scans["participant_id"].to_numpy()
    fold = np.full(len(scans), -1)
    if len(known):
        known = known[np.lexsort((scans["months"].to_numpy()[known], everyone[known]))]
        fold[known] = subject_folds(everyone[known], labels.to_numpy()[known], folds, seed)
    spread = pd.Series(fold[known]).groupby(labels.to_numpy()[known]).nunique()
    classes = sorted(spread.index[spread > 1])
    metrics: dict[str, Statistic] = {"auc": mean_auc(len(classes)), "balanced_accuracy": mean_recall(len(classes))}
    if len(classes) < 2:
        there = ", ".join(map(str, sorted(labels.dropna().unique()))) or "unknown"
        reason = not_available(f"one class, or too few subjects of each: {there}")
        return {metric: Reading(reason) for metric in metrics}
    rows = known[np.isin(labels.to_numpy()[known].astype(str), classes)]
    own, subjects, fold = labels.to_numpy()[rows], everyone[rows], fold[rows]
    groups = scans.get("probe_group", scans["participant_id"]).to_numpy()[rows]
    inner = {held: inner_folds(groups, own, fold != held, seed) for held in np.unique(fold)}
    target = (own[:, None] == np.array(classes, dtype=object)).astype(float)
    number, evenly = np.searchsorted(classes, own), np.ones((1, len(rows)))

    def read(source: np.ndarray) -> np.ndarray:
        return np.column_stack([cross_validated_scores(features, source, target, fold, inner), number])

    values, widen = read(rows), cv_widening(fold)
    permuted = [read(rows[exchanged(subjects, seed, draw)]) for draw in range(permutations)]
    found = {}
    for metric, statistic in metrics.items():
        estimate = interval(values, subjects, statistic, bootstrap, seed, widen=widen)
        null = [float(statistic(one, evenly)[0]) for one in permuted]
        found[metric] = Reading(estimate, ", ".join(classes), *beside(estimate.value, null))
    return found


def exchanged(subjects: np.ndarray, seed: int, draw: int) -> np.ndarray:
    """(rows,) places of the rows whose codes stand in for each row's: every subject gets those of another one."""
    givers = study_stream(seed, "exchanged codes", draw).permutation(len(np.unique(subjects)))
    return stand_ins(subjects, givers)


def inner_folds(groups: np.ndarray, own: np.ndarray, inside: np.ndarray, seed: int) -> np.ndarray:
    """(rows,) fold of the rows inside, even in what is read; -1 outside."""
    fold = np.full(len(own), -1)
    fold[inside] = subject_folds(groups[inside], own[inside], INNER_FOLDS, seed)
    return fold


@dataclass(frozen=True)
class Sums:
    """All that ridge regression needs of the rows it is fitted on. Of several sets of rows it is the sum of theirs.

    Attributes:
        rows: how many.
        features: (dimension,); ``target``: (classes,); ``squares``: (dimension, dimension), features with features;
            ``products``: (dimension, classes), features with targets.
    """

    rows: int
    features: np.ndarray
    target: np.ndarray
    squares: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, target: np.ndarray) -> "Sums":
        """Of (rows, dimension) features with means near 0 and spreads near 1: others cost digits."""
        return cls(len(features), features.sum(axis=0), target.sum(axis=0), features.T @ features, features.T @ target)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def ridge(self, asked: np.ndarray, penalties: np.ndarray) -> np.ndarray:
        """(penalties, asked, classes) predictions by ridge regression on standardised features, for every penalty."""
        mean, offset = self.features / self.rows, self.target / self.rows
        std = np.sqrt((self.squares.diagonal() / self.rows - mean**2).clip(0))
        std = np.where(std > ROUNDING, std, 1.0)  # a constant column stays harmless
        gram = (self.squares - self.rows * np.outer(mean, mean)) / np.outer(std, std)
        along = (self.products - np.outer(mean, self.target)) / std[:, None]
        asked = (asked - mean) / std
        said = []
        for penalty in penalties:
            factor = cho_factor(gram + penalty * np.eye(len(gram)), overwrite_a=True, check_finite=False)
            said.append(asked @ cho_solve(factor, along, check_finite=False) + offset)
        return np.stack(said)


def cross_validated_scores(
    features: Features, source: np.ndarray, target: np.ndarray, fold: np.ndarray, inner: dict[int, np.ndarray]
) -> np.ndarray:
    """(rows, classes) scores of every row by a regression on the rows of the other folds.

    Args:
        source: (rows,) what ``features`` is called with for each row.
        target: (rows, classes) of 0 and 1.
        fold: (rows,) and ``inner``: for each fold the folds among the other rows that choose the penalty of each class.
    """
    scores = np.full(target.shape, np.nan)
    for held, folds in inner.items():
        said = regressions(features, source, target, folds)
        losses, dealt = np.zeros((len(PENALTY), target.shape[1])), np.unique(folds[folds >= 0])
        for place in dealt if len(dealt) > 1 else ():
            asked = folds == place
            losses += ((said(dealt[dealt != place], asked, PENALTY) - target[asked]) ** 2).sum(axis=1)
        best = len(PENALTY) - 1 - losses[::-1].argmin(axis=0)  # of equal ones the simplest
        used, column = np.unique(best, return_inverse=True)
        asked = fold == held
        scores[asked] = np.take_along_axis(said(dealt, asked, PENALTY[used]), column[None, None], axis=0)[0]
    return scores


def regressions(
    features: Features, source: np.ndarray, target: np.ndarray, folds: np.ndarray
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """(folds to fit on, rows asked, penalties) -> (penalties, asked, classes) predictions.

    Features that are the same whatever is fitted on are multiplied once for each fold and not for each set of folds.
    """
    matrix = getattr(features, "matrix", None)
    if matrix is None:

        def fitted_anew(places: np.ndarray, asked: np.ndarray, penalties: np.ndarray) -> np.ndarray:
            seen = np.isin(folds, places)
            known, described = features(source[seen], source[asked])
            mean, std = moments(known)
            return Sums.of((known - mean) / std, target[seen]).ridge((described - mean) / std, penalties)

        return fitted_anew
    code = matrix[source].astype(float)
    mean, std = moments(code)
    code = (code - mean) / std
    parts = {place: Sums.of(code[folds == place], target[folds == place]) for place in np.unique(folds[folds >= 0])}

    def summed(places: np.ndarray, asked: np.ndarray, penalties: np.ndarray) -> np.ndarray:
        return reduce(add, [parts[place] for place in places]).ridge(code[asked], penalties)

    return summed


def mean_recall(classes: int) -> Statistic:
    """Balanced accuracy of the class with the largest score. Values as for :func:`mean_auc`."""

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        hit = values[:, :-1].argmax(axis=1) == values[:, -1]
        recalls = []
        for k in range(classes):
            own = weights[:, values[:, -1] == k]
            total = own.sum(axis=1)
            found = own @ hit[values[:, -1] == k].astype(float)
            recalls.append(np.where(total > 0, found / np.where(total > 0, total, 1), np.nan))
        return np.mean(recalls, axis=0)

    return on(Share(of="both"), by_class=True)(statistic)


def components_read(scans: pd.DataFrame, code: np.ndarray, gram: np.ndarray, bootstrap: int, seed: int) -> pd.DataFrame:
    """How much of each of the strongest principal components of the voxels y_sem tells: R2 on the test subjects.

    Components and regressions are fitted on the training subjects. A component that y_sem does not tell is one that a
    probe of y_sem cannot use, and a probe of the components can.

    Args:
        code: (N, dimension) y_sem of every scan.
        gram: (N, N) of :func:`ldae.studies.common.feature_sets.voxel_gram`.
    """
    split = scans["split"].to_numpy()
    train, test = (np.flatnonzero(split == name) for name in ("train", "test"))
    subjects = scans["participant_id"].to_numpy()
    if len(train) < 3 or not len(test):
        reason = not_available("too few training scans, or no test scan")
        return estimates_table([reason.row(method=OURS, metric=COMPONENT_R2, component=1)], COMPONENT_KEYS)
    axes = VoxelPca(gram, (COMPONENTS,), train)(train, np.arange(len(scans)))[1]
    strata = scans["diagnosis"].fillna("n/a").to_numpy()[train]
    rows = []
    for place in range(axes.shape[1]):
        probe = fit_with_penalty("age", code[train], axes[train, place], subjects[train], strata, seed)
        values = np.column_stack([probe.score(code[test]), axes[test, place]])
        estimate = interval(values, subjects[test], r2, bootstrap, seed)
        rows.append(estimate.row(method=OURS, metric=COMPONENT_R2, component=place + 1))
    return estimates_table(rows, COMPONENT_KEYS)
