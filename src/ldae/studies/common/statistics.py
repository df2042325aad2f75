"""Estimates with intervals over subjects.

Scans of one subject are not independent, so whole subjects are left out (jackknife) or drawn (bootstrap). Either is a
vector of weights (how often the subject of each row counts), and a statistic is a weighted one: ``statistic(values,
weights)`` takes values (rows, columns) and weights (replicates, rows) and returns (replicates,), NaN where it is not
defined. A statistic that says on which scale it errs (:mod:`ldae.studies.common.scales`) gets the interval of that
scale, any other one, such as a median, a percentile bootstrap that is widened for few subjects.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.studies.common.scales import Amount, Correlation, Difference, OnScale, Ranks, Share, on

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

OURS, PERMUTED = "ldae", "permuted_labels"
CONSTANT = {"ad": "majority_class", "age": "mean_predictor"}  # what is said without looking
POSITIVE, NEGATIVE = "AD", "CN"

FEW_SUBJECTS, FEW_PER_CLASS, FEW_NOTE = 20, 10, "too few"
ALPHA = 0.05
LIMITED = re.compile(r"(^|_)(ssim|spearman|cosine)(_|$)")  # metrics between -1 and 1
_BLOCK = 2**24  # weights (replicates x rows) held at once
_REDRAWS = 20


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval, and how many subjects and rows it rests on.

    ``value`` is None where it cannot be computed, and ``note`` says why; ``too few``: fewer than 20 subjects, or than
    10 of a class. ``n_replicates`` counts the jackknife's or bootstrap's values that the interval rests on, fewer than
    were asked for when some are undefined (a class was missing); ``redrawn`` the bootstrap's that were drawn again.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n_subjects: int = 0
    n_rows: int = 0
    redrawn: int = 0
    n_replicates: int = 0
    note: str | None = None

    def row(self, **keys: Any) -> dict[str, Any]:
        """``keys`` followed by the fields: one line of a table of estimates."""
        return keys | asdict(self)


ESTIMATE_COLUMNS = ["value", "low", "high", "n_subjects", "n_rows", "redrawn", "n_replicates", "note"]


def not_available(reason: str) -> Estimate:
    """An estimate that cannot be had, and why."""
    return Estimate(value=None, note=reason)


def interval(
    values: np.ndarray | Sequence[float],
    subjects: np.ndarray | Sequence[str],
    statistic: Statistic,
    n: int,
    seed: int,
    level: float = 0.95,
    widen: float = 1.0,
) -> Estimate:
    """Statistic of all rows and its interval over subjects.

    Args:
        values: (rows,) or (rows, columns); rows with a NaN are left out.
        subjects: (rows,) the cluster of each row.
        n: bootstrap replicates of a statistic without a scale. Undefined ones are drawn again, up to 20 times.
        widen: factor on the standard error, for numbers that vary by more than the subjects that they are measured on.
    """
    table, cluster, count = _clusters(values, subjects)
    if len(table) == 0:
        return not_available("no scan")
    value = float(statistic(table, np.ones((1, len(table))))[0])
    counts = {"n_subjects": count, "n_rows": len(table)}
    if math.isnan(value):
        return Estimate(None, **counts, note="a class is missing or the values do not vary")
    if count < 2:
        return Estimate(value, **counts, note="one subject: no interval")
    if isinstance(statistic, OnScale | Difference):
        measured = statistic.measure(table, cluster, widen)
        low, high = measured.bounds(level)
        few = count < FEW_SUBJECTS or (len(measured.classes) > 1 and min(measured.classes) < FEW_PER_CLASS)
        return Estimate(value, low, high, **counts, n_replicates=measured.used, note=FEW_NOTE if few else None)
    replicates, redrawn = _replicates(table, cluster, count, statistic, n, study_stream(seed, "bootstrap"))
    if np.isnan(replicates).all():
        return Estimate(value, **counts, redrawn=redrawn, note="no interval: undefined in every replicate")
    low, high = percentile_bounds(value + widen * (replicates - value), expanded(level, count))
    used, note = int(np.isfinite(replicates).sum()), FEW_NOTE if count < FEW_SUBJECTS else None
    return Estimate(value, float(low), float(high), **counts, redrawn=redrawn, n_replicates=used, note=note)


def two_sided_p(
    values: np.ndarray, subjects: np.ndarray | Sequence[str], difference: Statistic, widen: float = 1.0
) -> float:
    """Of a difference being 0: one minus the level at which its interval ends there; NaN where it has no interval.

    Raises:
        TypeError: it is no :class:`ldae.studies.common.scales.Difference`.
    """
    if not isinstance(difference, Difference):
        raise TypeError("A p-value needs the difference of a statistic on a scale.")
    table, cluster, count = _clusters(values, subjects)
    if count < 2 or math.isnan(float(difference(table, np.ones((1, len(table))))[0])):
        return math.nan
    measured = difference.measure(table, cluster, widen)
    holds, lacks = 0.0, 1.0  # one minus the level of an interval that holds 0, and of one that does not
    for _ in range(50):
        middle = (holds + lacks) / 2
        low, high = measured.bounds(1 - middle)
        holds, lacks = (middle, lacks) if low <= 0 <= high else (holds, middle)
    return lacks


def expanded(level: float, subjects: int) -> float:
    """The level at which percentiles are read so that they hold ``level`` with few subjects (Hesterberg 2015, 3.4)."""
    reach = math.sqrt(subjects / (subjects - 1)) * float(t.ppf(0.5 + level / 2, subjects - 1))
    return 2 * float(norm.cdf(reach)) - 1


def _clusters(
    values: np.ndarray | Sequence[float], subjects: np.ndarray | Sequence[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Complete rows as (rows, columns), the number of each one's subject, and how many subjects there are."""
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    usable = ~np.isnan(table).any(axis=1)
    names, cluster = np.unique(np.asarray(subjects)[usable], return_inverse=True)
    return table[usable], cluster, len(names)


def resampled(cluster: np.ndarray, subjects: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, rows) weights of bootstrap replicates: how often the subject of each row was drawn.

    Args:
        cluster: (rows,) number of each row's subject, 0 to ``subjects`` - 1.
    """
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=n)[:, cluster].astype(float)


def percentile_bounds(replicates: np.ndarray, level: float = 0.95) -> np.ndarray:
    """(2, ...) ends of the percentile interval over the first axis; undefined replicates (NaN) are left out."""
    return np.nanpercentile(replicates, [50 * (1 - level), 50 * (1 + level)], axis=0)


def _replicates(
    table: np.ndarray, cluster: np.ndarray, subjects: int, statistic: Statistic, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """(n,) bootstrap values, and how many had to be drawn again."""

    def draw(count: int) -> np.ndarray:
        block = max(1, _BLOCK // len(table))
        parts = []
        for start in range(0, count, block):
            size = min(block, count - start)
            parts.append(statistic(table, resampled(cluster, subjects, size, rng)))
        return np.concatenate(parts)

    values, redrawn = draw(n), 0
    for _ in range(_REDRAWS):
        missing = np.flatnonzero(np.isnan(values))
        if len(missing) == 0:
            break
        values[missing] = draw(len(missing))
        redrawn += len(missing)
    return values, redrawn


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Division that is NaN where the denominator is zero."""
    safe = np.where(denominator == 0, 1, denominator)
    return np.where(denominator == 0, np.nan, numerator / safe)


@on(Amount())
def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of column 0; NaN where all weights are zero."""
    return ratio(weights @ values[:, 0], weights.sum(1))


_limited_mean = on(Amount(most=1.0))(mean.function)


def mean_of(metric: str) -> OnScale:
    """:func:`mean`; of a similarity or a rank correlation, which no scan has above 1, the interval ends there."""
    return _limited_mean if LIMITED.search(metric) else mean


def median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted median; for whole-number weights that of the repeated values (numpy's convention)."""
    order = np.argsort(values[:, 0], kind="stable")
    ranked = values[order, 0]
    cumulative = np.cumsum(weights[:, order], axis=1)
    half = cumulative[:, -1:] / 2
    lower = ranked[np.argmax(cumulative >= half - 1e-9, axis=1)]
    upper = ranked[np.argmax(cumulative > half + 1e-9, axis=1)]
    return (lower + upper) / 2


@on(Correlation())
def correlation(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's r of columns 0 and 1."""
    centred = values[:, :2] - values[:, :2].mean(axis=0)  # numerical safety; r does not depend on it
    x, y = centred.T
    total = weights.sum(1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    covariance = weights @ (x * y) / total - mean_x * mean_y
    variance = (weights @ x**2 / total - mean_x**2) * (weights @ y**2 / total - mean_y**2)
    scale = np.var(x) * np.var(y)
    constant = variance <= 1e-20 * scale  # also when scale is zero
    return np.where(constant, np.nan, covariance / np.sqrt(np.where(constant, 1, variance)))


@on(Ranks(), by_class=True)
def auc(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve by ranks (Mann-Whitney; ties count half). Columns: score, label (1 = positive)."""
    score, label = values[:, 0], values[:, 1]
    levels, level = np.unique(score, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(len(levels)))
    positive = np.add.reduceat((weights * label)[:, order], starts, axis=1)
    negative = np.add.reduceat((weights * (1 - label))[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(1)
    return ratio(wins, positive.sum(1) * negative.sum(1))


def independent_difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b of two independent samples, with an interval from their two intervals (MOVER: Zou & Donner 2008).

    Only the intervals are needed, so that one of the samples may be elsewhere: each bound's distance from its estimate
    stands for the spread on that side, and the two are added in squares.
    """
    if a.value is None or b.value is None:
        return not_available((a.note if a.value is None else b.note) or "one side is n/a")
    gap, counts = a.value - b.value, {"n_subjects": a.n_subjects + b.n_subjects, "n_rows": a.n_rows + b.n_rows}
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Estimate(gap, **counts, note="no interval: one side has none")
    low = gap - math.hypot(a.value - a.low, b.high - b.value)
    high = gap + math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(gap, low, high, **counts, note=FEW_NOTE if FEW_NOTE in (a.note, b.note) else None)


def difference_of(statistic: Statistic, columns: int) -> Statistic:
    """``statistic(first columns) - statistic(next columns)`` on the same rows: a paired difference."""
    if isinstance(statistic, OnScale):
        return Difference(statistic, columns)

    def difference(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return statistic(values[:, :columns], weights) - statistic(values[:, columns:], weights)

    return difference


def estimates_table(rows: list[dict[str, Any]], keys: Sequence[str] = ("method", "metric")) -> pd.DataFrame:
    """Rows of :meth:`Estimate.row` as a table with a fixed column order, also when there is none."""
    table = pd.DataFrame(rows, columns=[*keys, *ESTIMATE_COLUMNS])
    whole = ["n_subjects", "n_rows", "redrawn", "n_replicates"]
    return table.astype(dict.fromkeys(whole, "int64"))


def summarise(table: pd.DataFrame, metrics: Sequence[str], n: int, seed: int) -> pd.DataFrame:
    """The mean per method and metric of a table with one row per scan (columns participant_id, method, metrics)."""
    rows = []
    for method, group in table.groupby("method", sort=False):
        for metric in metrics:
            values, subjects = group[metric].to_numpy(float), group["participant_id"].to_numpy()
            estimate = interval(values, subjects, mean_of(metric), n, seed)
            rows.append(estimate.row(method=method, metric=metric))
    return estimates_table(rows)


def paired_differences(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    n: int,
    seed: int,
    keys: Sequence[str] = KEY,
) -> pd.DataFrame:
    """Mean difference between two methods on the same scans, per pair and metric; method is written ``a-b``."""
    rows = []
    for first, second in pairs:
        sides = [table[table["method"] == name].set_index(list(keys)) for name in (first, second)]
        for metric in metrics:
            if any(side.empty for side in sides):
                missing = first if sides[0].empty else second
                estimate = not_available(f"no rows of {missing}")
            else:
                gap = (sides[0][metric] - sides[1][metric]).dropna()
                estimate = interval(gap.to_numpy(float), gap.index.get_level_values(0).to_numpy(), mean, n, seed)
            rows.append(estimate.row(method=f"{first}-{second}", metric=metric))
    return estimates_table(rows)


@on(Amount(positive=True))
def mae(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean absolute error of column 0 for column 1, in their unit."""
    return ratio(weights @ np.abs(values[:, 0] - values[:, 1]), weights.sum(1))


def mean_auc(classes: int) -> Statistic:
    """Mean over classes of the AUC of one against the rest. Values: a score for each class, the number of the class."""

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        pairs = [np.column_stack([values[:, k], values[:, -1] == k]) for k in range(classes)]
        return np.mean([auc(pair, weights) for pair in pairs], axis=0)

    return on(Ranks(), by_class=True)(statistic)


def cv_widening(fold: pd.Series | Sequence[float]) -> float:
    """Factor on the standard error of a number from a cross-validation: sqrt(1 + k / (k - 1)) for k folds, else 1.

    The variance of a mean over k folds is (1/k + n_test / n_train) of one fold's, not 1/k of it (Nadeau & Bengio
    2003, "Inference for the generalization error").

    Args:
        fold: of every row; NaN for a number of the test subjects.
    """
    folds = pd.Series(fold, dtype=float).dropna().nunique()
    return math.sqrt(1 + folds / (folds - 1)) if folds > 1 else 1.0


def holm(p: pd.Series) -> pd.Series:
    """P-values for as many comparisons as there are (Holm 1979); missing ones stay missing and do not count."""
    known = p.dropna().sort_values(kind="stable")
    adjusted = (known * np.arange(len(known), 0, -1)).cummax().clip(upper=1)
    return adjusted.reindex(p.index)


def verdict(line: pd.Series, larger_is_better: bool) -> str:
    """What a difference says: ``ldae better``, ``ldae worse``, ``not told apart``, or n/a.

    Worse: the interval lies on the rival's side of 0. Better: it lies on ours, and still does so when all comparisons
    of the protocol are counted (``p_holm`` below 0.05). So no loss is hidden by the number of rivals, and no gain made
    by it.

    Args:
        line: value, low, high, p_holm and note of y_sem minus a rival.
    """
    if pd.isna(line["value"]):
        return f"n/a ({line['note']})"
    if pd.isna(line["low"]):
        return "no interval"
    if line["low"] <= 0 <= line["high"]:
        return "not told apart"
    if (line["low"] > 0) != larger_is_better:
        return "ldae worse"
    return "ldae better" if line["p_holm"] < ALPHA else "not told apart"


def counts(values: np.ndarray, weights: np.ndarray) -> Counts:
    """True and false positives, true and false negatives at probability 0.5, each (replicates,)."""
    called, positive = values[:, 0] > 0, values[:, 1] > 0.5
    cells = (called & positive, called & ~positive, ~called & ~positive, ~called & positive)
    return tuple(weights @ cell.astype(float) for cell in cells)


@on(Share(of=1), by_class=True)
def sensitivity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of AD."""
    tp, _, _, fn = counts(values, weights)
    return ratio(tp, tp + fn)


@on(Share(of=0), by_class=True)
def specificity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of CN (what the paper's code calls recall: its positive class is CN)."""
    _, fp, tn, _ = counts(values, weights)
    return ratio(tn, tn + fp)


def unfitted(task: str) -> str:
    """The sentence for a task whose training subjects lack a class or their ages."""
    missing = "a class is" if task == "ad" else "ages are"
    return f"no probe could be fitted: {missing} missing among the other subjects"


def estimate_of(group: pd.DataFrame, task: str, statistic: Statistic, bootstrap: int, seed: int) -> Estimate:
    """One metric of some predictions, or why it cannot be had."""
    if group.empty:
        return not_available(unfitted(task))
    if task == "ad" and group["target"].nunique() < 2:
        absent = "AD" if group["target"].iloc[0] == 0 else "CN"
        return not_available(f"no {absent} scan among the {group['participant_id'].nunique()} subjects")
    values = group[["prediction", "target"]].to_numpy(float)
    return interval(
        values, group["participant_id"], statistic, bootstrap, seed, widen=cv_widening(group.get("fold", ()))
    )
