"""Intervals that hold with few subjects: on which scale a statistic errs evenly, and by how much there.

A percentile bootstrap is too short where subjects are few, and has no width at all where every one of them is called
rightly. So a statistic says what kind of number it is (:func:`on`), and its interval is made of three things: its
value, its jackknife over subjects (Efron 1982), which knows that the scans of one subject belong together, and the
number of subjects that it rests on, which is all that is known where the jackknife sees no spread. How often each kind
covers is in docs/statistics.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, t

Classes = Callable[[np.ndarray], np.ndarray]
Weighted = Callable[[np.ndarray, np.ndarray], np.ndarray]
_BLOCK = 2**24  # weights (groups x rows) held at once
_GROUPS = 400  # of subjects, left out one after the other
_LINE = 5  # subjects; fewer lie close to some line by chance
_TRUST = 10  # subjects of the rarer class at which the jackknife's spread and the binomial one count alike


@dataclass(frozen=True)
class Spread:
    """What an interval is made of.

    Args:
        value: of all rows.
        left_out: (groups,) values without one group of subjects each; NaN where undefined.
        classes: subjects in each class, all of them in one where there are no classes.
        positive: whether every row's value is above zero.
        widen: factor on the standard error (:func:`ldae.studies.common.statistics.cv_widening`).
    """

    value: float
    left_out: np.ndarray
    classes: tuple[int, ...]
    positive: bool = False
    widen: float = 1.0

    @property
    def subjects(self) -> int:
        """Of all classes together."""
        return sum(self.classes)

    @property
    def error(self) -> float:
        """Jackknife standard error; 0 where fewer than two values are defined."""
        known = self.left_out[np.isfinite(self.left_out)]
        if len(known) < 2:
            return 0.0
        return float(np.sqrt((len(known) - 1) * known.var())) * self.widen

    @property
    def freedom(self) -> int:
        """Degrees of freedom of that error."""
        return max(int(np.isfinite(self.left_out).sum()) - 1, 1)


class Scale(Protocol):
    """A kind of number, and how its interval is made."""

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """Both ends of the interval at a level such as 0.95."""


@dataclass(frozen=True)
class Amount:
    """A mean or an error in its own units: Student's t, on the logarithm where it cannot fall to zero.

    Args:
        positive: always; otherwise where every row of the sample is above zero.
        signed: never: it can be negative although no row is, such as a slope of positive numbers.
        most: no such number is larger, or smaller than minus this: the interval ends there.
    """

    positive: bool = False
    signed: bool = False
    most: float = math.inf

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """``value -+ t * error``, or ``value * exp(-+ t * error / value)`` where that error is less than the value."""
        reach = float(t.ppf(0.5 + level / 2, spread.freedom)) * spread.error
        if self.signed or not (self.positive or spread.positive):
            return max(spread.value - reach, -self.most), min(spread.value + reach, self.most)
        if reach < spread.value:
            factor = math.exp(reach / spread.value)
            return spread.value / factor, min(spread.value * factor, self.most)
        return 0.0, min(spread.value + reach, self.most)  # so few that the logarithm would have no end upwards


class Correlation:
    """Fisher's z; its variance is the mean of the jackknife's and of 1 / (n - 3) of a normal distribution."""

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """``tanh(z -+ u * error)``."""
        value = spread.value
        if spread.subjects < _LINE or abs(value) > 1 - 1e-9:  # a correlation of 1 in a few subjects is not one in all
            most = 1 - 1 / (2 * max(spread.subjects, 2))
            value = min(max(value, -most), most)
        variance = 0.5 * (spread.error / (1 - value**2)) ** 2 + 0.5 * spread.widen**2 / max(spread.subjects - 3, 1)
        reach = float(norm.ppf(0.5 + level / 2)) * math.sqrt(variance)
        low, high = math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach)
        return min(low, spread.value), max(high, spread.value)


@dataclass(frozen=True)
class Share:
    """A share of the scans: Wilson's interval (1927) with the number of subjects that would err as much.

    Args:
        of: the class whose subjects the share is one of: None all, 1 or 0; ``both``: a mean over the classes. Of a
            precision the classes are those called and those not (``by_class`` of :func:`on`).
    """

    of: int | str | None = None

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """Where the share's distance from the observed one is that of the level."""
        u, share = float(norm.ppf(0.5 + level / 2)), min(max(spread.value, 0.0), 1.0)
        n = self._size(spread.classes) / spread.widen**2
        if 0 < share < 1 and spread.error > 0:
            trust = _trust(min(spread.classes) if self.of == "both" else self._size(spread.classes))
            n *= (share * (1 - share) / spread.error**2 / n) ** trust
        centre = (share + u**2 / 2 / n) / (1 + u**2 / n)
        reach = u / (1 + u**2 / n) * math.sqrt(share * (1 - share) / n + (u / 2 / n) ** 2)
        return min(max(centre - reach, 0.0), share), max(min(centre + reach, 1.0), share)

    def _size(self, classes: tuple[int, ...]) -> float:
        if self.of == "both":
            return len(classes) ** 2 / sum(1 / max(count, 1) for count in classes)
        if self.of is None or len(classes) < 2:
            return float(max(sum(classes), 1))
        return float(max(classes[int(self.of)], 1))


class Ranks:
    """An area under the ROC curve: Newcombe's score interval (2006, method 5), the variance of Hanley and McNeil (1982)
    times the ratio by which the jackknife's differs from it."""

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """Where the area's distance from the observed one is that of the level; none for a score that is the same for
        everybody, whose area is a half in every sample."""
        if spread.value == 0.5 and spread.error == 0:
            return 0.5, 0.5
        u, area = float(norm.ppf(0.5 + level / 2)), min(max(spread.value, 0.0), 1.0)
        fewer = min(spread.classes)
        others = max(spread.subjects - fewer, 1)
        ratio = spread.widen**2
        if 0 < area < 1 and spread.error > 0:
            ratio *= (spread.error**2 / ratio / self.variance(area, fewer, others)) ** _trust(fewer)

        def beyond(other: float) -> float:
            return (other - area) ** 2 - u**2 * ratio * self.variance(other, fewer, others)

        tiny = 1e-9
        low = area if area <= tiny else 0.0 if beyond(tiny) <= 0 else float(brentq(beyond, tiny, area))
        high = area if area >= 1 - tiny else 1.0 if beyond(1 - tiny) <= 0 else float(brentq(beyond, area, 1 - tiny))
        return low, high

    @staticmethod
    def variance(area: float, m: int, n: int) -> float:
        """Of an area with m and n independent subjects, with Newcombe's mean of m and n in place of either."""
        area, mean = min(max(area, 1e-9), 1 - 1e-9), max((m + n) / 2 - 1, 0.0)
        inner = 1 + mean * (1 - area) / (2 - area) + mean * area / (1 + area)
        return area * (1 - area) / (max(m, 1) * max(n, 1)) * inner


def _trust(subjects: float) -> float:
    """How far the jackknife's variance is believed, from 0 to 1: hardly, where it rests on a handful of subjects."""
    return subjects / (subjects + _TRUST)


@dataclass(frozen=True)
class Measured:
    """A statistic of one sample: subjects in each class, how many jackknife values were defined, and both ends of its
    interval at any level."""

    classes: tuple[int, ...]
    used: int
    bounds: Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class OnScale:
    """A weighted statistic that knows its scale; called as the function that it is."""

    function: Weighted
    scale: Scale
    by_class: bool | Classes

    def __call__(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.function(values, weights)

    def spread(self, table: np.ndarray, cluster: np.ndarray, widen: float) -> Spread:
        """Its jackknife: every subject left out once, in 400 groups where there are more.

        Args:
            table: (rows, columns), complete; with classes in the last column where the statistic is ``by_class``.
            cluster: (rows,) number of each row's subject, from 0.
        """
        value = float(self(table, np.ones((1, len(table))))[0])
        groups = min(int(cluster.max()) + 1, _GROUPS)
        block, parts = max(1, _BLOCK // len(table)), []
        for start in range(0, groups, block):
            left_out = np.arange(start, min(start + block, groups))
            parts.append(self(table, (cluster % groups != left_out[:, None]).astype(float)))
        if callable(self.by_class):
            labels = self.by_class(table)
        else:
            labels = table[:, -1] if self.by_class else np.zeros(len(table))
        classes = tuple(len(np.unique(cluster[labels == label])) for label in np.unique(labels))
        return Spread(value, np.concatenate(parts), classes, bool((table > 0).all()), widen)

    def measure(self, table: np.ndarray, cluster: np.ndarray, widen: float = 1.0) -> Measured:
        """The statistic of a sample; see :meth:`spread`."""
        spread = self.spread(table, cluster, widen)
        used = int(np.isfinite(spread.left_out).sum())
        return Measured(spread.classes, used, lambda level: self.scale.bounds(spread, level))


@dataclass(frozen=True)
class Difference:
    """``statistic(first columns) - statistic(next columns)`` on the same rows: a paired difference.

    Its interval is made of the two intervals and of the correlation of the two jackknives (MOVER; Zou & Donner 2008),
    so that it has a width also where both are perfect.
    """

    statistic: OnScale
    columns: int

    def __call__(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        first, second = values[:, : self.columns], values[:, self.columns :]
        return self.statistic(first, weights) - self.statistic(second, weights)

    def measure(self, table: np.ndarray, cluster: np.ndarray, widen: float = 1.0) -> Measured:
        """The difference in a sample; see :meth:`OnScale.spread`."""
        halves = (table[:, : self.columns], table[:, self.columns :])
        a, b = (self.statistic.spread(half, cluster, widen) for half in halves)
        known = np.isfinite(a.left_out) & np.isfinite(b.left_out)
        alike = 0.0
        if known.sum() > 2 and a.left_out[known].std() > 1e-12 and b.left_out[known].std() > 1e-12:
            alike = float(np.corrcoef(a.left_out[known], b.left_out[known])[0, 1])
        same = np.array_equal(halves[0], halves[1])

        def bounds(level: float) -> tuple[float, float]:
            if same:  # the ends of one interval lie unevenly, so that two equal ones would not cancel
                return 0.0, 0.0
            (low_a, high_a), (low_b, high_b) = (self.statistic.scale.bounds(side, level) for side in (a, b))
            gap = a.value - b.value
            down = _apart(a.value - low_a, high_b - b.value, alike)
            return gap - down, gap + _apart(high_a - a.value, b.value - low_b, alike)

        return Measured(a.classes, int(known.sum()), bounds)


def _apart(one: float, other: float, alike: float) -> float:
    """Length of the difference of two errors that are correlated so much."""
    return math.sqrt(max(one**2 + other**2 - 2 * alike * one * other, 0.0))


def on(scale: Scale, by_class: bool | Classes = False) -> Callable[[Weighted], OnScale]:
    """Decorator: the statistic is a number of this kind.

    Args:
        by_class: the last column of its values holds classes; or what makes (rows,) classes of the values.
    """

    def mark(function: Weighted) -> OnScale:
        marked = OnScale(function, scale, by_class)
        object.__setattr__(marked, "__doc__", function.__doc__)
        return marked

    return mark


def like(statistic: Weighted, other: Weighted) -> Weighted:
    """``statistic`` on the scale of ``other``, where that has one."""
    return OnScale(statistic, other.scale, other.by_class) if isinstance(other, OnScale) else statistic
