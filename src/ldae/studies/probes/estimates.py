"""Estimates from the probes' predictions: every metric of every feature set, and y_sem against each of the others."""

import pandas as pd

from ldae.core.keys import KEY
from ldae.studies.common.statistics import (
    Estimate,
    Statistic,
    auc,
    difference_of,
    estimates_table,
    interval,
    not_available,
)
from ldae.studies.probes.probe_metrics import AD_METRICS, CN_METRICS, METRICS, mae

PROTOCOLS = ("cv", "test", "test_paper")
OURS, PERMUTED = "ldae", "permuted_labels"
COMPARED: dict[str, tuple[str, Statistic]] = {"auc_ad": ("ad", auc), "age_mae": ("age", mae)}
LARGER_IS_BETTER = {"auc_ad": True, "age_mae": False}


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
            if of_task.empty and protocol != "test_paper":
                reason = not_available(_unfitted(task))
                rows += [reason.row(method=OURS, metric=f"{metric}_{protocol}") for metric in metrics]
    return estimates_table(rows)


def _expected(of_task: pd.DataFrame, protocol: str) -> list[str]:
    """Feature sets that belong into a protocol: those that it has, and those of the cross-validation or the test."""
    names = list(dict.fromkeys(of_task["features"]))
    here = set(of_task.loc[of_task["protocol"] == protocol, "features"])
    return [name for name in names if name in here or name == OURS]


def _unfitted(task: str) -> str:
    missing = "a class is" if task == "ad" else "ages are"
    return f"no probe could be fitted: {missing} missing among the other subjects"


def estimate_of(group: pd.DataFrame, task: str, statistic: Statistic, bootstrap: int, seed: int) -> Estimate:
    """One metric of some predictions, or why it cannot be had."""
    if group.empty:
        return not_available(_unfitted(task))
    if task == "ad" and group["target"].nunique() < 2:
        absent = "AD" if group["target"].iloc[0] == 0 else "CN"
        return not_available(f"no {absent} scan among the {group['participant_id'].nunique()} subjects")
    values = group[["prediction", "target"]].to_numpy(float)
    return interval(values, group["participant_id"], statistic, bootstrap, seed)


def differences(predictions: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """y_sem minus every other feature set on the same scans, within each protocol; intervals are those of the pairs."""
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
                subjects = pair.index.get_level_values(0)
                estimate = interval(values, subjects, difference_of(statistic, 2), bootstrap, seed)
                rows.append(estimate.row(method=f"{OURS}-{name}", metric=f"{metric}_{protocol}"))
    return estimates_table(rows)


def verdict(line: pd.Series) -> str:
    """What a difference says: ``ldae better``, ``ldae worse``, ``not told apart`` (the interval holds 0), or n/a."""
    if pd.isna(line["value"]):
        return f"n/a ({line['note']})"
    if pd.isna(line["low"]):
        return "no interval"
    if line["low"] <= 0 <= line["high"]:
        return "not told apart"
    metric = next(name for name in LARGER_IS_BETTER if line["metric"].startswith(name))
    return "ldae better" if (line["low"] > 0) == LARGER_IS_BETTER[metric] else "ldae worse"
