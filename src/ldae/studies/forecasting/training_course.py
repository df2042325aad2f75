"""How the training subjects went on: their mean change per year, and a ridge that knows more of the last visit.

Nothing here reads a test subject.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from ldae.studies.common.linear_probes import INNER_FOLDS, PENALTIES, moments, subject_folds
from ldae.studies.forecasting.cases import Case, Course, next_visits


def change_per_year(courses: Sequence[Course], read: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    """Least squares of what is read on time within subjects, one slope for all of them; none without two visits.

    Args:
        read: rows (n,) -> values (n, ...), one subject at a time.
    """
    total, squares = None, 0.0
    for rows, years in courses:
        time = years - years.mean()
        if not time.any():
            continue
        own = np.tensordot(time, read(rows).astype(np.float64), axes=1)
        total = own if total is None else total + own
        squares += float(time @ time)
    return None if total is None else total / squares


@dataclass(frozen=True)
class CourseRidge:
    """Change until the next visit from what is known at the last one: its numbers, age, diagnosis, and the gap.

    Attributes:
        mean, std: of the facts, in the training pairs.
        age: the mean there, in place of one that is unknown.
        model: from standardised facts to changes in units of ``scale``.
    """

    mean: np.ndarray
    std: np.ndarray
    scale: np.ndarray
    age: float
    model: Ridge

    @classmethod
    def fit(cls, values: np.ndarray, scans: pd.DataFrame, courses: Sequence[Course], seed: int) -> "CourseRidge | None":
        """On every visit and its next one of these subjects; none where there are fewer than two of these.

        The penalty is chosen by cross-validation with folds of subjects, the loss being the squares of all numbers in
        their own units. Every subject counts alike, however many visits it has.

        Args:
            values: (rows of scans, K) numbers; those of other rows than the courses' are not read.
        """
        cases = [case for course in courses for case in next_visits(course, 1)]
        subjects = scans.loc[[case.last for case in cases], "participant_id"].to_numpy()
        if len(cases) < 2 or len(np.unique(subjects)) < 2:
            return None
        age = float(scans.loc[[case.last for case in cases], "age"].mean())
        known = facts(values, scans, cases, age)
        change = values[[case.target for case in cases]] - values[[case.last for case in cases]]
        (mean, std), (_, scale) = moments(known), moments(change)
        x, y = (known - mean) / std, change / scale
        names, own, visits = np.unique(subjects, return_inverse=True, return_counts=True)
        weights = 1 / visits[own]
        strata = scans.loc[[case.last for case in cases], "diagnosis"].fillna("n/a").to_numpy()
        fold = subject_folds(subjects, strata, min(INNER_FOLDS, len(names)), seed)
        penalties = PENALTIES["age"][::-1]
        losses = np.zeros(len(penalties))
        for held_out in np.unique(fold):
            inside, outside = fold != held_out, fold == held_out
            for place, penalty in enumerate(penalties):
                model = Ridge(alpha=penalty).fit(x[inside], y[inside], sample_weight=weights[inside])
                missed = (model.predict(x[outside]).reshape(y[outside].shape) - y[outside]) ** 2
                losses[place] += float((weights[outside] @ missed).sum())
        chosen = Ridge(alpha=float(penalties[int(np.argmin(losses))])).fit(x, y, sample_weight=weights)
        return cls(mean, std, scale, age, chosen)

    def changes(self, values: np.ndarray, scans: pd.DataFrame, cases: Sequence[Case]) -> np.ndarray:
        """(cases, K) what is added until the target."""
        known = (facts(values, scans, cases, self.age) - self.mean) / self.std
        return self.model.predict(known).reshape(len(cases), -1) * self.scale


def facts(values: np.ndarray, scans: pd.DataFrame, cases: Sequence[Case], age: float) -> np.ndarray:
    """(cases, K + 7) what is known at the last visit: its numbers, age, MCI, AD, unknown, the gap, the gap of MCI, of
    AD."""
    rows, gap = [case.last for case in cases], np.array([case.gap for case in cases])
    own = scans.loc[rows]
    mci, ad = ((own["diagnosis"] == name).to_numpy(float) for name in ("MCI", "AD"))
    unknown = (~own["diagnosis"].isin(["CN", "MCI", "AD"])).to_numpy(float)
    years = own["age"].astype(float).fillna(age if np.isfinite(age) else 0.0).to_numpy()
    return np.column_stack([values[rows], years, mci, ad, unknown, gap, gap * mci, gap * ad])
