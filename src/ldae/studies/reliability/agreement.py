"""Intraclass correlations and shares of variance of the same heads on several scanners, several times.

Shrout & Fleiss 1979 (ICC(1,1), ICC(2,1), ICC(3,1)); McGraw & Wong 1996. All take weights over heads, so that every
interval is one over subjects.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t

from ldae.studies.common.scales import OnScale, Spread, on
from ldae.studies.reliability.names import PARTS, RELIABLE

Kind = Literal["icc_1_1", "icc_2_1", "icc_3_1"]


def mean_squares(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of a two-way table without replication: between subjects, between raters, and what is left.

    Args:
        values: (subjects, raters, quantities).
        weights: (replicates, subjects) how often each subject counts.

    Returns:
        Three (replicates, quantities); NaN where fewer than two subjects count.
    """
    values = values - values.mean(axis=(0, 1))  # for precision: none of the three depends on it
    raters, count = values.shape[1], weights.sum(axis=1)[:, None]
    own = values.mean(axis=1)
    by_rater = np.einsum("bn,nkd->bkd", weights, values) / count[:, None]
    grand = by_rater.mean(axis=1)
    subjects = raters * (weights @ own**2 - count * grand**2)
    rater = count * ((by_rater - grand[:, None]) ** 2).sum(axis=1)
    rest = np.maximum(weights @ (values**2).sum(axis=1) - raters * count * grand**2 - subjects - rater, 0)
    freedom = np.where(count > 1, count - 1, np.nan)
    return np.maximum(subjects, 0) / freedom, rater / (raters - 1), rest / freedom / (raters - 1)


def icc(values: np.ndarray, weights: np.ndarray, kind: Kind) -> np.ndarray:
    """(replicates, quantities) intraclass correlations of single measurements; NaN where nothing varies.

    With several tables of the same subjects their mean squares are averaged.

    Args:
        values: (subjects, raters, tables, quantities).
        weights: (replicates, subjects).
        kind: ``icc_1_1``: raters have no order. ``icc_2_1``: agreement, a rater's own level counts as error.
            ``icc_3_1``: consistency, it does not.
    """
    tables = [mean_squares(values[:, :, place], weights) for place in range(values.shape[2])]
    between, rater, rest = (np.mean(part, axis=0) for part in zip(*tables, strict=True))
    raters, count = values.shape[1], weights.sum(axis=1)[:, None]
    if kind == "icc_1_1":
        within = (rater + (count - 1) * rest) / count
        error, total = within, between + (raters - 1) * within
    else:
        error, total = rest, between + (raters - 1) * rest
        total = total + (raters * (rater - rest) / count if kind == "icc_2_1" else 0)
    scale = np.maximum((values**2).mean(axis=(0, 1, 2)), 1e-300)
    nothing = ~(total > 1e-20 * scale)
    return np.where(nothing, np.nan, (between - error) / np.where(nothing, 1, total))


@dataclass(frozen=True)
class Intraclass:
    """Fisher's z of an intraclass correlation of so many raters (1925); its variance is the mean of the jackknife's and
    of that of a normal distribution, raters / (2 (raters - 1) (n - 2))."""

    raters: int

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """Where z is ``u * error`` from that of the value."""
        z = self._z(spread.left_out[np.isfinite(spread.left_out)])
        jackknife = (len(z) - 1) * z.var() if len(z) > 1 else 0.0
        normal = self.raters / (2 * (self.raters - 1) * max(spread.subjects - 2, 1))
        reach = float(t.ppf(0.5 + level / 2, spread.freedom)) * math.sqrt((jackknife + normal) / 2)
        ends = np.clip(self._z(np.array(spread.value)) + np.array([-reach, reach]), -50, 50)
        low, high = 1 - self.raters / (np.exp(2 * ends) + self.raters - 1)
        return min(float(low), spread.value), max(float(high), spread.value)

    def _z(self, value: np.ndarray) -> np.ndarray:
        inside = np.clip(value, -1 / (self.raters - 1) + 1e-6, 1 - 1e-9)
        return 0.5 * np.log((1 + (self.raters - 1) * inside) / (1 - inside))


class Part:
    """A part of a whole: Student's t of the jackknife, from 0 to 1."""

    def bounds(self, spread: Spread, level: float) -> tuple[float, float]:
        """``value -+ t * error``, within 0 and 1."""
        reach = float(t.ppf(0.5 + level / 2, spread.freedom)) * spread.error
        return max(spread.value - reach, 0.0), min(spread.value + reach, 1.0)


def of_one(kind: Kind, scanners: int, repeats: int) -> OnScale:
    """The ICC of one quantity. Values: (heads, scanners x repeats).

    ``icc_2_1``, ``icc_3_1``: the raters are the scanners, every repeat a table of its own. ``icc_1_1``: the raters are
    the repeats on one scanner, every scanner a table.
    """

    @on(Intraclass(repeats if kind == "icc_1_1" else scanners))
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return icc(_tables(values, scanners, repeats, kind), weights, kind)[:, 0]

    return statistic


def median_of_many(kind: Kind, scanners: int, repeats: int) -> OnScale:
    """The median ICC over the dimensions that vary. Values: (heads, scanners x repeats x dimensions)."""

    @on(Intraclass(scanners))
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        found = icc(_tables(values, scanners, repeats, kind), weights, kind)
        return np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in found])

    return statistic


def share_good(scanners: int, repeats: int) -> OnScale:
    """Of the dimensions that vary, the share whose ICC(2,1) is above 0.75. Values as of :func:`median_of_many`."""

    @on(Part())
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        found = icc(_tables(values, scanners, repeats, "icc_2_1"), weights, "icc_2_1")
        known = np.isfinite(found)
        return np.where(known.any(axis=1), (found > RELIABLE).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)

    return statistic


def _tables(values: np.ndarray, scanners: int, repeats: int, kind: Kind) -> np.ndarray:
    shaped = values.reshape(len(values), scanners, repeats, -1)
    return shaped.swapaxes(1, 2) if kind == "icc_1_1" else shaped


def share_of(part: str, scanners: int, repeats: int) -> OnScale:
    """Share of the variance that a part makes, summed over the quantities, by the components of a nested analysis.

    Heads lie within diagnoses and cross scanners, repeats lie within both (Searle, Casella & McCulloch 1992, ch. 4); a
    component below zero counts as zero. ``disease``: between diagnoses; ``subject``: heads of one diagnosis;
    ``scanner``: what it does to all heads; ``subject_scanner``: what it does to some; ``repeat``: the same head on the
    same scanner. Values: (heads, scanners x repeats x quantities, then the number of the diagnosis).
    """

    @on(Part())
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        table = values[:, :-1].reshape(len(values), scanners, repeats, -1)
        found = components(table, values[:, -1].astype(int), weights)
        total = found.sum(axis=1)
        safe = np.where(total > 0, total, 1)
        return np.where(total > 0, found[:, PARTS.index(part)] / safe, np.nan)

    return statistic


def components(values: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(replicates, 5) variances in the order of ``PARTS``, summed over the quantities.

    Args:
        values: (heads, scanners, repeats, quantities).
        group: (heads,) number of the diagnosis.
        weights: (replicates, heads).
    """
    _, scanners, repeats, _ = values.shape
    values = values - values.mean(axis=(0, 1, 2))
    cell = values.mean(axis=2)
    between, rater, rest = (repeats * part.sum(axis=1) for part in mean_squares(cell, weights))
    within = ((values - cell[:, :, None]) ** 2).sum(axis=(1, 2, 3))
    count = weights.sum(axis=1)
    repeat = (weights @ within) / (count * scanners * (repeats - 1))
    own = cell.mean(axis=1)
    members = [weights * (group == number) for number in np.unique(group)]
    sizes = np.stack([part.sum(axis=1) for part in members])
    means = [(part @ own) / np.maximum(size, 1)[:, None] for part, size in zip(members, sizes, strict=True)]
    grand = (weights @ own) / count[:, None]
    gaps = np.stack([((mean - grand) ** 2).sum(axis=1) for mean in means])
    groups, per_head = (sizes > 0).sum(axis=0), scanners * repeats
    disease = per_head * (sizes * gaps).sum(axis=0) / np.where(groups > 1, groups - 1, np.nan)
    inside = between * (count - 1) - per_head * (sizes * gaps).sum(axis=0)
    inside = np.maximum(inside, 0) / np.where(count > groups, count - groups, np.nan)
    typical = (count - (sizes**2).sum(axis=0) / count) / np.where(groups > 1, groups - 1, np.nan)
    found = [
        (disease - inside) / (per_head * typical),
        (inside - rest) / per_head,
        (rater - rest) / (count * repeats),
        (rest - repeat) / repeats,
        repeat,
    ]
    return np.maximum(np.stack(found, axis=1), 0)
