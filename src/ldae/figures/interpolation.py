"""Figure 8: how well each method predicts a scan between two visits, overall and against the time between them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.figures.estimates import METRIC_LABELS, forest, rows_of, why_missing
from ldae.figures.methods import INTERPOLATION, present
from ldae.figures.style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.files import read_tsv


@house_style()
def figure_8_interpolation(summary: str | Path, by_gap: str | Path, stem: str | Path) -> None:
    """Structural similarity by method with intervals, and similarity and error against the months between the visits.

    Args:
        summary: ``evaluate/interpolation/summary.tsv``.
        by_gap: ``evaluate/interpolation/by_gap.tsv`` (the same columns and gap_months).
        stem: output path without suffix.
    """
    overall, gaps = read_tsv(summary), read_tsv(by_gap)
    if rows_of(overall, "ssim_w11_brain").empty:
        empty_figure(stem, why_missing(overall, "ssim_w11_brain"))
        return
    figure = new_figure(FULL_WIDTH_MM, 128)
    upper, lower = figure.add_gridspec(2, 1, height_ratios=[1, 1.1])
    left, right = (figure.add_subplot(place) for place in upper.subgridspec(1, 2))
    methods = present(INTERPOLATION, overall["method"])
    forest(left, overall, "ssim_w11_brain", methods)
    forest(right, overall, "ssim_w4_paper", methods, names=False)
    panels = [figure.add_subplot(place) for place in lower.subgridspec(1, 2)]
    for axes, metric in zip(panels, ("ssim_w11_brain", "mse"), strict=True):
        _draw_gaps(axes, gaps, metric)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    letter_panels([left, right, *panels])
    save_figure(figure, stem, gaps)


def _draw_gaps(axes: Axes, gaps: pd.DataFrame, metric: str) -> None:
    """Lines over the exact gaps, each point with its interval; methods stand side by side to keep intervals apart."""
    table = rows_of(gaps, metric)
    if table.empty:
        say_why_empty(axes, why_missing(gaps, metric))
        return
    months = np.sort(table["gap_months"].unique())
    spacing = np.diff(months).min() if len(months) > 1 else 12.0
    methods = present(INTERPOLATION, table["method"])
    for place, (name, method) in enumerate(methods.items()):
        curve = table[table["method"] == name].sort_values("gap_months")
        x = curve["gap_months"] + (place - (len(methods) - 1) / 2) * 0.07 * spacing
        errors = np.stack([curve["value"] - curve["low"], curve["high"] - curve["value"]]).astype(float)
        errors = np.clip(np.nan_to_num(errors), 0, None)
        axes.errorbar(
            x,
            curve["value"],
            errors,
            color=method.colour,
            marker=method.marker,
            linestyle=method.dash,
            elinewidth=0.9,
            capsize=0,
            markersize=4,
            label=method.label,
        )
    axes.set_xticks(months if len(months) <= 8 else months[:: len(months) // 6])
    axes.set_xlim(months[0] - 0.6 * spacing, months[-1] + 0.6 * spacing)
    axes.set_xlabel("months between the two known visits")
    axes.set_ylabel(METRIC_LABELS[metric])
    axes.grid(axis="y")
