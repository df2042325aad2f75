"""The study's numbers over subjects, with intervals, and which differences count."""

import numpy as np
import pandas as pd

from ldae.studies.common.statistics import (
    Statistic,
    auc,
    correlation,
    difference_of,
    estimates_table,
    holm,
    interval,
    mae,
    mean,
    mean_of,
    not_available,
    two_sided_p,
)
from ldae.studies.forecasting.names import (
    CARRIED,
    CODE,
    COPY,
    FUTURE,
    FUTURE_AD,
    FUTURE_MMSE,
    IMAGE,
    LATENT_COPY,
    LATENT_MEAN,
    LATENT_SLOPE,
    MEAN_SLOPE,
    METHODS,
    METRICS,
    OF_TWO,
    OURS,
    REVERSED,
    RIDGE,
    SHUFFLED,
    SLOPE,
    STEPS,
    STEPS_TRUTH,
    TRUE_AE,
    TRUE_CODE,
    UNMOVED,
    VENTRICLE_R,
    VENTRICLES,
    VOLUME_RIDGE,
    VOXEL_MEAN,
    VOXEL_SLOPE,
)

GROUP_KEYS = ("method", "metric", "visits_known", "grouping", "level")
KEYS = ("method", "metric", "visits_known", "question")
CASE = ["participant_id", "session_target"]
NO_TRUTH = "the true volumes are known of phantoms alone"
NO_CASES = {1: "no test subject has two visits of known time", 2: "no test subject has three visits of known time"}
NOT_LEARNT = "no training subject has two visits of known time"
NO_CHANGE = "no change is forecast"
UNKNOWN = {FUTURE_AD: "the diagnosis is not known", FUTURE_MMSE: "the MMSE is not known"}
COPYING = "better than copying the last visit"
MOVING = "better than the last visit decoded"
LATENT = "better than the same line through the latents"
CONTROL = "controls"
GROUPED = (*IMAGE, *STEPS)
HALF_YEARS = 2  # to a year: gaps are grouped by the nearest


def metrics_of(method: str) -> tuple[str, ...]:
    """What is measured of a method."""
    if method == CARRIED:
        return FUTURE
    if method == VOLUME_RIDGE:
        return (*STEPS, VENTRICLE_R, *STEPS_TRUTH)
    without = (CODE, *FUTURE) if method in (TRUE_AE, LATENT_COPY) else ()
    return tuple(metric for metric in METRICS if metric not in without)


def measured(own: pd.DataFrame, metric: str) -> tuple[np.ndarray, Statistic]:
    """The values of a metric, one row a case, and the statistic of them."""
    if metric == FUTURE_AD:
        return own[["ad_score", "target_ad"]].to_numpy(float), auc
    if metric == FUTURE_MMSE:
        return own[["mmse_forecast", "mmse_target"]].to_numpy(float), mae
    if metric == VENTRICLE_R:
        return own[["ventricle_ml_step", "ventricle_ml_step_scan"]].to_numpy(float), correlation
    return own[[metric]].to_numpy(float), mean_of(metric)


def summary(table: pd.DataFrame, known: int, has_truth: bool, bootstrap: int, seed: int) -> pd.DataFrame:
    """One row per method and metric; the intervals are over subjects.

    Args:
        table: forecasts.tsv of the study, the cases with this many known visits.
    """
    rows = []
    for method in METHODS:
        if known == 1 and method in OF_TWO:
            continue
        own = table[table["method"] == method]
        for metric in metrics_of(method):
            values, statistic = measured(own, metric)
            complete = bool(len(own)) and bool(np.isfinite(values).all(axis=1).any())
            if table.empty:
                estimate = not_available(NO_CASES[known])
            elif metric in STEPS_TRUTH and not has_truth:
                estimate = not_available(NO_TRUTH)
            elif metric in UNKNOWN and not complete:
                estimate = not_available(UNKNOWN[metric])
            elif own.empty:
                estimate = not_available(NOT_LEARNT)
            elif metric == VENTRICLE_R and method in (COPY, LATENT_COPY, UNMOVED):
                estimate = not_available(NO_CHANGE)
            else:
                estimate = interval(values, own["participant_id"].to_numpy(), statistic, bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric))
    return estimates_table(rows)


def by_group(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Estimates per method by the gap, to the nearest half year, and by the diagnosis at the last visit."""
    half_years = (table["gap_years"].astype(float) * HALF_YEARS).round() / HALF_YEARS
    levels = {"gap_years": half_years.map("{:g}".format), "diagnosis": table["diagnosis"]}
    rows = []
    for grouping, level in levels.items():
        for (known, method, own_level), group in table.groupby(["visits_known", "method", level], sort=False):
            for metric in GROUPED:
                if metric not in metrics_of(method):
                    continue
                estimate = interval(group[metric], group["participant_id"], mean_of(metric), bootstrap, seed)
                keys = {"visits_known": known, "grouping": grouping, "level": own_level}
                rows.append(estimate.row(method=method, metric=metric, **keys))
    return estimates_table(rows, GROUP_KEYS)


def comparisons() -> list[tuple[str, str, str, str]]:
    """(question, first, second, metric)."""
    forecasters = (*OURS, LATENT_SLOPE, LATENT_MEAN, VOXEL_SLOPE, VOXEL_MEAN, VOLUME_RIDGE, CARRIED)
    against = (*IMAGE, *STEPS, STEPS_TRUTH[0], *FUTURE)
    lines = {SLOPE: LATENT_SLOPE, MEAN_SLOPE: LATENT_MEAN, RIDGE: LATENT_MEAN}
    controls = ((REVERSED, SLOPE), (REVERSED, MEAN_SLOPE), (SHUFFLED, SLOPE), (TRUE_CODE, UNMOVED))
    return [
        *((COPYING, one, COPY, metric) for one in forecasters for metric in against if metric in metrics_of(one)),
        *((MOVING, one, UNMOVED, metric) for one in OURS for metric in (*IMAGE, CODE)),
        *((LATENT, one, other, metric) for one, other in lines.items() for metric in (*IMAGE, *STEPS)),
        *((CONTROL, *pair, metric) for pair in controls for metric in (VENTRICLES, CODE)),
    ]


def differences(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Paired differences on the same visits, ``first-second``, with their p and ``p_holm``.

    Three questions, each with its own count of comparisons for Holm, that of one and of two known visits apart: whether
    a forecast is better than copying the last visit; whether picture and code are better than the last visit decoded,
    so that what the networks lose of any scan cancels; whether it is better than the same line through the latents. The
    fourth
    are the controls: the wrong way, another subject's slope, and the true code.

    With two known visits ``ldae_reversed`` goes against the subject's own slope, with one against the mean one; it is
    compared with the one that it reverses.
    """
    rows = []
    for known, cases in table.groupby("visits_known", sort=True):
        own = {name: lines.set_index(CASE) for name, lines in cases.groupby("method")}
        for question, first, second, metric in comparisons():
            if first == REVERSED and second != (SLOPE if known == 2 else MEAN_SLOPE):
                continue
            if first not in own or second not in own:
                continue
            pair = own[first], own[second]
            shared = pair[0].index.intersection(pair[1].index)
            (ours, statistic), (theirs, _) = (measured(side.loc[shared], metric) for side in pair)
            values, subjects = np.hstack([ours, theirs]), shared.get_level_values(0).to_numpy()
            whole = np.isfinite(values).all(axis=1)
            if not whole.any():
                continue
            gap = difference_of(mean if metric not in FUTURE else statistic, ours.shape[1])
            estimate = interval(values, subjects, gap, bootstrap, seed)
            p = two_sided_p(values, subjects, gap) if estimate.low is not None else np.nan
            keys = {"visits_known": known, "question": question}
            rows.append(estimate.row(method=f"{first}-{second}", metric=metric, **keys) | {"p": p})
    found = estimates_table(rows, KEYS).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    families = found.groupby(["visits_known", "question"])["p"]
    return found.assign(p_holm=families.transform(holm) if len(found) else found["p"])
