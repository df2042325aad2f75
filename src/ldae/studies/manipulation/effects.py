"""Effects of manipulation over test subjects: medians with subject-level intervals, and dose-response curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ldae.studies.common.anatomy.ventricle_truth import TrueScale
from ldae.studies.common.statistics import estimates_table, interval, mean, median, not_available

CHANGES = ("ventricle_ml_change", "hippocampus_region_ml_change", "brain_ml_change")
FOLLOWED = "probability_reencoded"
OUTSIDE = ("ssim_w11_outside", "ssim_w11_outside_ae_gap", "intensity_outside_change")
CALIBRATED = "ventricle_ml_change_calibrated"
TRUTH = (
    *("ventricle_ml_change_truth", "ventricle_ml_change_error_truth"),
    *(CALIBRATED, f"{CALIBRATED}_error_truth"),
)
RANKED = ("ventricle_ml", "hippocampus_region_ml", FOLLOWED)
LEAST_DOSES = 3
DOSE_KEYS = ("direction", "calibration", "group", "dose", "measure")
DOSED = (*CHANGES, FOLLOWED, *OUTSIDE[1:], TRUTH[0], CALIBRATED)


def summary(table: pd.DataFrame, directions: Sequence[str], reported: list[float], n: int, seed: int) -> pd.DataFrame:
    """Medians over subjects, per direction.

    ``*_plus_ad`` and ``*_minus_ad``: at the largest and at the smallest reported target; ``*_plus_minus_ad``: their
    difference. ``*_cn_to_ad`` and ``*_ad_to_cn``: the same for the subjects with CN, or AD. ``*_spearman``: see
    :func:`spearman_columns`.

    Args:
        table: scans.tsv of the study.
        reported: the targets that count, smallest first.
        n: bootstrap replicates.
    """
    rows = []
    for direction in directions:
        part = table[(table["direction"] == direction) & (table["calibration"] == "probability")]
        columns = end_columns(part, reported) | spearman_columns(table, direction)
        for metric, values in columns.items():
            statistic = mean if metric.endswith("_mean") else median
            estimate = interval(values.to_numpy(float), values.index.to_numpy(), statistic, n, seed)
            rows.append(estimate.row(method=direction, metric=metric))
    return estimates_table(rows)


def with_calibrated(table: pd.DataFrame, line: TrueScale | None) -> pd.DataFrame:
    """The table with the change of the ventricles in true millilitres, by the line of decoded volumes (its offset
    cancels), and that change's error against the true counterfactual; NaN where there is no line."""
    change = table["ventricle_ml_change"] * (np.nan if line is None else line.slope)
    error = (change - table["ventricle_ml_change_truth"]).abs()
    return table.assign(**{CALIBRATED: change, f"{CALIBRATED}_error_truth": error})


def end_columns(part: pd.DataFrame, reported: list[float]) -> dict[str, pd.Series]:
    """Metric -> one value per subject at the two ends of the reported targets."""
    smallest, largest = reported[0], reported[-1]
    known = [name for name in TRUTH if part[name].notna().any()]
    diagnosis = part.drop_duplicates("participant_id").set_index("participant_id")["diagnosis"]
    columns = {}
    for measure in (*CHANGES, FOLLOWED, *OUTSIDE, *known):
        wide = part.pivot(index="participant_id", columns="target_probability", values=measure)
        plus, minus = wide[largest], wide[smallest]
        columns |= {f"{measure}_plus_ad": plus, f"{measure}_minus_ad": minus}
        if measure in (*CHANGES, FOLLOWED):
            columns[f"{measure}_plus_minus_ad"] = plus - minus
        if measure in CHANGES:
            columns[f"{measure}_cn_to_ad"] = plus[diagnosis.reindex(plus.index) == "CN"]
            columns[f"{measure}_ad_to_cn"] = minus[diagnosis.reindex(minus.index) == "AD"]
    return columns


def spearman_columns(table: pd.DataFrame, direction: str) -> dict[str, pd.Series]:
    """Spearman's rho of each ranked measure and alpha, one per subject, over the calibrated doses and the unmoved scan.

    ``*_spearman``: over all of them. ``*_spearman_plus_ad``: over alpha >= 0. ``*_spearman_minus_ad``: of the measure
    and the distance over alpha <= 0, so -1 says that it falls all the way. ``*_spearman_mean``: the same numbers as
    ``*_spearman``, to be averaged: where only the sign is left to chance a median is +1 or -1.
    """
    own = table[(table["direction"] == "none") | (table["direction"] == direction)]
    own = own[own["calibration"] != "alpha"]
    columns = {}
    for measure in RANKED:
        everything = dose_response(own, measure)
        columns |= {f"{measure}_spearman": everything, f"{measure}_spearman_mean": everything}
        columns[f"{measure}_spearman_plus_ad"] = dose_response(own[own["alpha"] >= 0], measure)
        columns[f"{measure}_spearman_minus_ad"] = -dose_response(own[own["alpha"] <= 0], measure)
    return columns


def dose_response(table: pd.DataFrame, measure: str = "ventricle_ml") -> pd.Series:
    """Spearman's rho of a measure and alpha, by subject; NaN with fewer than three doses, or where nothing changes."""
    found = {}
    for subject, own in table.groupby("participant_id"):
        enough = len(own) >= LEAST_DOSES and own[measure].nunique() > 1
        found[subject] = own["alpha"].rank().corr(own[measure].rank()) if enough else np.nan
    return pd.Series(found, dtype=float)


def dose_table(table: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Medians over subjects at every dose, with intervals: of all subjects, and by diagnosis along the probe.

    ``dose``: the target probability, or the fixed alpha with its sign.
    """
    rows = []
    moved = table[table["calibration"] != "none"]
    dose = moved["alpha"].where(moved["calibration"] == "alpha", moved["target_probability"])
    moved = moved.assign(dose=dose.round(6))
    for (direction, calibration, level), part in moved.groupby(["direction", "calibration", "dose"], sort=True):
        groups = {"all": part}
        if direction == "probe":
            groups |= {str(name): own for name, own in part.groupby("diagnosis")}
        for group, own in groups.items():
            for measure in DOSED:
                estimate = interval(own[measure].to_numpy(float), own["participant_id"].to_numpy(), median, n, seed)
                keys = dict(zip(DOSE_KEYS, (direction, calibration, group, level, measure), strict=True))
                rows.append(estimate.row(**keys))
    return estimates_table(rows, DOSE_KEYS)


def no_summary(reason: str) -> pd.DataFrame:
    """The summary of a study that could not be run."""
    names = [f"ventricle_ml_change_{end}" for end in ("plus_ad", "minus_ad", "plus_minus_ad")]
    return estimates_table([not_available(reason).row(method="probe", metric=name) for name in names])
