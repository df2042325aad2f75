"""Figure 8: how well each method predicts a scan between two visits, overall, by time and by place between them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import forest, line_with_intervals, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.studies.common.method_styles import INTERPOLATION, present

GROUPINGS = (
    ("gap_months", "months between the two known visits"),
    ("prediction_gap_months", "months to the nearer visit"),
    ("position", "place between them (0 to 1)"),
)
SIMILARITY, AS_THE_PAPER, ERROR_AS_THE_PAPER = "ssim_w11_brain", "ssim_w4_paper", "mse_vs_ae"
VENTRICLES = ("ventricle_ml_error_truth_calibrated_by_kind", "ventricle_ml_error")  # the first that is known
SHORT_LABELS = {
    "ssim_w11_brain": "SSIM in the brain",
    "ventricle_ml_error_truth_calibrated_by_kind": "error of true ventricles (ml)",
    "ventricle_ml_error": "error of ventricles (ml)",
    "ssim_w4_paper": "SSIM as in the paper",
}
NOT_BY_GROUP = ("ldae_months",)  # all but on the line of ldae; the table has it


@house_style()
def figure_8_interpolation(summary: str | Path, by_group: str | Path, stem: str | Path) -> None:
    """Similarity to the scan, ventricle error and the paper's measure, by method with intervals; and each by the time
    between the visits and the place in it.

    Args:
        summary: ``evaluate/interpolation/summary.tsv``.
        by_group: ``evaluate/interpolation/by_group.tsv`` (the same columns, grouping and level).
        stem: output path without suffix.
    """
    overall, groups = read_tsv(summary), read_tsv(by_group)
    if rows_of(overall, SIMILARITY).empty:
        empty_figure(stem, why_missing(overall, SIMILARITY))
        return
    known = [name for name in VENTRICLES if not rows_of(overall, name).empty]
    measures = [SIMILARITY, (known or VENTRICLES)[0], AS_THE_PAPER]
    figure = new_figure(FULL_WIDTH_MM, 250)
    upper, lower = figure.add_gridspec(2, 1, height_ratios=[1.15, 1.9])
    heads = [figure.add_subplot(place) for place in upper.subgridspec(2, 2)]
    methods = present(INTERPOLATION, overall["method"])
    for place, (axes, metric) in enumerate(zip(heads, [*measures, ERROR_AS_THE_PAPER], strict=True)):
        forest(axes, overall, metric, methods, names=place % 2 == 0)
    grid = lower.subgridspec(3, 3)
    panels = [figure.add_subplot(grid[row, column]) for row in range(3) for column in range(3)]
    shown = groups[~groups["method"].isin(NOT_BY_GROUP)]
    for place, axes in enumerate(panels):
        grouping, label = GROUPINGS[place % 3]
        metric = measures[place // 3]
        _draw_groups(axes, shown[shown["grouping"] == grouping], metric, label if place >= 6 else "")
        axes.set_ylabel(SHORT_LABELS[metric] if place % 3 == 0 else "")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    letter_panels([*heads, *panels])
    save_figure(figure, stem, groups)


def _draw_groups(axes: Axes, groups: pd.DataFrame, metric: str, label: str) -> None:
    """Lines over the exact levels, each point with its interval; methods stand side by side to keep intervals apart."""
    table = rows_of(groups, metric)
    if table.empty:
        say_why_empty(axes, why_missing(groups, metric))
        return
    levels = np.sort(table["level"].unique())
    spacing = np.diff(levels).min() if len(levels) > 1 else 1.0
    methods = present(INTERPOLATION, table["method"])
    for place, (name, method) in enumerate(methods.items()):
        curve = table[table["method"] == name].sort_values("level")
        x = curve["level"] + (place - (len(methods) - 1) / 2) * 0.07 * spacing
        line_with_intervals(
            axes,
            x,
            curve,
            color=method.colour,
            marker=method.marker,
            linestyle=method.dash,
            markersize=4,
            label=method.label,
        )
    axes.set_xticks(levels if len(levels) <= 6 else levels[:: int(np.ceil(len(levels) / 5))])
    axes.set_xlim(levels[0] - 0.6 * spacing, levels[-1] + 0.6 * spacing)
    axes.set_xlabel(label)
    axes.grid(axis="y")
