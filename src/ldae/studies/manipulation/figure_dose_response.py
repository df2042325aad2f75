"""Figure 7: the anatomy's response to the dose, the probability of AD a scan's code is moved to."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.core.keys import KEY, KEY_TYPES
from ldae.studies.common.estimate_panels import (
    brief_estimate,
    count_words,
    few_mark,
    line_with_intervals,
    rows_of,
    why_missing,
)
from ldae.studies.common.figure_style import (
    DIAGNOSES,
    DIAGNOSIS_COLOURS,
    DIAGNOSIS_MARKERS,
    FAINT,
    FULL_WIDTH_MM,
    INK,
    MUTED,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.studies.common.method_styles import DIRECTIONS, OURS, present

CHANGES = (("plus_ad", "towards AD"), ("minus_ad", "away from AD"), ("plus_minus_ad", "AD end − CN end"))
WORDS = {"ventricle_ml_change_mapped": ", mapped", "ventricle_ml_change": ", raw"}
AIMED_AT = "probability of AD aimed at"
RAW, MAPPED = "ventricle_ml_change", "ventricle_ml_change_mapped"
FURTHER = (  # beside the curve by diagnosis: measure, dash, label
    (RAW, (0, (1, 1.5)), "all, raw"),
    ("ventricle_ml_change_calibrated", "-", "all, calibrated"),
    ("ventricle_ml_change_truth", (0, (2, 1.5)), "true counterfactual"),
)


@house_style()
def figure_7_dose_response(scans: str | Path, doses: str | Path, summary: str | Path, stem: str | Path) -> None:
    """Ventricles, hippocampal region, the probe's second opinion, the paper's fixed steps, controls, and what changed
    elsewhere, each with intervals over subjects.

    Args:
        scans: ``evaluate/manipulation/scans.tsv``.
        doses: ``evaluate/manipulation/doses.tsv``.
        summary: ``evaluate/manipulation/summary.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(scans, dtype=KEY_TYPES)
    curves, estimates = read_tsv(doses), read_tsv(summary)
    moved = table[(table["direction"] == "probe") & np.isfinite(table["ventricle_ml_change"].astype(float))]
    calibrated = moved[moved["calibration"] == "probability"]
    if calibrated.empty:
        empty_figure(stem, why_missing(estimates, "ventricle_ml_change_plus_ad"))
        return
    figure = new_figure(FULL_WIDTH_MM, 158)
    panels = figure.subplots(2, 3).ravel()
    probe = curves[(curves["direction"] == "probe") & (curves["calibration"] == "probability")]
    scale = MAPPED if calibrated[MAPPED].notna().any() else RAW
    _draw_subjects(panels[0], calibrated, probe, scale)
    _draw_curve(panels[1], probe, "hippocampus_region_ml_change", "Hippocampal region", "change of tissue (ml)")
    _draw_followed(panels[2], probe)
    _draw_medians(panels[3], estimates, scale)
    _draw_fixed(panels[4], curves[(curves["direction"] == "probe") & (curves["calibration"] == "alpha")], scale)
    _draw_elsewhere(panels[5], curves[curves["calibration"] == "probability"])
    letter_panels(list(panels))
    save_figure(figure, stem, curves)


def _draw_subjects(axes: Axes, moved: pd.DataFrame, probe: pd.DataFrame, scale: str) -> None:
    """Every subject as a thin line, medians with intervals; the median as measured, and where the truth is known, the
    one in true ml and the true counterfactual.

    Args:
        scale: the change that is drawn: mapped to the scale of scans, or as measured where there is no map.
    """
    for (_, _, diagnosis), curve in moved.groupby([*KEY, "diagnosis"], dropna=False):
        curve = curve.sort_values("target_probability")
        colour = DIAGNOSIS_COLOURS.get(diagnosis, MUTED)
        axes.plot(curve["target_probability"], curve[scale], color=colour, linewidth=0.6, alpha=0.35)
    _draw_curve(axes, probe, scale, "Ventricles", f"change{WORDS[scale]} (ml)")
    for measure, style, label in FURTHER:
        if measure == scale:
            continue
        curve = _curve(probe, measure, "all")
        if len(curve):
            axes.plot(curve["dose"], curve["value"], color=INK, linestyle=style, label=label)
    axes.legend(loc="best")


def _draw_curve(axes: Axes, probe: pd.DataFrame, measure: str, title: str, label: str) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.7)
    for diagnosis in DIAGNOSES:
        curve = _curve(probe, measure, diagnosis)
        if curve.empty:
            continue
        line_with_intervals(
            axes,
            curve["dose"],
            curve,
            color=DIAGNOSIS_COLOURS[diagnosis],
            marker=DIAGNOSIS_MARKERS[diagnosis],
            linewidth=1.8,
            label=f"{diagnosis} (n = {count_words(curve['n_subjects'])}{few_mark(curve)})",
        )
    axes.set_xlabel(AIMED_AT)
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="best")


def _draw_followed(axes: Axes, probe: pd.DataFrame) -> None:
    """What the probe says of the decoded volume, encoded again, against what was aimed at."""
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.7, linestyle=(0, (2, 2)))
    _draw_curve(axes, probe, "probability_reencoded", "Encoded again", "probability of AD of the output")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)


def _draw_medians(axes: Axes, estimates: pd.DataFrame, scale: str) -> None:
    """Medians over subjects with their intervals, along the probe and along the controls."""
    axes.axvline(0, color=MUTED, linewidth=0.7)
    drawn = False
    for place, (end, _) in enumerate(CHANGES):
        rows = rows_of(estimates, f"{scale}_{end}").set_index("method")
        shown = present(DIRECTIONS, estimates["method"])
        for offset, (name, method) in zip(np.linspace(-0.28, 0.28, len(shown)), shown.items(), strict=True):
            if name not in rows.index:
                continue
            row = rows.loc[name]
            label = None if drawn else method.label
            axes.plot([row["low"], row["high"]], [place + offset] * 2, color=method.colour, linewidth=1.8, alpha=0.75)
            axes.plot(row["value"], place + offset, method.marker, color=method.colour, label=label)
            if len(shown) <= 2:
                _print_estimate(axes, row, place + offset)
        drawn = drawn or not rows.empty
    if not drawn:
        say_why_empty(axes, why_missing(estimates, f"{scale}_{CHANGES[0][0]}"))
        return
    axes.set_yticks(range(len(CHANGES)), [words for _, words in CHANGES])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(CHANGES) + 0.35, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT)
    axes.set_xlabel(f"median change of ventricles{WORDS[scale]} (ml)")
    axes.set_title("Probe and controls")
    axes.legend(loc="lower center", ncols=1, handlelength=1, handletextpad=0.3, labelspacing=0.2)


def _print_estimate(axes: Axes, row: pd.Series, place: float) -> None:
    axes.annotate(
        brief_estimate(row["value"], row["low"], row["high"]),
        (row["value"], place),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=5.8,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
    )


def _draw_fixed(axes: Axes, curves: pd.DataFrame, scale: str) -> None:
    """The paper's fixed steps: scans with AD towards CN, the others towards AD."""
    if curves.empty:
        say_why_empty(axes, "No fixed steps in this run (evaluation.alphas).")
        return
    _draw_curve(axes, curves, scale, "The paper's fixed steps", f"change of ventricles{WORDS[scale]} (ml)")
    axes.set_xlabel("α (negative: towards CN)")


def _draw_elsewhere(axes: Axes, curves: pd.DataFrame) -> None:
    """Similarity to the scan outside both regions, against the autoencoder's."""
    measure, drawn = "ssim_w11_outside_ae_gap", False
    for name, method in present(DIRECTIONS, curves["direction"]).items():
        curve = _curve(curves[curves["direction"] == name], measure, "all")
        if len(curve):
            drawn = True
            style = {"color": method.colour, "marker": method.marker, "linestyle": method.dash}
            line_with_intervals(axes, curve["dose"], curve, **style)
    if not drawn:
        say_why_empty(axes, "SSIM outside the regions:\nnot computed in this run")
        return
    axes.axhline(0.05, color=OURS, linewidth=0.7, linestyle=(0, (2, 2)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(AIMED_AT)
    axes.set_ylabel("|SSIM − autoencoder's SSIM|")
    axes.set_title("Outside both regions")


def _curve(curves: pd.DataFrame, measure: str, group: str) -> pd.DataFrame:
    """The points of one curve that have a value, by dose."""
    chosen = curves[(curves["measure"] == measure) & (curves["group"] == group)]
    return chosen[np.isfinite(chosen["value"].astype(float))].sort_values("dose")
