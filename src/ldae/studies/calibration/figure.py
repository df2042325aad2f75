"""Figures: calibration and decision curves of several codes; the metrics of y_sem's probe in every group."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.inference.conformal import COVERAGE
from ldae.studies.calibration.names import AGE_COVERAGE, PROTOCOLS
from ldae.studies.calibration.record import TOLD
from ldae.studies.common.estimate_panels import (
    draw_interval,
    few_mark,
    line_with_intervals,
    rows_of,
    subjects_line,
    why_missing,
)
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
from ldae.studies.common.method_styles import PROBES, Method

OURS, LOWEST = "ldae", -0.1
GROUPINGS = {
    "sex": "Sex",
    "age": "Age",
    "field_strength": "Field strength",
    "study_phase": "Study phase",
    "site": "Site",
}
PANELS = {
    "auc_ad_cv": "AUC of AD",
    "sensitivity_ad_cv": "Sensitivity",
    "specificity_ad_cv": "Specificity",
    "age_mae_cv_cn": "Age error (y)",
    f"{AGE_COVERAGE}_cv": "Age held",
}
SITES = 8


@house_style()
def figure_calibration(curves: str | Path, decisions: str | Path, stem: str | Path) -> None:
    """Share of AD over the probability (top) and net benefit over the threshold (bottom).

    Args:
        curves, decisions: ``evaluate/calibration/curves.tsv`` and ``decisions.tsv``.
        stem: output path without suffix.
    """
    parts, worth = read_tsv(curves), read_tsv(decisions)
    if all(rows_of(parts, f"share_ad_{protocol}").empty for protocol in PROTOCOLS):
        empty_figure(stem, why_missing(parts, "share_ad_cv"))
        return
    figure = new_figure(FULL_WIDTH_MM, 142)
    panels = figure.subplots(2, 2)
    for column, (protocol, title) in enumerate(PROTOCOLS.items()):
        _draw_curves(panels[0, column], parts, protocol)
        _draw_worth(panels[1, column], worth, protocol)
        panels[0, column].set_title(f"Calibration, {title}")
        panels[1, column].set_title(f"Decisions, {title}")
    handles: dict[str, Artist] = {}
    for axes in panels.ravel():
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [method.label for method in TOLD.values() if method.label in handles]
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=5, handlelength=2.2)
    letter_panels(list(panels.ravel()))
    save_figure(figure, stem, pd.concat([parts, worth], ignore_index=True))


def _draw_curves(axes: Axes, parts: pd.DataFrame, protocol: str) -> None:
    seen = rows_of(parts, f"share_ad_{protocol}")
    if seen.empty:
        say_why_empty(axes, why_missing(parts, f"share_ad_{protocol}"))
        return
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
    said = rows_of(parts, f"probability_ad_{protocol}").set_index(["method", "part"])["value"]
    for name in TOLD:
        own = seen[seen["method"] == name].sort_values("part")
        if len(own):
            where = pd.Series([said.get((name, part), np.nan) for part in own["part"]], index=own.index)
            _line(axes, where, own, name)
    axes.set_xlabel("probability of AD")
    axes.set_ylabel("share of AD" + subjects_line(seen[seen["method"].isin(TOLD)], f"share_ad_{protocol}"))
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(color=FAINT)


def _draw_worth(axes: Axes, worth: pd.DataFrame, protocol: str) -> None:
    known = rows_of(worth, f"net_benefit_ad_{protocol}")
    if known.empty:
        say_why_empty(axes, why_missing(worth, f"net_benefit_ad_{protocol}"))
        return
    axes.axhline(0, color=MUTED, linewidth=0.8)
    for name in TOLD:
        own = known[known["method"] == name].sort_values("threshold")
        if len(own):
            _line(axes, own["threshold"], own, name)
    axes.set_ylim(LOWEST, None)
    axes.set_xlabel("threshold: called AD from this probability on")
    axes.set_ylabel("net benefit" + (f"\n{few_mark(known).lstrip(': ')}" if few_mark(known) else ""))
    axes.grid(color=FAINT)


def _line(axes: Axes, where: pd.Series, own: pd.DataFrame, name: str) -> None:
    """A curve of one code, with intervals where it is y_sem."""
    method = TOLD[name]
    style: dict[str, Any] = {"color": method.colour, "marker": method.marker, "linestyle": method.dash, "markersize": 4}
    if name == OURS:
        line_with_intervals(axes, where, own, label=method.label, zorder=3, **style)
    else:
        axes.plot(where, own["value"], label=method.label, linewidth=1.1, **style)


@house_style()
def figure_subgroups(subgroups: str | Path, stem: str | Path) -> None:
    """Metrics of the probe of y_sem in every group, cross-validated.

    Args:
        subgroups: ``evaluate/calibration/subgroups.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(subgroups)
    own = table[(table["method"] == OURS) & table["metric"].isin(PANELS)]
    groups = _groups(own[own["value"].notna()])
    if not groups:
        empty_figure(stem, why_missing(table, "auc_ad_cv"))
        return
    figure = new_figure(FULL_WIDTH_MM, 24 + 4.6 * len(groups))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
        rows = rows_of(own, metric)
        for place, (grouping, level) in enumerate(groups):
            found = rows[(rows["grouping"] == grouping) & (rows["level"] == level)]
            if level and len(found):
                line = found.iloc[0]
                draw_interval(axes, float(line["value"]), place, line["low"], line["high"], _marked(line))
        if metric.startswith(AGE_COVERAGE):
            axes.axvline(COVERAGE, color=MUTED, linewidth=0.8)
        _frame(axes, rows)
        axes.set_title(title)
        axes.grid(axis="x", color=FAINT)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_ylim(len(groups) - 0.4, -0.6)
    panels[0].set_yticks(range(len(groups)), [level or GROUPINGS[grouping] for grouping, level in groups])
    for (_, level), label in zip(groups, panels[0].get_yticklabels(), strict=True):
        label.set_fontweight("normal" if level else "bold")
        label.set_color(MUTED if level else INK)
    figure.supxlabel("grey dots: too few subjects, whose lines may go on beyond the frame", color=MUTED, fontsize=7)
    letter_panels(list(panels))
    save_figure(figure, stem, own)


def _frame(axes: Axes, rows: pd.DataFrame) -> None:
    """The axis spans every value, and the intervals of all that rest on enough subjects."""
    enough = rows[rows["note"].isna()]
    shown = np.concatenate([rows["value"], enough["low"].dropna(), enough["high"].dropna()]).astype(float)
    if len(enough) and np.ptp(shown):
        axes.set_xlim(shown.min() - 0.06 * np.ptp(shown), shown.max() + 0.06 * np.ptp(shown))


def _groups(known: pd.DataFrame) -> list[tuple[str, str]]:
    """Grouping and level of every line; a line without a level is the heading of a grouping."""
    lines = []
    for grouping in GROUPINGS:
        levels = list(dict.fromkeys(known.loc[known["grouping"] == grouping, "level"]))
        if grouping == "age":
            levels.sort(key=lambda level: ("young", "middl", "oldes").index(level[:5]))
        if grouping == "site":
            levels = sorted(levels)[:SITES]
        if levels:
            lines += [(grouping, ""), *((grouping, level) for level in levels)]
    return lines


def _marked(line: pd.Series) -> Method:
    few = isinstance(line["note"], str)
    return Method("", MUTED if few else PROBES[OURS].colour, "." if few else "o")
