"""Figure 7: the ventricles' response to the dose, the probability of AD a scan's code is moved to."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.figures.estimates import format_estimate, rows_of, why_missing
from ldae.figures.methods import DIRECTIONS, OURS, present
from ldae.figures.style import (
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
from ldae.files import read_tsv

CHANGES = (
    ("ventricle_ml_change_plus_ad", "towards AD"),
    ("ventricle_ml_change_minus_ad", "away from AD"),
    ("ventricle_ml_change_plus_minus_ad", "AD end − CN end"),
)


@house_style()
def figure_7_dose_response(
    scans: str | Path, sweep: str | Path, summary: str | Path, stem: str | Path, reference: str | Path | None = None
) -> None:
    """Change of ventricle volume against the probability aimed at: by subject, medians with intervals, a fine sweep.

    Args:
        scans: ``evaluate/manipulation/scans.tsv``.
        sweep: ``evaluate/manipulation/sweep.tsv``.
        summary: ``evaluate/manipulation/summary.tsv``.
        stem: output path without suffix.
        reference: ``evaluate/reconstruction/scans.tsv``: the difference between AD and CN that the cohort really has.
    """
    table = read_tsv(scans, dtype={"participant_id": str, "session_id": str})
    fine = read_tsv(sweep, dtype={"participant_id": str, "session_id": str})
    estimates = read_tsv(summary)
    moved = table[(table["direction"] == "probe") & np.isfinite(table["ventricle_ml_change"].astype(float))]
    if moved.empty:
        empty_figure(stem, why_missing(estimates, "ventricle_ml_change_plus_ad"))
        return
    figure = new_figure(FULL_WIDTH_MM, 80)
    panels = figure.subplots(1, 3, width_ratios=[1.1, 1.15, 1])
    _draw_subjects(panels[0], moved, None if reference is None else _true_difference(reference))
    _draw_medians(panels[1], estimates)
    _draw_sweep(panels[2], fine)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


def _true_difference(path: str | Path) -> float:
    """Median ventricles (ml) of AD minus CN, one scan per subject; the truth where it is known, else as measured."""
    table = read_tsv(path)
    table = table[table["method"] == "ae"].drop_duplicates("participant_id")
    truth = table["truth_ventricle_ml"].astype(float)
    volumes = truth if np.isfinite(truth).any() else table["original_ventricle_ml"].astype(float)
    medians = volumes.groupby(table["diagnosis"]).median()
    return float(medians.get("AD", np.nan) - medians.get("CN", np.nan))


def _draw_subjects(axes: Axes, moved: pd.DataFrame, true_difference: float | None) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.7)
    for (_, _, diagnosis), curve in moved.groupby(["participant_id", "session_id", "diagnosis"], dropna=False):
        curve = curve.sort_values("target_probability")
        colour = DIAGNOSIS_COLOURS.get(diagnosis, MUTED)
        axes.plot(curve["target_probability"], curve["ventricle_ml_change"], color=colour, linewidth=0.7, alpha=0.45)
    for diagnosis in DIAGNOSES:
        group = moved[moved["diagnosis"] == diagnosis]
        if group.empty:
            continue
        medians = group.groupby("target_probability")["ventricle_ml_change"].median()
        axes.plot(
            medians.index,
            medians,
            color=DIAGNOSIS_COLOURS[diagnosis],
            linewidth=2.2,
            marker=DIAGNOSIS_MARKERS[diagnosis],
            label=f"{diagnosis} (n = {group['participant_id'].nunique()})",
        )
    axes.set_xticks(sorted(moved["target_probability"].unique()))
    axes.set_xlabel("probability of AD aimed at")
    axes.set_ylabel("change of ventricles (ml)")
    axes.set_title("By subject, and median")
    axes.legend(loc="upper left")
    if true_difference is not None and np.isfinite(true_difference):
        axes.text(
            0.98,
            0.02,
            f"AD − CN in the cohort:\n{true_difference:+.0f} ml",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=MUTED,
        )


def _draw_medians(axes: Axes, estimates: pd.DataFrame) -> None:
    """Medians over subjects with their intervals, along the probe and along random directions of the same length."""
    axes.axvline(0, color=MUTED, linewidth=0.7)
    drawn = False
    for place, (metric, _) in enumerate(CHANGES):
        rows = rows_of(estimates, metric).set_index("method")
        shown = present(DIRECTIONS, estimates["method"])
        for offset, (name, method) in zip(np.linspace(-0.25, 0.25, len(shown)), shown.items(), strict=True):
            if name not in rows.index:
                continue
            row = rows.loc[name]
            axes.plot([row["low"], row["high"]], [place + offset] * 2, color=method.colour, linewidth=1.8, alpha=0.75)
            axes.plot(
                row["value"], place + offset, method.marker, color=method.colour, label=None if drawn else method.label
            )
            axes.annotate(
                format_estimate(row["value"], row["low"], row["high"]),
                (row["value"], place + offset),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=5.8,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
            )
        drawn = drawn or not rows.empty
    if not drawn:
        say_why_empty(axes, why_missing(estimates, CHANGES[0][0]))
        return
    axes.set_yticks(range(len(CHANGES)), [words for _, words in CHANGES])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(CHANGES) + 0.1, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT)
    axes.set_xlabel("median change of ventricles (ml)")
    axes.set_title("Median and 95 % interval")
    axes.legend(loc="lower center", ncols=2, columnspacing=1, handlelength=1, handletextpad=0.3)


def _draw_sweep(axes: Axes, fine: pd.DataFrame) -> None:
    fine = fine[np.isfinite(fine["ventricle_ml"].astype(float))]
    if fine.empty:
        say_why_empty(axes, "No sweep in this run.")
        return
    for (participant, _, diagnosis), curve in fine.groupby(["participant_id", "session_id", "diagnosis"], dropna=False):
        curve = curve.sort_values("probability")
        axes.plot(
            curve["probability"],
            curve["ventricle_ml"],
            color=DIAGNOSIS_COLOURS.get(diagnosis, OURS),
            marker=DIAGNOSIS_MARKERS.get(diagnosis, "o"),
            label=f"{diagnosis}  {participant.removeprefix('sub-')}",
        )
    axes.set_xlabel("probability of AD aimed at")
    axes.set_ylabel("ventricles (ml)")
    axes.set_title("Fine sweep, two scans")
    axes.grid(axis="y")
    axes.legend(loc="best")
