"""Figure: who converts by the risk that y_sem says, whether that risk is right, and the concordance of every code."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import (
    few_mark,
    forest,
    line_with_intervals,
    rows_of,
    subjects_line,
    why_missing,
)
from ldae.studies.common.figure_style import (
    FAINT,
    FULL_WIDTH_MM,
    MUTED,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
    series_style,
)
from ldae.studies.common.method_styles import present
from ldae.studies.conversion.names import FREE, HORIZON, PROTOCOLS, SAID, SEEN, THIRDS, UNO
from ldae.studies.conversion.record import ROWS

APART = 0.5  # months between the marks of two thirds


@house_style()
def figure_conversion(summary: str | Path, thirds: str | Path, stem: str | Path) -> None:
    """Curves by thirds and their calibration (top), Uno's concordance of every feature set (bottom).

    Args:
        summary, thirds: ``evaluate/conversion/summary.tsv`` and ``thirds.tsv``.
        stem: output path without suffix.
    """
    estimates, parts = read_tsv(summary), read_tsv(thirds)
    shown = [protocol for protocol in PROTOCOLS if not rows_of(estimates, f"{UNO}_{protocol}").empty]
    if not shown:
        empty_figure(stem, why_missing(estimates, f"{UNO}_cv"))
        return
    figure = new_figure(FULL_WIDTH_MM, 150)
    grid = figure.add_gridspec(2, 2)
    panels = [figure.add_subplot(grid[row, column]) for row in range(2) for column in range(2)]
    words = PROTOCOLS[shown[0]]
    _draw_courses(panels[0], parts, shown[0])
    panels[0].set_title(f"Without AD, {words}")
    _draw_calibration(panels[1], parts, shown[0])
    panels[1].set_title(f"Calibration, {words}")
    drawn = [f"{UNO}_{protocol}" for protocol in PROTOCOLS]
    methods = present(ROWS, estimates["method"])
    for place, protocol in enumerate(PROTOCOLS):
        names = place == 0 or rows_of(estimates, drawn[0]).empty
        forest(panels[2 + place], estimates, drawn[place], methods, 0.5, names=names)
        panels[2 + place].set_title(f"Concordance, {PROTOCOLS[protocol]}")
    letter_panels(panels)
    told = parts[parts["metric"].str.endswith(f"_{shown[0]}")]
    save_figure(figure, stem, pd.concat([told, estimates[estimates["metric"].isin(drawn)]], ignore_index=True))


def _draw_courses(axes: Axes, parts: pd.DataFrame, protocol: str) -> None:
    curves = rows_of(parts, f"{FREE}_{protocol}")
    if curves.empty:
        say_why_empty(axes, why_missing(parts, f"{FREE}_{protocol}"))
        return
    for place, (part, style) in enumerate(series_style(THIRDS).items()):
        own = curves[curves["part"] == part].sort_values("month")
        look: dict[str, Any] = {name: value for name, value in style.items() if name != "marker"}
        axes.plot(own["month"], own["value"], drawstyle="steps-post", **look)
        yearly = own[(own["month"] > 0) & (own["month"] % 12 == 0)]
        marks = look | {"marker": style["marker"], "linestyle": "none", "markersize": 3.5}
        label = part.removesuffix(" third")
        line_with_intervals(axes, yearly["month"] + (place - 1) * APART, yearly, label=label, **marks)
    axes.set(xlim=(-1, HORIZON + 1), ylim=(-0.02, 1.04), xticks=range(0, HORIZON + 1, 12))
    axes.set_xlabel("months since the first scan with MCI")
    axes.set_ylabel("share without AD" + subjects_line(curves, f"{FREE}_{protocol}"))
    axes.legend(title="risk", loc="lower left")
    axes.grid(color=FAINT)


def _draw_calibration(axes: Axes, parts: pd.DataFrame, protocol: str) -> None:
    seen = rows_of(parts, f"{SEEN}_{protocol}")
    if seen.empty:
        say_why_empty(axes, why_missing(parts, f"{SEEN}_{protocol}"))
        return
    said = rows_of(parts, f"{SAID}_{protocol}").set_index("part")["value"]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
    known = seen[seen["part"].isin(said.index)]
    style = ROWS["ldae"]
    line_with_intervals(
        axes, said[known["part"]].set_axis(known.index), known, color=style.colour, marker=style.marker, markersize=4.5
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel("risk of AD within 36 months, mean of a third")
    axes.set_ylabel("share who converted" + (f"\n{few_mark(seen).lstrip(': ')}" if few_mark(seen) else ""))
    axes.grid(color=FAINT)
