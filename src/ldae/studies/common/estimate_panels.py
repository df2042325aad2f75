"""Estimates with intervals: the panel that compares methods, read from the long tables of ``ldae.studies``."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.studies.common.figure_style import FAINT, INK, MUTED, say_why_empty
from ldae.studies.common.method_styles import Method
from ldae.studies.common.statistics import FEW_NOTE

MINUS = "\N{MINUS SIGN}"
METRIC_LABELS = {
    "mae_brain": "mean absolute error in the brain",
    "ventricle_ml_step_error": "error of the ventricles' change (ml)",
    "ventricle_ml_step_error_truth": "error of the true ventricles' change (ml)",
    "hippocampus_region_ml_step_error": "error of the hippocampal region's change (ml)",
    "hippocampus_ml_step_error_truth": "error of the true hippocampi's change (ml)",
    "ventricle_ml_step_r": "ventricles' change: r with the measured one",
    "code_error": "error of y$_{sem}$ (standard deviations)",
    "auc_future_ad": "AUC, AD against CN at the next visit",
    "future_mmse_mae": "MMSE error at the next visit (points)",
    "image_error": "distance from the true change (0 the truth, 1 no edit)",
    "image_cosine": "cosine with the true change",
    "image_amount": "part of the true change that is there",
    "outside_share": "share of the change outside the true region",
    "code_cosine": "cosine of both changes of y$_{sem}$",
    "ventricle_ml_amount": "ventricles: part of the true change",
    "ventricle_ml_r_truth": "ventricles, r over subjects: our change and the true one",
    "ventricle_ml_r_own": "ventricles, r over subjects: our change and own ventricles",
    "ventricle_ml_change_mapped_error_truth": "error of the ventricles' change (ml)",
    "hippocampus_region_ml_amount": "hippocampal region: part of the true change",
    "independent_effect": "effect in the independent probe (1: a whole diagnosis)",
    "own_effect": "effect in our probe, encoded again",
    "composition_mae": "no edit against the scan (mean absolute difference)",
    "composition_mae_ae": "no edit against the autoencoder",
    "back_mae": "there and back against the scan",
    "back_share": "part of the edit left after the way back",
    "icc_2_1_ad": "logit of AD: ICC(2,1)",
    "icc_3_1_ad": "logit of AD: ICC(3,1)",
    "icc_retest_ad": "logit of AD: retest, ICC(1,1)",
    "icc_2_1_age": "age: ICC(2,1)",
    "icc_3_1_age": "age: ICC(3,1)",
    "icc_retest_age": "age: retest, ICC(1,1)",
    "icc_2_1_code_median": "median ICC(2,1)",
    "icc_3_1_code_median": "median ICC(3,1)",
    "icc_2_1_code_good": "share with ICC(2,1) above .75",
    "scanner_accuracy": "scanner read rightly",
    "scanner_chance": "the same, scanners permuted",
    "scanner_p": "p of the scanner",
    **{
        f"share_{part}_{target}": words
        for target in ("code", "ad", "age")
        for part, words in (
            ("disease", "diagnosis"),
            ("subject", "head, within a diagnosis"),
            ("scanner", "scanner"),
            ("subject_scanner", "head by scanner"),
            ("repeat", "repeat"),
        )
    },
    "ssim_w11_brain": "SSIM in the brain (window 11)",
    "ssim_w11_brain_vs_ae": "SSIM in the brain, against the autoencoder",
    "ssim_w11": "SSIM, whole box (window 11)",
    "ssim_w3_paper": "SSIM, whole box (window 3)",
    "lpips_squeeze_fake3d": "LPIPS (all slices)",
    "lpips_paper_half": "LPIPS (half the slices)",
    "kernel_y_sem": "kernel distance from training scans, y$_{sem}$",
    "kernel_octants": "kernel distance from training scans, octants of z",
    "frechet_y_sem_shrunk": "Fréchet distance, y$_{sem}$ (shrunken)",
    "frechet_octants_shrunk": "Fréchet distance, octants of z (shrunken)",
    "nearest_training_rms_median": "median distance to the nearest training scan",
    "nearest_training_rms_auc": "P(nearer than a held-out scan)",
    "nearest_ratio_median": "median ratio, nearest / next subject",
    "nearest_ratio_auc": "P(lower ratio than a held-out scan)",
    "x_T_std": "standard deviation of x$_T$",
    "ssim_w4_paper": "SSIM against the autoencoder (window 4)",
    "mse": "mean squared error",
    "mse_vs_ae": "mean squared error, against the autoencoder",
    "psnr": "PSNR (dB)",
    "ventricle_ml_error": "error of the ventricles (ml), raw",
    "ventricle_ml_error_mapped": "error of the ventricles (ml), mapped to the scans' scale",
    "ventricle_ml_error_truth": "error of the ventricles, against the truth (ml)",
    "ventricle_ml_error_truth_calibrated_by_kind": "error of true ventricles, calibrated by kind (ml)",
    "ventricle_change_ml_error_truth": "error of the ventricles' change, against the truth (ml)",
    "r_truth": "ventricle volume: r with the truth",
    "r_original": "ventricle volume: r with the scan",
    "auc_ad_cv": "AUC, AD against CN, cross-validated",
    "balanced_accuracy_ad_cv": "balanced accuracy, cross-validated",
    "age_mae_cv": "age error (years), cross-validated",
    "age_r_cv": "age r, cross-validated",
    "auc_ad_test": "AUC, AD against CN, test",
    "balanced_accuracy_ad_test": "balanced accuracy, test",
    "sensitivity_ad_cv": "sensitivity, cross-validated",
    "specificity_ad_cv": "specificity, cross-validated",
    "brier_ad_cv": "Brier score",
    "brier_ad_test": "Brier score",
    "calibration_slope_ad_cv": "calibration slope (1 is right)",
    "calibration_slope_ad_test": "calibration slope (1 is right)",
    "calibration_in_the_large_ad_cv": "mean probability less share of AD",
    "calibration_in_the_large_ad_test": "mean probability less share of AD",
    "sensitivity_ad_test": "sensitivity, test",
    "specificity_ad_test": "specificity, test",
    "age_bias_slope_cv": "bias slope, cross-validated",
    "age_bias_slope_corrected_cv": "bias slope, corrected, cross-validated",
    "age_mae_corrected_cv": "age error (years), corrected, cross-validated",
    "age_bias_slope_test": "bias slope, test",
    "age_bias_slope_corrected_test": "bias slope, corrected, test",
    "age_mae_corrected_test": "age error (years), corrected, test",
    "age_mae_test": "age error (years), test",
    "age_r_test": "age r, test",
    "auc_field_strength_cv": "AUC of field strength",
    "auc_study_phase_cv": "AUC of study phase",
    "auc_ad_cv_within_field_strength": "AUC, cross-validated",
    "auc_ad_test_within_field_strength": "AUC, test",
    "auc_smci_pmci_cv": "AUC, stable against progressive MCI, cross-validated",
    "auc_smci_pmci_test": "AUC, stable against progressive MCI, test",
    "auc_sex_cv": "AUC of sex, cross-validated",
    "auc_sex_test": "AUC of sex, test",
    "mmse_mae_cv": "MMSE error (points), cross-validated",
    "mmse_mae_test": "MMSE error (points), test",
    "rank_mean_cv": "mean rank, cross-validated",
    "rank_auc_ad_cv": "rank, AD against CN",
    "rank_auc_smci_pmci_cv": "rank, stable against progressive MCI",
    "rank_age_mae_cv": "rank, age",
    "rank_auc_sex_cv": "rank, sex",
    "rank_mmse_mae_cv": "rank, MMSE",
    "uno_c_cv": "Uno's concordance up to 36 months",
    "auc_36m_cv": "AUC at 36 months, weighted",
    "auc_smci_pmci_36m_cv": "AUC, stable against progressive MCI",
    "brier_36m_cv": "Brier score at 36 months",
    "calibration_slope_36m_cv": "calibration slope (1 is right)",
    "calibration_in_the_large_36m_cv": "mean risk less share who converted",
    "uno_c_test": "Uno's concordance up to 36 months",
    "auc_36m_test": "AUC at 36 months, weighted",
    "auc_smci_pmci_36m_test": "AUC, stable against progressive MCI",
    "brier_36m_test": "Brier score at 36 months",
    "calibration_slope_36m_test": "calibration slope (1 is right)",
    "calibration_in_the_large_36m_test": "mean risk less share who converted",
    "age_mae_cv_cn": "age error of controls (years), cross-validated",
    "age_mae_test_cn": "age error of controls (years), test",
    "auc_ad_test_paper": "AUC, AD against CN",
    "accuracy_ad_test_paper": "accuracy",
    "mcc_ad_test_paper": "Matthews correlation",
    "sensitivity_ad_test_paper": "recall of AD",
    "sensitivity_cn_positive_test_paper": "recall of CN",
    "precision_cn_positive_test_paper": "precision of CN",
    "f1_cn_positive_test_paper": "F1 of CN",
    "age_mae_test_paper": "age error, MAE (years)",
    "age_rmse_test_paper": "age error, RMSE (years)",
    "ventricle_ml_change_plus_ad": "ventricles towards AD (ml), raw",
    "ventricle_ml_change_minus_ad": "ventricles away from AD (ml), raw",
    "ventricle_ml_change_mapped_plus_ad": "ventricles towards AD (ml), mapped",
    "ventricle_ml_change_mapped_minus_ad": "ventricles away from AD (ml), mapped",
    "ventricle_ml_change_mapped_size_plus_ad": "|change of the ventricles| towards AD (ml), mapped",
    "ventricle_ml_change_mapped_size_minus_ad": "|change of the ventricles| away from AD (ml), mapped",
    "ventricle_ml_change_calibrated_gap_truth_plus_ad_mean": "ours − true, towards AD (ml), mean",
    "ventricle_ml_change_calibrated_gap_truth_minus_ad_mean": "ours − true, away from AD (ml), mean",
    "ventricle_ml_change_calibrated_minus_ad_mean": "ventricles away from AD, calibrated (ml), mean",
    "ventricle_ml_change_truth_minus_ad_mean": "true ventricles away from AD (ml), mean",
    "ventricle_ml_change_mapped_plus_minus_ad": "ventricles, AD end − CN end (ml), mapped",
    "ventricle_ml_change_mapped_cn_to_ad": "ventricles, CN moved to AD (ml), mapped",
    "ventricle_ml_change_mapped_ad_to_cn": "ventricles, AD moved to CN (ml), mapped",
    "ventricle_ml_change_mapped_plus_ad_mean": "ventricles towards AD (ml), mapped, mean",
    "ventricle_ml_change_mapped_error_truth_plus_ad": "error of the mapped change (ml)",
    "ventricle_ml_change_plus_minus_ad": "ventricles, AD end − CN end (ml)",
    "ventricle_ml_change_cn_to_ad": "ventricles, CN moved to AD (ml)",
    "ventricle_ml_change_ad_to_cn": "ventricles, AD moved to CN (ml)",
    "ventricle_ml_change_truth_plus_ad": "true ventricles towards AD (ml)",
    "ventricle_ml_change_error_truth_plus_ad": "error of the raw change (ml)",
    "ventricle_ml_change_calibrated_plus_ad": "ventricles towards AD, calibrated (ml)",
    "ventricle_ml_change_calibrated_minus_ad": "ventricles away from AD, calibrated (ml)",
    "ventricle_ml_change_plus_ad_mean": "ventricles towards AD (ml), mean",
    "ventricle_ml_change_truth_plus_ad_mean": "true ventricles towards AD (ml), mean",
    "ventricle_ml_change_calibrated_plus_ad_mean": "ventricles towards AD, calibrated (ml), mean",
    "ventricle_ml_change_r_truth_plus_ad": "r over subjects: our change and the true one, towards AD",
    "ventricle_ml_change_r_truth_minus_ad": "r over subjects: our change and the true one, away from AD",
    "ventricle_ml_per_step_r_truth_plus_ad": "r over subjects: for an equal step, our change and the true one",
    "ventricle_ml_per_step_r_truth_minus_ad": "r over subjects: the same, away from AD",
    "ventricle_ml_per_step_r_own_plus_ad": "r over subjects: for an equal step, our change and own ventricles",
    "ventricle_ml_per_step_truth_r_own_plus_ad": "r over subjects: for an equal step, true change and own ventricles",
    "ventricle_ml_per_step_r_own_minus_ad": "r over subjects: our change and own ventricles, away from AD",
    "ventricle_ml_per_step_truth_r_own_minus_ad": "r over subjects: true change and own ventricles, away from AD",
    "ventricle_ml_spearman": "ventricles over the dose (Spearman)",
    "ventricle_ml_spearman_mean": "ventricles over the dose (Spearman), mean",
    "ventricle_ml_spearman_plus_ad": "ventricles over the distance towards AD (Spearman)",
    "ventricle_ml_spearman_minus_ad": "ventricles over the distance away from AD (Spearman)",
    "probability_reencoded_spearman": "p(AD) when encoded again over the dose (Spearman)",
    "hippocampus_region_ml_change_plus_ad": "hippocampal region towards AD (ml)",
    "hippocampus_region_ml_change_minus_ad": "hippocampal region away from AD (ml)",
    "ssim_w11_outside_plus_ad": "SSIM outside both regions, towards AD",
    "ssim_w11_outside_minus_ad": "SSIM outside both regions, away from AD",
    "ssim_w11_outside_ae_gap_plus_ad": "|SSIM outside − autoencoder's|, towards AD",
    "ssim_w11_outside_ae_gap_minus_ad": "|SSIM outside − autoencoder's|, away from AD",
    "intensity_outside_change_plus_ad": "relative change of intensity outside, towards AD",
    "intensity_outside_change_minus_ad": "relative change of intensity outside, away from AD",
    "brain_ml_change_plus_ad": "brain towards AD (ml)",
    "brain_ml_change_minus_ad": "brain away from AD (ml)",
    "probability_reencoded_plus_ad": "p(AD) when encoded again, towards AD",
    "probability_reencoded_minus_ad": "p(AD) when encoded again, away from AD",
    "probability_reencoded_plus_minus_ad": "p(AD) when encoded again, AD end − CN end",
}


def metric_label(metric: str) -> str:
    """The words for a metric; an unknown one under its own name."""
    return METRIC_LABELS.get(metric, metric.replace("_", " "))


def rows_of(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of one metric that have a value."""
    return summary[(summary["metric"] == metric) & np.isfinite(summary["value"].astype(float))]


def why_missing(summary: pd.DataFrame, metric: str) -> str:
    """The words of the table for why a metric has no value, or that it was not computed."""
    notes = summary.loc[summary["metric"] == metric, "note"].dropna()
    label = METRIC_LABELS.get(metric, metric)
    return f"{label}:\n{notes.iloc[0]}" if len(notes) else f"{label}:\nnot computed in this run"


def line_with_intervals(axes: Axes, x: pd.Series, curve: pd.DataFrame, **style: Any) -> None:
    """The values of a curve over ``x``, each with its interval where it has one.

    Args:
        curve: value, low, high.
        style: as of ``Axes.errorbar``.
    """
    lengths = np.stack([curve["value"] - curve["low"], curve["high"] - curve["value"]]).astype(float)
    axes.errorbar(x, curve["value"], np.clip(np.nan_to_num(lengths), 0, None), elinewidth=0.9, **style)


def forest(
    axes: Axes,
    summary: pd.DataFrame,
    metric: str,
    methods: dict[str, Method],
    reference: float | None = None,
    names: bool = True,
) -> None:
    """One row per method: its value as a marker, its 95 % interval as a line, both printed at the right.

    Args:
        summary: long table (method, metric, value, low, high, n_subjects, note).
        methods: the methods to draw, from top to bottom; one without a value gets ``n/a``.
        reference: a vertical line, such as chance level.
        names: print the methods' names at the left.
    """
    table = rows_of(summary, metric).set_index("method")
    if table.empty:
        say_why_empty(axes, why_missing(summary, metric))
        return
    if reference is not None:
        axes.axvline(reference, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    drawn = summary[summary["method"].isin(methods)]
    own_counts = rows_of(drawn, metric)["n_subjects"].nunique() > 1
    for place, (name, method) in enumerate(methods.items()):
        if name in table.index:
            row = table.loc[name]
            draw_interval(axes, float(row["value"]), place, row["low"], row["high"], method)
            text, colour = brief_estimate(row["value"], row["low"], row["high"]), INK
            text += f" (n = {int(row['n_subjects'])})" if own_counts else ""
        else:
            text, colour = "n/a", MUTED
        axes.annotate(
            text,
            (1.04, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=6.5,
            color=colour,
        )
    labels = [method.label for method in methods.values()] if names else []
    axes.set_yticks(range(len(methods)) if names else [], labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT)
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.08)
    axes.set_xlabel(METRIC_LABELS.get(metric, metric.replace("_", " ")) + subjects_line(drawn, metric))


def subjects_line(summary: pd.DataFrame, metric: str) -> str:
    """A second line for an axis label: how many subjects the estimates rest on, and whether those are too few.

    Args:
        summary: the estimates that are drawn.
    """
    rows = rows_of(summary, metric)
    if rows.empty:
        return ""
    return f"\n{count_words(rows['n_subjects'])} subjects{few_mark(rows)}"


def few_mark(rows: pd.DataFrame) -> str:
    """``: too few`` where any of these estimates rests on too few subjects; otherwise nothing."""
    return f": {FEW_NOTE}" if (rows["note"] == FEW_NOTE).any() else ""


def count_words(counts: pd.Series) -> str:
    """``23``, or ``20 to 23`` where the estimates do not all rest on as many subjects."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low} to {high}"


def draw_interval(axes: Axes, value: float, place: float, low: float, high: float, method: Method) -> None:
    """A horizontal interval with its value."""
    if np.isfinite(low) and np.isfinite(high):
        axes.plot([low, high], [place, place], color=method.colour, linewidth=1.8, solid_capstyle="round", alpha=0.75)
    axes.plot([value], [place], method.marker, color=method.colour, markersize=5.5, zorder=3)


def brief_estimate(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """``0.873 [0.861, 0.884]``, with digits that suit the size of the interval."""
    if not np.isfinite(value):
        return "n/a"
    finite = np.isfinite(low) and np.isfinite(high)
    digits = _digits(value, high - low if finite else abs(value))
    if digits is None:
        text, bounds = f"{value:.1e}", f" [{low:.1e}, {high:.1e}]"
    else:
        text, bounds = f"{value:.{digits}f}", f" [{low:.{digits}f}, {high:.{digits}f}]"
    return (text + bounds if finite else text).replace("-", MINUS)


def _digits(value: float, width: float) -> int | None:
    """Decimals that show two digits of the interval's width; none for numbers that need an exponent."""
    if abs(value) < 0.002 and value != 0:
        return None
    if width <= 0:
        return 3
    return int(np.clip(1 - np.floor(np.log10(width)), 0, 4))
