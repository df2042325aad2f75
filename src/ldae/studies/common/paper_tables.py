"""The paper's tables from the studies' estimates: ours with intervals, and the published number beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.statistics import FEW_NOTE

Published = Mapping[tuple[str, str], str]
TRAINING_SEEDS = 1  # the workflow trains every network once, with the configuration's one seed
SEEDS_SENTENCE = (
    "Every network was trained once (n_training_seeds = 1): the intervals are over subjects and do not cover how the "
    "numbers would vary between trainings."
)


@dataclass(frozen=True)
class PaperTable:
    """Which estimates make a table. ``published``: (method, metric) -> the paper's number, as printed there."""

    source: str
    metrics: Sequence[str]
    published: Published = field(default_factory=dict)


TABLES = {
    "reconstruction": PaperTable(  # Table 6: T = 100, SSIM with a small window over the whole volume
        "reconstruction/summary.tsv",
        ("ssim_w3_paper", "ssim_w11", "ssim_w11_brain", "mse", "psnr", "lpips_squeeze_fake3d", "lpips_paper_half"),
        {("ldae_encoded", "ssim_w3_paper"): "0.962", ("ldae_noise", "ssim_w3_paper"): "0.87"},
    ),
    "interpolation": PaperTable(  # six months between the outer scans, against the AE reconstruction
        "interpolation/summary.tsv",
        (
            "ssim_w11_brain",
            "mse",
            "ventricle_ml_error",
            "ventricle_ml_error_truth",
            "ventricle_ml_error_truth_calibrated_by_kind",
            "ventricle_change_ml_error_truth",
            "ssim_w11_brain_vs_ae",
            "mse_vs_ae",
            "ssim_w4_paper",
        ),
        {
            (method, metric): value
            for method in ("ldae", "ldae_months")  # the paper's place is that of months
            for metric, value in (("ssim_w4_paper", "0.969 (6 months)"), ("mse_vs_ae", "0.0019 (6 months)"))
        },
    ),
    "manipulation": PaperTable(  # no number was published
        "manipulation/summary.tsv",
        (
            "ventricle_ml_change_plus_ad",
            "ventricle_ml_change_minus_ad",
            "ventricle_ml_change_plus_minus_ad",
            "ventricle_ml_change_cn_to_ad",
            "ventricle_ml_change_ad_to_cn",
            "ventricle_ml_change_truth_plus_ad",
            "ventricle_ml_change_error_truth_plus_ad",
            "ventricle_ml_change_calibrated_plus_ad",
            "ventricle_ml_change_calibrated_error_truth_plus_ad",
            "ventricle_ml_change_truth_minus_ad",
            "ventricle_ml_change_error_truth_minus_ad",
            "ventricle_ml_change_calibrated_minus_ad",
            "ventricle_ml_change_calibrated_error_truth_minus_ad",
            "ventricle_ml_spearman",
            "ventricle_ml_spearman_mean",
            "ventricle_ml_spearman_plus_ad",
            "ventricle_ml_spearman_minus_ad",
            "hippocampus_region_ml_change_plus_ad",
            "hippocampus_region_ml_change_minus_ad",
            "brain_ml_change_plus_ad",
            "brain_ml_change_minus_ad",
            "ssim_w11_outside_plus_ad",
            "ssim_w11_outside_minus_ad",
            "ssim_w11_outside_ae_gap_plus_ad",
            "ssim_w11_outside_ae_gap_minus_ad",
            "intensity_outside_change_plus_ad",
            "intensity_outside_change_minus_ad",
            "probability_reencoded_plus_ad",
            "probability_reencoded_minus_ad",
            "probability_reencoded_plus_minus_ad",
            "probability_reencoded_spearman",
        ),
    ),
}


def paper_table(name: str, evaluate: Path) -> pd.DataFrame:
    """One row per method: for each metric ``value [low, high]``, and the paper's number if there is one.

    The numbers themselves stand in the study's ``summary.tsv``.
    """
    plan = TABLES[name]
    estimates = read_tsv(evaluate / plan.source)
    rows = []
    for method, group in estimates.groupby("method", sort=False):
        lines = group.set_index("metric")
        lines = lines.loc[[metric for metric in plan.metrics if metric in lines.index]]
        subjects, cells = estimate_cells(lines)
        row: dict[str, object] = {"method": method, "subjects": subjects, "n_training_seeds": TRAINING_SEEDS} | cells
        known = {metric: plan.published[method, metric] for metric in cells if (method, metric) in plan.published}
        row |= {f"{metric}_published": text for metric, text in known.items()}
        rows.append(row | {"note": FEW_NOTE if (lines["note"] == FEW_NOTE).any() else ""})
    table = pd.DataFrame(rows)
    shown = [f"{metric}{suffix}" for metric in plan.metrics for suffix in ("", "_published")]
    order = ["method", "subjects", "n_training_seeds", *shown, "note"]
    return table[[column for column in order if column in table]]


def estimate_cells(lines: pd.DataFrame) -> tuple[int, dict[str, str]]:
    """How many subjects the numbers of a row rest on, and the cells; a cell that rests on fewer says on how many.

    Args:
        lines: the estimates that are shown in one row, by metric. Those without a value rest on nobody.
    """
    subjects = row_subjects(lines)
    return subjects, {str(metric): format_estimate(line, subjects) for metric, line in lines.iterrows()}


def row_subjects(lines: pd.DataFrame) -> int:
    """The largest number of subjects that any of these estimates rests on; 0 where none has a value."""
    counts = lines.loc[lines["value"].notna(), "n_subjects"]
    return int(counts.max()) if len(counts) else 0


def format_estimate(line: pd.Series, subjects: int | None = None) -> str:
    """``0.873 [0.861, 0.884]``, or ``n/a (reason)``; two decimals from 10 on, four significant digits below 0.01.

    Args:
        subjects: the number that stands beside it; an estimate of other subjects ends with its own, ``(n = 23)``.
    """
    note = line["note"] if isinstance(line["note"], str) else None
    if pd.isna(line["value"]):
        return f"n/a ({note})" if note else "n/a"
    text = _number(line["value"])
    if not pd.isna(line["low"]):
        text += f" [{_number(line['low'])}, {_number(line['high'])}]"
    if subjects is not None and int(line["n_subjects"]) != subjects:
        text += f" (n = {int(line['n_subjects'])})"
    return text if note in (None, FEW_NOTE) else f"{text} ({note})"


def _number(value: float) -> str:
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.4g}"
