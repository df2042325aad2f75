"""Estimates from the probes' predictions: every metric of every feature set, and y_sem against each of the others.

Metrics are weighted statistics (:mod:`ldae.studies.common.statistics`) of values (rows, 2): prediction and target, a
logit and 0/1 with AD = 1, or years.

Numbers of the cross-validation (``_cv``) vary from cohort to cohort by more than the subjects that they are measured
on, since the probes are fitted on the same subjects. Their standard errors are widened by :func:`cv_widening` (Nadeau &
Bengio 2003); docs/statistics.md says how often they cover then.
"""

import numpy as np
import pandas as pd

from ldae.core.keys import KEY
from ldae.studies.common.scales import Amount, Correlation, OnScale, Share, like, on
from ldae.studies.common.statistics import (
    OURS,
    PERMUTED,
    Statistic,
    auc,
    correlation,
    counts,
    cv_widening,
    difference_of,
    estimate_of,
    estimates_table,
    holm,
    interval,
    mae,
    not_available,
    ratio,
    sensitivity,
    specificity,
    two_sided_p,
    unfitted,
)
from ldae.studies.common.statistics import verdict as said_of

PROTOCOLS = ("cv", "test", "test_paper")
LARGER_IS_BETTER = {"auc_ad": True, "age_mae": False}


@on(Share(), by_class=True)
def accuracy(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the scans that are called rightly at probability 0.5."""
    tp, fp, tn, fn = counts(values, weights)
    return ratio(tp + tn, tp + fp + tn + fn)


@on(Share(of="both"), by_class=True)
def balanced_accuracy(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of sensitivity and specificity."""
    return (sensitivity(values, weights) + specificity(values, weights)) / 2


def called(values: np.ndarray) -> np.ndarray:
    """(rows,) 1 where AD is called, else 0: of whom a precision is a share."""
    return (values[:, 0] > 0).astype(float)


@on(Share(of=1), by_class=called)
def precision(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of AD among the scans called AD; NaN where none is."""
    tp, fp, _, _ = counts(values, weights)
    return ratio(tp, tp + fp)


@on(Share(of=1), by_class=True)
def f1(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall of AD."""
    tp, fp, _, fn = counts(values, weights)
    return ratio(2 * tp, 2 * tp + fp + fn)


@on(Correlation(), by_class=True)
def mcc(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient."""
    tp, fp, tn, fn = counts(values, weights)
    return ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


@on(Amount(positive=True))
def rmse(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Over all rows at once; a mean over batches would be too low (Jensen)."""
    return np.sqrt(ratio(weights @ (values[:, 0] - values[:, 1]) ** 2, weights.sum(1)))


@on(Amount(signed=True))
def r2(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 - squared error / squared distance from the mean of the evaluated rows."""
    target = values[:, 1] - values[:, 1].mean()
    total = weights.sum(1)
    spread = weights @ target**2 - (weights @ target) ** 2 / total
    return 1 - ratio(weights @ (values[:, 0] - values[:, 1]) ** 2, np.where(spread > 1e-12, spread, 0))


@on(Amount(signed=True))
def bias_slope(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Years by which the error of the age falls or rises with each year of age: slope of the predicted over the true
    age, less 1. 0: unbiased; -1: everybody gets the same age."""
    target, total = values[:, 1] - values[:, 1].mean(), weights.sum(1)
    error = values[:, 0] - values[:, 1]
    spread = weights @ target**2 - (weights @ target) ** 2 / total
    shared = weights @ (error * target) - (weights @ error) * (weights @ target) / total
    return ratio(shared, np.where(spread > 1e-12, spread, 0))


AD_METRICS: dict[str, Statistic] = {
    "auc_ad": auc,
    "accuracy_ad": accuracy,
    "balanced_accuracy_ad": balanced_accuracy,
    "sensitivity_ad": sensitivity,
    "specificity_ad": specificity,
    "precision_ad": precision,
    "f1_ad": f1,
    "mcc_ad": mcc,
}


def at_prevalence(statistic: Statistic, prevalence: float) -> Statistic:
    """The same statistic as if this share of the scans had AD: scans are weighted anew, within each class equally.

    A replicate without one of the classes is undefined.
    """

    def adjusted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        positive = values[:, 1] > 0.5
        have, lack = weights[:, positive].sum(axis=1), weights[:, ~positive].sum(axis=1)
        both = (have > 0) & (lack > 0)
        up, down = (
            np.where(both, part / np.where(both, total, 1), 0.0)
            for part, total in ((prevalence, have), (1 - prevalence, lack))
        )
        scaled = weights * np.where(positive[None], up[:, None], down[:, None])
        return np.where(both, statistic(values, scaled), np.nan)

    if isinstance(statistic, OnScale) and isinstance(statistic.scale, Share):
        return OnScale(adjusted, Share(of="both"), by_class=True)
    return like(adjusted, statistic)


def with_cn_positive(statistic: Statistic) -> Statistic:
    """The same statistic with CN as the positive class, as in the paper's Table 7."""

    def turn(values: np.ndarray) -> np.ndarray:
        return np.column_stack([-values[:, 0], 1 - values[:, 1]])

    def turned(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return statistic(turn(values), weights)

    if isinstance(statistic, OnScale) and isinstance(statistic.scale, Share):
        own, scale = statistic.by_class, statistic.scale
        if callable(own):
            return OnScale(turned, scale, lambda values: own(turn(values)))
        if isinstance(scale.of, int):
            return OnScale(turned, Share(of=1 - scale.of), own)
    return like(turned, statistic)


CN_METRICS: dict[str, Statistic] = {
    f"{name}_cn_positive": with_cn_positive(statistic)
    for name, statistic in (
        ("sensitivity", sensitivity),
        ("specificity", specificity),
        ("precision", precision),
        ("f1", f1),
    )
}
AGE_METRICS: dict[str, Statistic] = {
    "age_mae": mae,
    "age_rmse": rmse,
    "age_r": correlation,
    "age_r2": r2,
    "age_bias_slope": bias_slope,
}
UNCORRECTED = ("mean_predictor", "supervised")  # no probe, whose inner folds could tell of a pull
CORRECTED: dict[str, Statistic] = {"age_bias_slope_corrected": bias_slope, "age_mae_corrected": mae}
METRICS = {"ad": AD_METRICS, "age": AGE_METRICS}


COMPARED: dict[str, tuple[str, Statistic]] = {"auc_ad": ("ad", auc), "age_mae": ("age", mae)}


def summary(predictions: pd.DataFrame, bootstrap: int, seed: int, positive_class: str = "AD") -> pd.DataFrame:
    """Every metric of every feature set, ``<metric>_<protocol>``, with intervals over subjects.

    A feature set that cannot be had in a protocol has no row there; one that could not be fitted says so.

    Args:
        positive_class: whose precision, recall and F1 come first; both classes' are always given.
    """
    diagnosis = AD_METRICS | CN_METRICS if positive_class == "AD" else CN_METRICS | AD_METRICS
    rows = []
    for task, metrics in (METRICS | {"ad": diagnosis}).items():
        of_task = predictions[predictions["task"] == task]
        for protocol in PROTOCOLS:
            chosen = of_task[of_task["protocol"] == protocol]
            for name in _expected(of_task, protocol):
                group = chosen[chosen["features"] == name]
                for metric, statistic in metrics.items():
                    estimate = estimate_of(group, task, statistic, bootstrap, seed)
                    rows.append(estimate.row(method=name, metric=f"{metric}_{protocol}"))
                if task == "age" and protocol != "test_paper" and name not in UNCORRECTED:
                    rows += corrected_rows(group, name, protocol, bootstrap, seed)
            if of_task.empty and protocol != "test_paper":
                reason = not_available(unfitted(task))
                rows += [reason.row(method=OURS, metric=f"{metric}_{protocol}") for metric in metrics]
    return estimates_table(rows)


def corrected_rows(group: pd.DataFrame, name: str, protocol: str, bootstrap: int, seed: int) -> list[dict]:
    """The metrics of ages whose pull towards the mean was undone, of all folds; n/a where one of them was not."""
    if group.empty or "corrected" not in group:
        return []
    unknown = group["corrected"].isna()
    if unknown.any():
        folds = group["fold"]
        where = (
            f"in {folds[unknown].nunique()} of {folds.nunique()} folds"
            if protocol == "cv"
            else "in the subjects fitted on"
        )
        none = not_available(f"{where} the predicted age hardly follows the age, so that its pull cannot be undone")
        return [none.row(method=name, metric=f"{metric}_{protocol}") for metric in CORRECTED]
    swapped = group.assign(prediction=group["corrected"])
    return [
        estimate_of(swapped, "age", statistic, bootstrap, seed).row(method=name, metric=f"{metric}_{protocol}")
        for metric, statistic in CORRECTED.items()
    ]


def _expected(of_task: pd.DataFrame, protocol: str) -> list[str]:
    """Feature sets that belong into a protocol: those that it has, and those of the cross-validation or the test."""
    names = list(dict.fromkeys(of_task["features"]))
    here = set(of_task.loc[of_task["protocol"] == protocol, "features"])
    return [name for name in names if name in here or name == OURS]


def differences(predictions: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """y_sem minus every other feature set on the same scans, within each protocol; intervals are those of the pairs.

    ``p``: two-sided, of the interval. ``p_holm``: for as many comparisons as the protocol has (Holm 1979).
    """
    rows = []
    for metric, (task, statistic) in COMPARED.items():
        for protocol in PROTOCOLS:
            chosen = predictions[(predictions["task"] == task) & (predictions["protocol"] == protocol)]
            sides = {name: group.set_index(KEY) for name, group in chosen.groupby("features", sort=False)}
            for name in sides:
                if name in (OURS, PERMUTED) or OURS not in sides:
                    continue
                pair = sides[OURS].join(sides[name], how="inner", rsuffix="_other")
                values = pair[["prediction", "target", "prediction_other", "target_other"]].to_numpy(float)
                subjects, widen = pair.index.get_level_values(0), cv_widening(pair["fold"])
                gap = difference_of(statistic, 2)
                estimate = interval(values, subjects, gap, bootstrap, seed, widen=widen)
                p = two_sided_p(values, subjects, gap, widen) if estimate.low is not None else np.nan
                rows.append(estimate.row(method=f"{OURS}-{name}", metric=f"{metric}_{protocol}") | {"p": p})
    table = estimates_table(rows).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    family = table["metric"].str.extract(f"_({'|'.join(sorted(PROTOCOLS, key=len, reverse=True))})$")[0]
    return table.assign(p_holm=table.groupby(family)["p"].transform(holm))


def verdict(line: pd.Series) -> str:
    """What a difference says (:func:`ldae.studies.common.statistics.verdict`)."""
    metric = next((name for name in LARGER_IS_BETTER if line["metric"].startswith(name)), "")
    return said_of(line, LARGER_IS_BETTER.get(metric, True))
