"""Figure: the place of every code among all, over the tasks and in each of them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.arena.record import COMPETITORS
from ldae.studies.common.estimate_panels import draw_interval, few_mark, rows_of, why_missing
from ldae.studies.common.figure_style import (
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
from ldae.studies.common.method_styles import Method, present

PANELS = (("cv", "Cross-validated"), ("test", "Test subjects"))
TASK_LABELS = {
    "auc_ad": "AD against CN",
    "auc_smci_pmci": "stable against progressive MCI",
    "age_mae": "age",
    "auc_sex": "sex",
    "mmse_mae": "MMSE",
}
MARKS = "ov^sD<>pPXdh"


@house_style()
def figure_arena(ranks: str | Path, stem: str | Path) -> None:
    """Mean rank of every code with its interval, and its rank in each task.

    Args:
        ranks: ``evaluate/arena/ranks.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(ranks)
    if all(rows_of(table, f"rank_mean_{protocol}").empty for protocol, _ in PANELS):
        empty_figure(stem, why_missing(table, "rank_mean_cv"))
        return
    tasks = list(dict.fromkeys(_task(metric) for metric in table["metric"]))
    marks = {task: MARKS[place % len(MARKS)] for place, task in enumerate(task for task in tasks if task != "mean")}
    methods = in_order(table)
    figure = new_figure(FULL_WIDTH_MM, 34 + 5 * len(methods))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (protocol, title) in zip(panels, PANELS, strict=True):
        _draw(axes, table, protocol, methods, marks)
        axes.set_title(title)
    panels[0].set_yticks(range(len(methods)), [method.label for method in methods.values()])
    panels[0].set_ylim(len(methods) - 0.4, -0.6)
    handles = {
        TASK_LABELS.get(task, task.removeprefix("auc_").removesuffix("_mae").replace("_", " ")): panels[0].plot(
            [], [], mark, color=MUTED, markersize=3.5, markerfacecolor="none"
        )[0]
        for task, mark in marks.items()
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


def in_order(table: pd.DataFrame) -> dict[str, Method]:
    """Codes from the best mean rank of the cross-validation (else of the test) to the worst, those without one last."""
    known = present(COMPETITORS, table["method"])
    for protocol, _ in PANELS:
        found = rows_of(table, f"rank_mean_{protocol}").set_index("method")["value"]
        if len(found):
            return dict(sorted(known.items(), key=lambda item: float(found.get(item[0], np.inf))))
    return known


def _task(metric: str) -> str:
    return metric.removeprefix("rank_").rsplit("_", 1)[0]


def _draw(axes: Axes, table: pd.DataFrame, protocol: str, methods: dict[str, Method], marks: dict[str, str]) -> None:
    means = rows_of(table, f"rank_mean_{protocol}").set_index("method")
    if means.empty:
        say_why_empty(axes, why_missing(table, f"rank_mean_{protocol}"))
        return
    for place, (name, method) in enumerate(methods.items()):
        for task, mark in marks.items():
            own = table[(table["method"] == name) & (table["metric"] == f"rank_{task}_{protocol}")]
            axes.plot(
                own["value"], [place] * len(own), mark, color=method.colour, markersize=3.5, markerfacecolor="none"
            )
        if name in means.index:
            row = means.loc[name]
            draw_interval(axes, float(row["value"]), place, row["low"], row["high"], method)
            axes.annotate(
                f"{row['value']:.1f}",
                (1.03, place),
                xycoords=("axes fraction", "data"),
                va="center",
                color=INK,
                fontsize=6.5,
            )
    axes.set_xlim(0.3, len(methods) + 0.7)
    axes.grid(axis="x", color=FAINT)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    few = few_mark(means)
    axes.set_xlabel("rank (1 is the best)" + (f"{few} subjects" if few else ""))
