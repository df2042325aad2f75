"""Figure: quality of reconstructions against the number of network calls, by method and solver."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from matplotlib.typing import LineStyleType

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import METRIC_LABELS, line_with_intervals, rows_of, subjects_line, why_missing
from ldae.studies.common.figure_style import (
    FAINT,
    FULL_WIDTH_MM,
    MUTED,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
)
from ldae.studies.common.method_styles import RECONSTRUCTION, Method, present

MEASURES = ("ssim_w11_brain", "ssim_w3_paper", "psnr", "x_T_std")
SOLVERS: dict[str, tuple[str, LineStyleType, bool]] = {
    "ddim": ("DDIM", "-", True),
    "dpmpp_2m": ("DPM-Solver++(2M)", (0, (2, 1.5)), False),
}


@house_style()
def figure_solvers(summary: str | Path, stem: str | Path) -> None:
    """Similarity, signal-to-noise ratio and spread of x_T against network calls in each direction, with intervals.

    Args:
        summary: ``evaluate/solvers/summary.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(summary)
    if rows_of(table, MEASURES[0]).empty:
        empty_figure(stem, why_missing(table, MEASURES[0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 140)
    panels = figure.subplots(2, 2).ravel()
    methods = present(RECONSTRUCTION, table["method"])
    for axes, metric in zip(panels, MEASURES, strict=True):
        _draw(axes, table, metric, methods)
    figure.legend(handles=_legend(methods, table), loc="outside lower center", ncols=3)
    letter_panels(list(panels))
    save_figure(figure, stem, table[table["metric"].isin(MEASURES)])


def _draw(axes: Axes, table: pd.DataFrame, metric: str, methods: dict[str, Method]) -> None:
    """One metric: a line per method and solver. x_T of noise is noise, so its spread is not drawn."""
    found = rows_of(table, metric)
    if metric == "x_T_std":
        found = found[~found["method"].str.endswith("_noise")]
        axes.axhline(1, color=FAINT, linewidth=1.2)
    steps = sorted(table["steps"].unique())
    for place, (name, method) in enumerate(methods.items()):
        for solver, (_, dash, filled) in SOLVERS.items():
            line = found[(found["method"] == name) & (found["solver"] == solver)].sort_values("steps")
            if line.empty:
                continue
            beside = 1.015 ** (place - len(methods) / 2)  # so that equal values do not hide each other
            style = {"color": method.colour, "marker": method.marker, "linestyle": dash}
            face = None if filled else "white"
            line_with_intervals(axes, line["steps"] * beside, line, markerfacecolor=face, **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.set_xlim(min(steps) / 1.25, max(steps) * 1.25)
    axes.set_xlabel("network calls in each direction" + subjects_line(found[found["method"].isin(methods)], metric))
    axes.set_ylabel(METRIC_LABELS[metric].replace(" (", "\n("))
    axes.grid(axis="y", color=FAINT)


def _legend(methods: dict[str, Method], table: pd.DataFrame) -> list[Line2D]:
    """Colour and marker say the method, fill and dash the solver."""
    handles = [Line2D([], [], color=m.colour, marker=m.marker, linestyle="", label=m.label) for m in methods.values()]
    found = set(table["solver"])
    for solver, (words, dash, filled) in SOLVERS.items():
        if solver in found:
            face = None if filled else "white"
            handles.append(Line2D([], [], color=MUTED, marker="o", linestyle=dash, markerfacecolor=face, label=words))
    return handles
