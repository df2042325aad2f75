"""Figure: how well every method forecasts the next visit, from one and from two earlier ones."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import forest, line_with_intervals, rows_of, subjects_line, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.studies.common.method_styles import present
from ldae.studies.forecasting.names import (
    COPY,
    FUTURE_AD,
    FUTURE_MMSE,
    HIPPOCAMPUS,
    LATENT_COPY,
    LATENT_MEAN,
    MEAN_SLOPE,
    RIDGE,
    UNMOVED,
    VENTRICLES,
    VOLUME_RIDGE,
    VOXEL_MEAN,
)
from ldae.studies.forecasting.record import ROWS

PANELS = (
    ("mae_brain", "Picture", "mean absolute error in the brain"),
    (VENTRICLES, "Ventricles", "error of their change (ml)"),
    (HIPPOCAMPUS, "Hippocampal region", "error of its change (ml)"),
    (FUTURE_AD, "Next diagnosis", "AUC, AD against CN"),
    (FUTURE_MMSE, "Next MMSE", "mean absolute error (points)"),
)
GROUPINGS = (("gap_years", "years to the next visit"), ("diagnosis", "diagnosis at the last visit"))
IN_GROUPS = (RIDGE, MEAN_SLOPE, LATENT_MEAN, VOXEL_MEAN, VOLUME_RIDGE, COPY)
AS_COPIED = (LATENT_COPY, UNMOVED)  # no change, as the copy; the tables have them
CLASSES = ("CN", "MCI", "AD")


@house_style()
def figure_forecasting(one_visit: Path, two_visits: Path, by_group: Path, stem: Path) -> None:
    """Every method by five measures, from one visit (left) and from two (right); below by gap and by diagnosis.

    Args:
        one_visit, two_visits: ``evaluate/forecasting/one_visit.tsv``, ``two_visits.tsv``.
        by_group: ``evaluate/forecasting/by_group.tsv``.
        stem: output path without suffix.
    """
    tables = [read_tsv(path) for path in (one_visit, two_visits)]
    if rows_of(tables[0], PANELS[0][0]).empty:
        empty_figure(stem, why_missing(tables[0], PANELS[0][0]))
        return
    drawn = [metric for metric, *_ in PANELS]
    shown = [table[table["metric"].isin(drawn) & ~table["method"].isin(AS_COPIED)] for table in tables]
    figure = new_figure(FULL_WIDTH_MM, 350)
    grid = figure.add_gridspec(len(PANELS) + 1, 2)
    panels = []
    for row, (metric, title, label) in enumerate(PANELS):
        methods = present(ROWS, pd.concat([rows_of(table, metric)["method"] for table in shown]))
        for column, (table, words) in enumerate(zip(shown, ("one visit", "two visits"), strict=True)):
            axes = figure.add_subplot(grid[row, column])
            known = rows_of(table, metric)
            copied = known.loc[known["method"] == COPY, "value"]
            forest(
                axes,
                table,
                metric,
                methods,
                copied.iloc[0] if len(copied) else None,
                names=column == 0 or rows_of(shown[0], metric).empty,
            )
            axes.set_title(f"{title}, {words}")
            if not known.empty:
                axes.set_xlabel(label + subjects_line(table, metric))
            panels.append(axes)
    groups = read_tsv(by_group, dtype={"level": str})
    own = groups[(groups["visits_known"] == 1) & (groups["metric"] == VENTRICLES) & groups["method"].isin(IN_GROUPS)]
    for column, (grouping, label) in enumerate(GROUPINGS):
        axes = figure.add_subplot(grid[len(PANELS), column])
        _draw_groups(axes, own[own["grouping"] == grouping], label)
        panels.append(axes)
    handles, labels = panels[-1].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    letter_panels(panels)
    save_figure(figure, stem, pd.concat([table.assign(visits_known=known) for known, table in enumerate(shown, 1)]))


def _draw_groups(axes: Axes, table: pd.DataFrame, label: str) -> None:
    """Points with intervals over the levels in their order, the methods side by side."""
    known = rows_of(table, VENTRICLES)
    if known.empty:
        say_why_empty(axes, why_missing(table, VENTRICLES))
        return
    found = set(known["level"])
    levels = [name for name in CLASSES if name in found] or sorted(found, key=float)
    methods = present(ROWS, known["method"])
    for place, (name, method) in enumerate(methods.items()):
        curve = known[known["method"] == name].set_index("level").reindex(levels).dropna(subset=["value"])
        x = [levels.index(level) + (place - (len(methods) - 1) / 2) * 0.1 for level in curve.index]
        line_with_intervals(
            axes, pd.Series(x, index=curve.index), curve, color=method.colour, marker=method.marker, linestyle="none",
            markersize=4, label=method.label,
        )  # fmt: skip
    axes.set_xticks(range(len(levels)), levels)
    axes.set_xlabel(label)
    axes.set_ylabel("ventricles, error of\ntheir change (ml)")
    axes.grid(axis="y")
