"""In which place a code stands among all, and how sure that is.

The interval of a rank holds every place that the paired differences leave open: behind all codes that are better beyond
doubt, before all that are worse (Mogstad, Romano, Shaikh & Wilhelm 2024). Doubt is shared out among the comparisons
(Bonferroni), so that intervals cover, and are wide where codes are alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ldae.studies.common.scales import Difference, Measured
from ldae.studies.common.statistics import (
    ALPHA,
    FEW_NOTE,
    FEW_PER_CLASS,
    FEW_SUBJECTS,
    Estimate,
    Statistic,
    difference_of,
    not_available,
)


@dataclass(frozen=True)
class Contest:
    """What the codes say in one task and protocol.

    Attributes:
        values: method -> (rows, scores and target), NaN where it says nothing.
        subjects: (rows,) whose scan.
        statistic: of (scores, target).
        larger: is better.
        classes: whether the target is one.
        widen: factor on standard errors.
    """

    values: Mapping[str, np.ndarray]
    subjects: np.ndarray
    statistic: Statistic
    larger: bool
    classes: bool
    widen: float

    def used(self, method: str) -> np.ndarray:
        """(rows,) of which the method says something."""
        return ~np.isnan(self.values[method]).any(axis=1)

    def few(self, method: str) -> bool:
        """Whether it rests on fewer than 20 subjects, or than 10 of a class."""
        used = self.used(method)
        own, target = self.subjects[used], self.values[method][used, -1]
        counts = [len(np.unique(own[target == kind])) for kind in np.unique(target)] if self.classes else []
        return len(np.unique(own)) < FEW_SUBJECTS or min(counts, default=FEW_PER_CLASS) < FEW_PER_CLASS


def rank_rows(contests: Mapping[str, Contest], protocol: str) -> list[dict]:
    """``rank_<metric>_<protocol>`` of every method and metric, and ``rank_mean_<protocol>`` over the metrics.

    The mean is over the metrics that rest on enough subjects (over all, where none does), of the methods that stand in
    every one of them. Its interval is the mean of those of the ranks, at the level at which they hold for all at once.
    """
    asked = {metric: contest for metric, contest in contests.items() if len(contest.values) > 1}
    sure = [metric for metric, contest in asked.items() if not any(map(contest.few, contest.values))] or list(asked)
    rows: list[dict] = []
    places: dict[str, list[Estimate]] = {}
    for metric, contest in asked.items():
        for method, (alone, at_once) in ranked(contest, len(sure)).items():
            rows.append(alone.row(method=method, metric=f"rank_{metric}_{protocol}"))
            places.setdefault(method, []).extend([at_once] if metric in sure else [])
    for method, found in places.items():
        if len(found) < len(sure):
            estimate = not_available(f"it stands in {len(found)} of {len(sure)} tasks")
        else:
            value, low, high = np.mean(np.array([(own.value, own.low, own.high) for own in found], dtype=float), axis=0)
            fewest = min(own.n_subjects for own in found)
            note = FEW_NOTE if any(own.note for own in found) else None
            estimate = Estimate(float(value), float(low), float(high), fewest, len(found), note=note)
        rows.append(estimate.row(method=method, metric=f"rank_mean_{protocol}"))
    return rows


def ranked(contest: Contest, metrics: int) -> dict[str, tuple[Estimate, Estimate]]:
    """Method -> its rank with its 95 % interval, and with that which holds for so many metrics at once."""
    methods = list(contest.values)
    won = beaten(contest, methods, (ALPHA, ALPHA / metrics))
    place = rankdata([-score_of(contest, method) for method in methods])
    found = {}
    for k, method in enumerate(methods):
        count = len(np.unique(contest.subjects[contest.used(method)]))
        note = FEW_NOTE if contest.few(method) else None
        pair = []
        for level in (0, 1):
            low, high = 1 + int(won[level, :, k].sum()), len(methods) - int(won[level, k].sum())
            bounds = min(float(low), place[k]), max(float(high), place[k])
            pair.append(Estimate(float(place[k]), *bounds, count, len(methods), note=note))
        found[method] = (pair[0], pair[1])
    return found


def score_of(contest: Contest, method: str) -> float:
    """The statistic of a method, turned so that more is better; below all others where it is undefined."""
    known = contest.values[method][contest.used(method)]
    value = float(contest.statistic(known, np.ones((1, len(known))))[0]) if len(known) else np.nan
    return -np.inf if np.isnan(value) else value if contest.larger else -value


def beaten(contest: Contest, methods: list[str], levels: tuple[float, ...]) -> np.ndarray:
    """(levels, methods, methods) whether the first is better than the second beyond doubt, of which each of the
    comparisons of one method gets an equal part."""
    gap = difference_of(contest.statistic, next(iter(contest.values.values())).shape[1])
    won = np.zeros((len(levels), len(methods), len(methods)), dtype=bool)
    for i, first in enumerate(methods):
        for j, second in enumerate(methods[:i]):
            table = np.hstack([contest.values[first], contest.values[second]])
            measured = _measured(table, contest.subjects, gap, contest.widen)
            if measured is None:
                continue
            for place, doubt in enumerate(levels):
                low, high = measured.bounds(1 - doubt / (len(methods) - 1))
                over, under = (low > 0, high < 0) if contest.larger else (high < 0, low > 0)
                won[place, i, j], won[place, j, i] = over, under
    return won


def _measured(table: np.ndarray, subjects: np.ndarray, gap: Statistic, widen: float) -> Measured | None:
    """The difference on the rows that both have; None where it cannot be computed."""
    used = ~np.isnan(table).any(axis=1)
    names, cluster = np.unique(subjects[used], return_inverse=True)
    assert isinstance(gap, Difference)
    if len(names) < 2 or np.isnan(gap(table[used], np.ones((1, int(used.sum()))))[0]):
        return None
    return gap.measure(table[used], cluster, widen)
