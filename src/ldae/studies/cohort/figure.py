"""Figure: the cohort. Flow of scans, visits and diagnoses of the subjects, ages and splits.

And the mosaic of quality control that preprocessing drew, placed among the figures.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from ldae.core.files import atomic_path, read_tsv, write_tsv
from ldae.core.keys import KEY, KEY_TYPES
from ldae.studies.cohort.flow_chart import draw_flow
from ldae.studies.common.figure_style import (
    DIAGNOSES,
    DIAGNOSIS_COLOURS,
    DIAGNOSIS_MARKERS,
    FAINT,
    FULL_WIDTH_MM,
    MUTED,
    PNG_DPI,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
)
from ldae.studies.common.lean_svg import lean

MAX_SUBJECTS = 160
OTHER = "#a9b1ba"


@house_style()
def figure_cohort(flow: str | Path, scans: str | Path, splits: str | Path, stem: str | Path) -> None:
    """How scans entered the cohort, every subject's visits with the diagnosis at each, ages at scan, and the splits.

    Args:
        flow: table with stage, count, reason (see :func:`ldae.studies.cohort.flow_chart.read_boxes`).
        scans: manifest/scans.tsv; splits: manifest/splits.tsv.
        stem: output path without suffix.
    """
    table = read_tsv(scans, dtype=KEY_TYPES)
    table = table[table["status"] == "included"]
    if table.empty:
        empty_figure(stem, "No scan was included; the reasons stand in manifest/exclusions.tsv.")
        return
    members = read_tsv(splits, dtype=str)
    figure = new_figure(FULL_WIDTH_MM, 122)
    whole = figure.add_gridspec(1, 2, width_ratios=[1.05, 1])
    left, right = whole[0], whole[1]
    beside = right.subgridspec(2, 1, height_ratios=[1.55, 1])
    upper, lower = beside[0], beside[1]
    panel, visits = figure.add_subplot(left), figure.add_subplot(upper)
    pair = lower.subgridspec(1, 2, width_ratios=[1.3, 1])
    ages, sets = (figure.add_subplot(pair[place]) for place in range(2))
    draw_flow(panel, read_tsv(flow))
    _draw_timeline(visits, table)
    _draw_ages(ages, table)
    _draw_splits(sets, table, members)
    letter_panels([panel, visits, ages, sets])
    save_figure(figure, stem, table[[*KEY, "months", "age", "diagnosis"]], on_test_scans=False)


def _draw_timeline(axes: Axes, table: pd.DataFrame) -> None:
    """One row per subject, sorted by first diagnosis and follow-up; a large cohort is thinned evenly."""
    order = _ordered_subjects(table)
    shown = order[:: int(np.ceil(len(order) / MAX_SUBJECTS))]
    place = {participant: row for row, participant in enumerate(shown)}
    drawn = table[table["participant_id"].isin(place)]
    rows = drawn["participant_id"].map(place)
    spans = drawn.assign(row=rows).groupby("row")["months"].agg(["min", "max"])
    axes.hlines(spans.index, spans["min"], spans["max"], color=FAINT, linewidth=0.5)
    size = float(np.clip(700 / max(len(shown), 1), 3, 22))
    for diagnosis in (*DIAGNOSES, None):
        mask = _has(drawn, diagnosis)
        if mask.any():
            axes.scatter(
                drawn.loc[mask, "months"],
                rows[mask],
                s=size,
                linewidths=0,
                color=DIAGNOSIS_COLOURS.get(str(diagnosis), OTHER),
                marker=DIAGNOSIS_MARKERS.get(str(diagnosis), "o"),
                label=diagnosis or "unknown",
            )
    axes.set_ylim(len(shown) - 0.2, -0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    months = np.sort(drawn["months"].dropna().unique())
    last = months.max() if len(months) else 0
    axes.set_xticks(np.arange(0, last + 1, 12 if last <= 72 else 24))
    axes.set_xlabel("months since baseline")
    every = "every" if len(shown) == len(order) else f"{len(shown)} of"
    axes.set_ylabel(f"{every} {len(order)} subjects" if every != "every" else f"all {len(order)} subjects")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, markerscale=1.4, handletextpad=0.2)


def _ordered_subjects(table: pd.DataFrame) -> list[str]:
    rank = {diagnosis: place for place, diagnosis in enumerate(DIAGNOSES)}
    ordered = table.sort_values(["participant_id", "months"])
    ordered = ordered.assign(rank=ordered["diagnosis"].map(rank).fillna(len(rank)))
    subjects = ordered.groupby("participant_id").agg(
        first=("rank", "first"), last=("rank", "last"), visits=("months", "size"), end=("months", "max")
    )
    subjects = subjects.reset_index().sort_values(["first", "last", "visits", "end", "participant_id"])
    return list(subjects["participant_id"])


def _has(table: pd.DataFrame, diagnosis: str | None) -> pd.Series:
    """Rows of a diagnosis; None: of no diagnosis that is drawn."""
    return table["diagnosis"] == diagnosis if diagnosis else ~table["diagnosis"].isin(DIAGNOSES)


def _draw_ages(axes: Axes, table: pd.DataFrame) -> None:
    known = table[np.isfinite(table["age"].astype(float))]
    if known.empty:
        axes.text(0.5, 0.5, "ages unknown", transform=axes.transAxes, ha="center", color=MUTED)
        return
    edges = np.arange(np.floor(known["age"].min() / 5) * 5, np.ceil(known["age"].max() / 5) * 5 + 6, 5)
    for diagnosis in (*DIAGNOSES, None):
        ages = known.loc[_has(known, diagnosis), "age"]
        if len(ages):
            colour = DIAGNOSIS_COLOURS.get(str(diagnosis), OTHER)
            axes.hist(ages, edges.tolist(), histtype="stepfilled", color=colour, alpha=0.13)
            axes.hist(ages, edges.tolist(), histtype="step", color=colour, linewidth=1.4)
    axes.set_xlabel("age at scan (years)")
    axes.set_ylabel("scans")


def _draw_splits(axes: Axes, table: pd.DataFrame, members: pd.DataFrame) -> None:
    """Subjects of each split by their last diagnosis."""
    last = table.sort_values(["participant_id", "months"]).groupby("participant_id")["diagnosis"].last()
    subjects = members.set_index("participant_id")["split"].to_frame().join(last, how="inner")
    names = [name for name in ("train", "validation", "test") if (subjects["split"] == name).any()]
    start = np.zeros(len(names))
    for diagnosis in (*DIAGNOSES, None):
        group = subjects[_has(subjects, diagnosis)]
        counts = np.array([(group["split"] == name).sum() for name in names])
        axes.barh(
            range(len(names)), counts, left=start, height=0.62, color=DIAGNOSIS_COLOURS.get(str(diagnosis), OTHER)
        )
        start = start + counts
    for place, name in enumerate(names):
        axes.text(start[place], place, f" {int((subjects['split'] == name).sum())}", va="center", fontsize=6.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("subjects")
    axes.set_xlim(0, 1.15 * max(start.max(), 1))


@house_style()
def figure_qc(mosaic: str | Path, qc: str | Path, stem: str | Path) -> None:
    """The mosaic as it is (``stem.png``), coarser inside an SVG, and the measures of every scan (``stem.tsv``).

    Args:
        mosaic: PNG.
        qc: one row of quality measures per scan.
        stem: output path without suffix.
    """
    with atomic_path(f"{stem}.png") as temporary:
        shutil.copyfile(mosaic, temporary)
    picture = imread(mosaic)
    height, width = picture.shape[:2]
    inches = FULL_WIDTH_MM / 25.4
    figure = Figure(figsize=(inches, inches * height / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, aspect="auto")
    dpi = min(width / inches, PNG_DPI)
    with atomic_path(f"{stem}.svg") as temporary:
        figure.savefig(temporary, format="svg", dpi=dpi, metadata={"Date": None, "Creator": None})
        temporary.write_text(lean(temporary.read_text(encoding="utf-8")), encoding="utf-8")
    write_tsv(f"{stem}.tsv", read_tsv(qc, dtype=str))
