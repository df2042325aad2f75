"""Linear probes: penalised logistic and linear regression on standardised features; folds are dealt by subject."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ldae.core.errors import UserError
from ldae.core.keyed import study_stream
from ldae.inference.probe import Probe

Task = Literal["ad", "age"]
Features = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(rows to fit on, rows to describe) -> their feature matrices; only the first may shape the features.

One with an attribute ``widths`` has ordered columns: how many of the leading ones a probe reads is chosen from
``widths`` by the inner cross-validation, together with the penalty.
"""

PENALTIES = {"ad": np.logspace(-1, 4, 6), "age": np.logspace(0, 5, 6)}
INNER_FOLDS = 4


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; a constant column gets 1, so that it stays harmless."""
    mean, std = features.mean(axis=0), features.std(axis=0)
    return mean, np.where(std > 1e-12 * np.maximum(1, np.abs(mean)), std, 1.0)


@dataclass(frozen=True)
class Standard:
    """Features as a probe is fitted on them: standardised, and for the diagnosis within the span of their rows.

    Args:
        mean, std: (dimension,) of the rows.
        used: the columns that get a weight.
        narrow: (N, K) what is fitted on.
        basis: (used columns, K) orthonormal: the columns' weights are ``basis @`` those of ``narrow``. None: the same.
    """

    mean: np.ndarray
    std: np.ndarray
    used: slice
    narrow: np.ndarray
    basis: np.ndarray | None


def standardise(task: Task, features: np.ndarray, width: int | None = None) -> Standard:
    """Once for all penalties.

    With more columns than rows the logistic regression is turned into the span of the rows: the penalty keeps the
    weights there, and turning leaves it as it is, so that the fit is the same, and a step of Newton costs N^3 and not
    dimension^3. The ridge does that by itself.
    """
    features = np.asarray(features, dtype=float)
    mean, std = moments(features)
    used = slice(0, width)
    narrow = ((features - mean) / std)[:, used]
    if task == "age" or len(narrow) >= narrow.shape[1]:
        return Standard(mean, std, used, narrow, None)
    basis, triangle = np.linalg.qr(narrow.T)
    return Standard(mean, std, used, triangle.T, basis)


def fit(task: Task, features: np.ndarray, target: np.ndarray, penalty: float, width: int | None = None) -> Probe:
    """Standardise with these rows and fit on them: sum(log loss) or sum of squares / 2, plus penalty / 2 |w|^2.

    Args:
        features: (N, dimension).
        target: (N,) 0/1 with AD = 1, or years.
        width: only so many leading columns get a weight. None: all.

    Raises:
        UserError: the labels hold one class only.
    """
    return fit_standard(task, standardise(task, features, width), target, penalty)


def fit_standard(task: Task, standard: Standard, target: np.ndarray, penalty: float) -> Probe:
    """:func:`fit` on features that are standardised already."""
    target = np.asarray(target, dtype=float)
    if task == "ad" and len(np.unique(target)) < 2:
        raise UserError("A probe of the diagnosis needs scans of both classes to be fitted on.")
    with config_context(assume_finite=True, skip_parameter_validation=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Newton's steps end in rounding: goes on with L-BFGS
        if task == "ad":
            model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-7, max_iter=200)
            model.fit(standard.narrow, target)
            found, bias = model.coef_[0], float(model.intercept_[0])
        else:
            ridge = Ridge(alpha=penalty).fit(standard.narrow, target)
            found, bias = ridge.coef_, float(ridge.intercept_)
    weight = np.zeros(len(standard.mean))
    weight[standard.used] = found if standard.basis is None else standard.basis @ found
    return Probe(standard.mean, standard.std, weight, bias, float(penalty))


def _loss(task: Task, score: np.ndarray, target: np.ndarray) -> float:
    if task == "ad":
        return float((np.logaddexp(0, score) - target * score).sum())
    return float(((score - target) ** 2).sum())


def fit_with_penalty(
    task: Task, features: np.ndarray, target: np.ndarray, subjects: np.ndarray, strata: np.ndarray, seed: int
) -> Probe:
    """Choose the penalty by subject-grouped cross-validation of the loss on these rows, then fit on all of them."""

    def describe(fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return features[fit_rows], features[rows]

    penalty, width = choose(task, describe, np.arange(len(features)), target, subjects, strata, seed)
    return fit(task, features, target, penalty, width)


def choose(
    task: Task,
    features: Features,
    rows: np.ndarray,
    target: np.ndarray,
    groups: np.ndarray,
    strata: np.ndarray,
    seed: int,
) -> tuple[float, int | None]:
    """Penalty and number of leading columns with the smallest loss on held-out groups (of equal ones the simplest).

    Features are made anew in every inner fold. A fold whose other rows lack a class, or are one row, is left out.

    Args:
        rows: (N,) what ``features`` is called with; ``target``, ``groups`` and ``strata`` belong to them.
    """
    penalty, width, _ = choose_and_score(task, features, rows, target, groups, strata, seed)
    return penalty, width


def choose_and_score(
    task: Task,
    features: Features,
    rows: np.ndarray,
    target: np.ndarray,
    groups: np.ndarray,
    strata: np.ndarray,
    seed: int,
) -> tuple[float, int | None, np.ndarray]:
    """As :func:`choose`, and (N,) what is said of every row by the probe of the other folds; NaN in a fold left out."""
    fold = subject_folds(groups, strata, INNER_FOLDS, seed)
    penalties, widths = PENALTIES[task][::-1], sorted(getattr(features, "widths", None) or (None,), key=_size)
    losses, scores = np.zeros((len(widths), len(penalties))), np.full((len(widths), len(penalties), len(rows)), np.nan)
    for held_out in range(INNER_FOLDS):
        inside, outside = fold != held_out, fold == held_out
        if not outside.any() or inside.sum() < 2 or (task == "ad" and len(np.unique(target[inside])) < 2):
            continue
        seen, asked = features(rows[inside], rows[outside])
        for place, width in enumerate(widths):
            standard = standardise(task, seen, width)
            for column, penalty in enumerate(penalties):
                probe = fit_standard(task, standard, target[inside], penalty)
                scores[place, column, outside] = probe.score(asked)
                losses[place, column] += _loss(task, scores[place, column, outside], target[outside])
    best_width, best_penalty = np.unravel_index(np.argmin(losses), losses.shape)
    return float(penalties[best_penalty]), widths[best_width], scores[best_width, best_penalty]


def _size(width: int | None) -> float:
    return np.inf if width is None else width


def subject_folds(
    subjects: Sequence[str] | np.ndarray, strata: Sequence[str] | np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """(rows,) fold of each row: all scans of a subject together, every stratum spread evenly.

    The stratum of a subject is that of its last row. Subjects are shuffled within their stratum and dealt in turn,
    and the next stratum goes on where the one before stopped.
    """
    last = dict(zip(subjects, strata, strict=True))
    fold, turn = {}, 0
    for stratum in sorted(set(map(str, last.values()))):
        names = sorted(name for name, own in last.items() if str(own) == stratum)
        for name in study_stream(seed, "folds", stratum).permutation(names):
            fold[str(name)] = turn % folds
            turn += 1
    return np.array([fold[str(name)] for name in subjects])


def can_be_fitted(target: np.ndarray) -> bool:
    """Whether the targets hold two values: both classes, or two ages."""
    return len(np.unique(target)) >= 2


def outer_folds(scans: pd.DataFrame, folds: int, seed: int, held_out: bool = False) -> np.ndarray:
    """(scans,) the same folds for every task and feature set, stratified by the subject's last diagnosis.

    Args:
        held_out: test subjects are in none (-1).
    """
    dealt = scans[scans["split"] != "test"] if held_out else scans
    order = dealt.sort_values(["participant_id", "months", "session_id"]).index.to_numpy()
    labels = scans.loc[order, "diagnosis"].fillna("n/a").to_numpy()
    fold = np.full(len(scans), -1)
    fold[order] = subject_folds(scans.loc[order, "participant_id"].to_numpy(), labels, folds, seed)
    return fold
