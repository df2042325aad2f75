"""What an edit changed, and its effects over test subjects: medians with subject-level intervals, dose-response curves.

An edit is measured where it should show (ventricles, hippocampal region) and where it should not (everywhere else). The
volumes do not follow brightness or contrast (both ends of the scale come from the image itself), so an edit that merely
darkens the image changes no volume; and it shows in what is measured outside the two regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from ldae.studies.common.anatomy import Grid, brain_ml, hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.image_metrics import ssim_brain
from ldae.studies.common.statistics import correlation, estimates_table, interval, mean_of, median, not_available
from ldae.studies.common.ventricle_truth import VentricleCalibration

VOLUMES = ("ventricle_ml", "hippocampus_region_ml", "brain_ml")
CHANGES = ("ventricle_ml_change", "hippocampus_region_ml_change", "brain_ml_change")
FOLLOWED = "probability_reencoded"
OWN = "scan_ventricle_ml"
NO_STEP = 0.25  # of the median length of a step: too short to say what it changes
OUTSIDE = ("ssim_w11_outside", "ssim_w11_outside_ae_gap", "intensity_outside_change")
MAPPED, CALIBRATED = "ventricle_ml_change_mapped", "ventricle_ml_change_calibrated"
TRUTH = (
    *("ventricle_ml_change_truth", "ventricle_ml_change_error_truth"),
    *(f"{MAPPED}_error_truth", CALIBRATED, f"{CALIBRATED}_error_truth"),
)
RANKED = ("ventricle_ml", "hippocampus_region_ml", FOLLOWED)
LEAST_DOSES = 3
DOSE_KEYS = ("direction", "calibration", "group", "dose", "measure")
DOSED = (*CHANGES, MAPPED, FOLLOWED, *OUTSIDE[1:], TRUTH[0], CALIBRATED)


@dataclass(frozen=True)
class Ruler:
    """Measures edited volumes on one grid; SSIM is computed on ``device`` (none: the CPU)."""

    grid: Grid
    device: torch.device | None = None

    @cached_property
    def region(self) -> np.ndarray:
        """(X, Y, Z) the hippocampal region."""
        return hippocampus_region(self.grid)

    def outside(self, scan: np.ndarray) -> np.ndarray:
        """(X, Y, Z) the brain of a scan without the periventricular box and the hippocampal region."""
        elsewhere = (scan > 0) & ~self.region
        elsewhere[self.grid.box()] = False
        return elsewhere

    def volumes(self, volume: np.ndarray, scan: np.ndarray) -> dict[str, float]:
        """Volumes (ml) in an edited volume, by the estimators that real scans are measured with."""
        return {
            "ventricle_ml": ventricle_ml(volume, self.grid),
            "hippocampus_region_ml": hippocampus_region_ml(volume, self.grid, self.region),
            "brain_ml": brain_ml(volume, scan > 0, self.grid),
        }

    def ssim_outside(self, first: np.ndarray, second: np.ndarray, scan: np.ndarray) -> np.ndarray:
        """(B,) SSIM (window 11) of two batches (B, X, Y, Z) in the brains of ``scan`` outside both regions."""
        places = np.stack([self.outside(own) for own in scan])
        arrays = (np.ascontiguousarray(array, dtype=np.float32)[:, None] for array in (first, second))
        before, after = (torch.from_numpy(array).to(self.device) for array in arrays)
        mask = torch.from_numpy(places[:, None]).to(self.device)
        return ssim_brain(before, after, mask=mask).double().cpu().numpy()

    def intensity_change(self, before: np.ndarray, after: np.ndarray, scan: np.ndarray) -> float:
        """Relative change of the mean intensity outside both regions: -0.3 for an edit that darkens all by 30 %."""
        elsewhere = self.outside(scan)
        if not elsewhere.any():
            return float("nan")
        mean = float(before[elsewhere].mean(dtype=np.float64))
        return float(after[elsewhere].mean(dtype=np.float64)) / mean - 1 if mean else float("nan")

    def measure(
        self, scans: np.ndarray, rebuilt: np.ndarray, unmoved: np.ndarray, edited: np.ndarray
    ) -> list[dict[str, float]]:
        """One row per edit.

        Args:
            scans, rebuilt, unmoved, edited: (B, X, Y, Z) the scan, its reconstruction by the autoencoder, the decoding
                of its unmoved code, and that of the moved one.

        Returns:
            ``ssim_w11_outside``: edited against unmoved. ``ssim_w11_outside_scan``: edited against the scan.
            ``ssim_w11_outside_ae_gap``: how far that is from the autoencoder's against the scan (absolute).
        """
        against_unmoved = self.ssim_outside(unmoved, edited, scans)
        against_scan = self.ssim_outside(scans, edited, scans)
        without_edit = self.ssim_outside(scans, rebuilt, scans)
        return [
            {
                "ssim_w11_outside": against_unmoved[i],
                "ssim_w11_outside_scan": against_scan[i],
                "ssim_w11_outside_ae_gap": abs(against_scan[i] - without_edit[i]),
                "intensity_outside_change": self.intensity_change(unmoved[i], edited[i], scans[i]),
            }
            | self.volumes(edited[i], scans[i])
            for i in range(len(edited))
        ]


def summary(table: pd.DataFrame, directions: Sequence[str], reported: list[float], n: int, seed: int) -> pd.DataFrame:
    """Medians over subjects, per direction.

    ``*_plus_ad`` and ``*_minus_ad``: at the largest and at the smallest reported target; ``*_plus_minus_ad``: their
    difference; ``*_size_*``: the absolute value. ``*_cn_to_ad`` and ``*_ad_to_cn``: the same for the subjects with CN,
    or AD. ``*_spearman``: see
    :func:`spearman_columns`. ``*_mean``: the mean of the same numbers. ``*_r_*``: see
    :func:`individual`.

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
            statistic = mean_of(metric) if metric.endswith("_mean") else median
            estimate = interval(values.to_numpy(float), values.index.to_numpy(), statistic, n, seed)
            rows.append(estimate.row(method=direction, metric=metric))
        for metric, pairs in individual(part, reported).items():
            estimate = interval(pairs.to_numpy(float), pairs.index.to_numpy(), correlation, n, seed)
            rows.append(estimate.row(method=direction, metric=metric))
    return estimates_table(rows)


def individual(part: pd.DataFrame, reported: list[float]) -> dict[str, pd.DataFrame]:
    """Whether the right subjects change most: metric -> two columns to be correlated, one row per subject.

    ``ventricle_ml_change_r_truth_*``: our change with the true one; both are mostly how far a subject had to be moved.
    ``ventricle_ml_per_step_r_truth_*``: the same for a step of equal length, ``ventricle_ml_per_step_r_own_*`` our
    change for such a step with the subject's own ventricles, and ``ventricle_ml_per_step_truth_r_own_*`` that of the
    true change. Subjects that hardly had to be moved (a quarter of the median) are left out of the last three.
    """
    pairs = {}
    for end, target in (("plus_ad", reported[-1]), ("minus_ad", reported[0])):
        own = part[np.isclose(part["target_probability"].astype(float), target)].set_index("participant_id")
        steps = own["alpha"].astype(float)
        moved = own[steps.abs() > NO_STEP * steps.abs().median()]
        per_step = moved[["ventricle_ml_change", TRUTH[0]]].div(moved["alpha"].astype(float), axis=0)
        pairs[f"ventricle_ml_per_step_r_own_{end}"] = per_step[["ventricle_ml_change"]].join(moved[OWN])
        if own[TRUTH[0]].notna().any():
            pairs[f"ventricle_ml_change_r_truth_{end}"] = own[["ventricle_ml_change", TRUTH[0]]]
            pairs[f"ventricle_ml_per_step_r_truth_{end}"] = per_step
            pairs[f"ventricle_ml_per_step_truth_r_own_{end}"] = per_step[[TRUTH[0]]].join(moved[OWN])
    return pairs


def with_calibrated(table: pd.DataFrame, calibration: VentricleCalibration) -> pd.DataFrame:
    """The table with the ventricles and their change on the scale of scans (``_mapped``), with the change in true
    millilitres (``_calibrated``; the offset of a line cancels), and with their errors against the true counterfactual;
    NaN where there is no line.

    Args:
        calibration: its lines of decoded volumes.
    """
    found = {"ventricle_ml_mapped": table["ventricle_ml"].map(calibration.scan_ml)}
    for name, line in ((MAPPED, calibration.to_scans), (CALIBRATED, calibration.of_decoded)):
        found[name] = table["ventricle_ml_change"] * (np.nan if line is None else line.slope)
        found[f"{name}_error_truth"] = (found[name] - table["ventricle_ml_change_truth"]).abs()
    return table.assign(**found)


def end_columns(part: pd.DataFrame, reported: list[float]) -> dict[str, pd.Series]:
    """Metric -> one value per subject at the two ends of the reported targets."""
    smallest, largest = reported[0], reported[-1]
    known = [name for name in TRUTH if part[name].notna().any()]
    diagnosis = part.drop_duplicates("participant_id").set_index("participant_id")["diagnosis"]
    columns: dict[str, pd.Series] = {}
    changes = (*CHANGES, MAPPED) if part[MAPPED].notna().any() else CHANGES
    for measure in (*changes, FOLLOWED, *OUTSIDE, *known):
        wide = part.pivot(index="participant_id", columns="target_probability", values=measure)
        plus, minus = wide[largest], wide[smallest]
        columns |= {f"{measure}_plus_ad": plus, f"{measure}_minus_ad": minus}
        if measure in (CHANGES[0], MAPPED, TRUTH[0], CALIBRATED):
            columns |= {f"{measure}_plus_ad_mean": plus, f"{measure}_minus_ad_mean": minus}
        if measure == MAPPED:
            columns |= {f"{measure}_size_plus_ad": plus.abs(), f"{measure}_size_minus_ad": minus.abs()}
        if measure in (*changes, FOLLOWED):
            columns[f"{measure}_plus_minus_ad"] = plus - minus
        if measure in changes:
            columns[f"{measure}_cn_to_ad"] = plus[diagnosis.reindex(plus.index) == "CN"]
            columns[f"{measure}_ad_to_cn"] = minus[diagnosis.reindex(minus.index) == "AD"]
    for end in ("plus_ad_mean", "minus_ad_mean"):
        ours, truth = (columns.get(f"{measure}_{end}") for measure in (CALIBRATED, TRUTH[0]))
        if ours is not None and truth is not None:
            columns[f"{CALIBRATED}_gap_truth_{end}"] = ours - truth
    return columns


def spearman_columns(table: pd.DataFrame, direction: str) -> dict[str, pd.Series]:
    """Spearman's rho of each ranked measure and alpha, one per subject, over the calibrated doses and the unmoved scan.

    ``*_spearman``: over all of them. ``*_spearman_plus_ad``: over alpha >= 0. ``*_spearman_minus_ad``: of the measure
    and the distance over alpha <= 0, so -1 says that it falls all the way. ``*_spearman_mean``: the same numbers as
    ``*_spearman``, to be averaged: where only the sign is left to chance a median is +1 or -1.
    """
    own = table[(table["direction"] == "none") | (table["direction"] == direction)]
    own = own[own["calibration"] != "alpha"]
    columns: dict[str, pd.Series] = {}
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


def no_summary(reason: str, direction: str = "probe") -> pd.DataFrame:
    """The summary of a study that could not be run, or of a direction that there is not."""
    names = [f"ventricle_ml_change_{end}" for end in ("plus_ad", "minus_ad", "plus_minus_ad")]
    return estimates_table([not_available(reason).row(method=direction, metric=name) for name in names])
