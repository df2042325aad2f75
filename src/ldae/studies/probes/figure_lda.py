"""Figure 5: the semantic codes on the axes of a linear discriminant analysis."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.core.keys import KEY_TYPES
from ldae.studies.common.figure_style import (
    DIAGNOSES,
    DIAGNOSIS_COLOURS,
    DIAGNOSIS_MARKERS,
    FULL_WIDTH_MM,
    INK,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)

TWO = ("CN", "AD")
MANY = 3000  # points; more are drawn as a picture inside the SVG


@house_style()
def figure_5_lda(lda: str | Path, stem: str | Path) -> None:
    """Train-fitted discriminant axes: every scan as a point (test scans outlined), and the densities of AD and CN on
    the axis that tells these two apart.

    Args:
        lda: ``evaluate/probes/lda.tsv`` (participant_id, session_id, diagnosis, split, axis_1, axis_2, axis_ad_cn).
        stem: output path without suffix.
    """
    table = read_tsv(lda, dtype=KEY_TYPES)
    table = table[table["diagnosis"].isin(DIAGNOSES) & np.isfinite(table["axis_1"].astype(float))]
    if table.empty:
        empty_figure(stem, "No discriminant analysis: it needs training scans of at least two diagnoses.")
        return
    figure = new_figure(FULL_WIDTH_MM, 84)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1])
    cloud = figure.add_subplot(grid[:, 0])
    _draw_cloud(cloud, table)
    handles, labels = cloud.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=3,
        title="outlined: test; faint: training and validation",
        alignment="left",
        title_fontsize=7,
        columnspacing=1.5,
        handletextpad=0.2,
    )
    upper = figure.add_subplot(grid[0, 1])
    lower = figure.add_subplot(grid[1, 1], sharex=upper)
    fitted = table["split"] == "train"
    _draw_density(upper, table[fitted], "Training subjects (axis fitted here)")
    _draw_density(lower, table[table["split"] == "test"], "Test subjects")
    lower.set_xlabel("discriminant axis of AD against CN")
    upper.tick_params(labelbottom=False)
    letter_panels([cloud, upper, lower])
    save_figure(figure, stem, table)


def _draw_cloud(axes: Axes, table: pd.DataFrame) -> None:
    if not np.isfinite(table["axis_2"].astype(float)).any():
        say_why_empty(axes, "One discriminant axis only: the training scans are of two diagnoses.")
        return
    test = table["split"] == "test"
    for diagnosis in DIAGNOSES:
        colour, marker = DIAGNOSIS_COLOURS[diagnosis], DIAGNOSIS_MARKERS[diagnosis]
        group = table[(table["diagnosis"] == diagnosis) & ~test]
        axes.scatter(
            group["axis_1"],
            group["axis_2"],
            s=11,
            marker=marker,
            color=colour,
            alpha=0.28,
            linewidths=0,
            rasterized=len(table) > MANY,
        )
    for diagnosis in DIAGNOSES:
        colour, marker = DIAGNOSIS_COLOURS[diagnosis], DIAGNOSIS_MARKERS[diagnosis]
        group = table[(table["diagnosis"] == diagnosis) & test]
        axes.scatter(
            group["axis_1"],
            group["axis_2"],
            s=26,
            marker=marker,
            color=colour,
            edgecolors=INK,
            linewidths=0.7,
            label=f"{diagnosis}: {group['participant_id'].nunique()} test subjects, {len(group)} scans",
        )
    axes.set_xlabel("discriminant axis 1")
    axes.set_ylabel("discriminant axis 2")


def _draw_density(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """Gaussian kernel density (Scott's bandwidth) of each diagnosis with 4 scans or more; each scan is a tick below."""
    from scipy.stats import gaussian_kde

    axes.set_title(title, fontsize=7.5)
    table = table[table["diagnosis"].isin(TWO) & np.isfinite(table["axis_ad_cn"].astype(float))]
    if table.empty:
        say_why_empty(axes, "no scan of AD or CN, or one of them is missing in training")
        return
    values = table["axis_ad_cn"].astype(float)
    margin = 0.15 * max(np.ptp(values), 1e-3)
    places = np.linspace(values.min() - margin, values.max() + margin, 200)
    top = 0.0
    for diagnosis in TWO:
        group = values[table["diagnosis"] == diagnosis]
        colour = DIAGNOSIS_COLOURS[diagnosis]
        if len(group) >= 4 and np.ptp(group) > 1e-6:
            density = gaussian_kde(group)(places)
            axes.plot(places, density, color=colour)
            axes.fill_between(places, density, color=colour, alpha=0.15, linewidth=0)
            top = max(top, density.max())
    for place, diagnosis in enumerate(TWO):
        axes.text(
            0.99,
            0.97 - 0.13 * place,
            diagnosis,
            transform=axes.transAxes,
            ha="right",
            va="top",
            color=DIAGNOSIS_COLOURS[diagnosis],
            fontweight="bold",
        )
    _draw_ticks(axes, table, top or 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _draw_ticks(axes: Axes, table: pd.DataFrame, top: float) -> None:
    for level, diagnosis in enumerate(TWO, start=1):
        group = table.loc[table["diagnosis"] == diagnosis, "axis_ad_cn"].astype(float)
        axes.plot(
            group,
            np.full(len(group), -0.07 * level * top),
            "|",
            color=DIAGNOSIS_COLOURS[diagnosis],
            markersize=4,
            markeredgewidth=0.8,
            rasterized=len(table) > MANY,
        )
    axes.set_ylim(-0.22 * top, 1.2 * top)
