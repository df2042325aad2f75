"""Figure 8: how well each method predicts a scan between two visits. Figure 9: scans as every method predicts them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.core.keys import KEY
from ldae.core.store import Store
from ldae.studies.common.brain_sheets import (
    Plane,
    Sheet,
    brain_box,
    cut,
    difference_limit,
    mark_sides,
    open_examples,
    picture_sheet,
    rows_where,
    scans_of,
    show_difference,
    show_grey,
    volume_of,
)
from ldae.studies.common.estimate_panels import forest, line_with_intervals, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    MUTED,
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
VENTRICLES = ("ventricle_ml_error_mapped", "ventricle_ml_error")  # the first that is known
SHORT_LABELS = {
    "ssim_w11_brain": "SSIM in the brain",
    "ventricle_ml_error_mapped": "error of ventricles (ml)",
    "ventricle_ml_error": "error of ventricles, raw (ml)",
    "ssim_w4_paper": "SSIM as in the paper",
    "mse_vs_ae": "error as in the paper",
}
NOT_BY_GROUP = ("ldae_months",)  # all but on the line of ldae; the table has it
SHORT_NAMES = {
    "ae": "Autoencoder\nof the target",
    "ldae": "LDAE",
    "ldae_months": "LDAE,\nmonths",
    "y_only": "y$_{sem}$ only",
    "x_T_only": "x$_{T}$ only",
    "latent_lerp": "Average\nof latents",
    "voxel_lerp": "Average\nof voxels",
    "copy_nearest": "Copy of the\nnearest scan",
}
SHOWN_PLANES: tuple[Plane, Plane] = ("axial", "coronal")


@house_style()
def figure_8_interpolation(summary: str | Path, by_group: str | Path, stem: str | Path) -> None:
    """Similarity to the scan, ventricle error and the paper's two measures, by method with intervals; and each by the
    time between the visits and the place in it.

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
    measures = [SIMILARITY, (known or VENTRICLES)[0], AS_THE_PAPER, ERROR_AS_THE_PAPER]
    figure = new_figure(FULL_WIDTH_MM, 290)
    whole = figure.add_gridspec(2, 1, height_ratios=[1.15, 2.45])
    upper, lower = whole[0], whole[1]
    square = upper.subgridspec(2, 2)
    heads = [figure.add_subplot(square[place]) for place in range(4)]
    methods = present(INTERPOLATION, overall["method"])
    for place, (axes, metric) in enumerate(zip(heads, measures, strict=True)):
        forest(axes, overall, metric, methods, names=place % 2 == 0)
        if metric == VENTRICLES[0]:
            _draw_raw(axes, overall, list(methods))
    grid = lower.subgridspec(len(measures), 3)
    panels = [figure.add_subplot(grid[row, column]) for row in range(len(measures)) for column in range(3)]
    shown = groups[~groups["method"].isin(NOT_BY_GROUP)]
    for place, axes in enumerate(panels):
        grouping, label = GROUPINGS[place % 3]
        metric = measures[place // 3]
        _draw_groups(axes, shown[shown["grouping"] == grouping], metric, label if place >= len(panels) - 3 else "")
        axes.set_ylabel(SHORT_LABELS[metric] if place % 3 == 0 else "")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    letter_panels([*heads, *panels])
    save_figure(figure, stem, groups)


def _draw_raw(axes: Axes, overall: pd.DataFrame, methods: list[str]) -> None:
    """Beside each error on the scale of scans, as a small open circle, the raw one of the measured volumes."""
    raw = rows_of(overall, VENTRICLES[1]).set_index("method")["value"]
    places = [place for place, name in enumerate(methods) if name in raw.index]
    axes.plot(
        [raw[methods[place]] for place in places],
        [place + 0.22 for place in places],
        "o",
        color=MUTED,
        markerfacecolor="none",
        markersize=3.2,
    )


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


@house_style()
def figure_9_interpolation_examples(examples: str | Path, stem: str | Path) -> None:
    """Start, target and end scans, the target as each method predicts it, and prediction - target below.

    Args:
        examples: the store ``evaluate/interpolation/examples`` (a triplet of each of up to two subjects).
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(stem, "No interpolation: no test subject has three visits in this cohort.")
        return
    names = [name for name in INTERPOLATION if len(rows_where(store, method=name))]
    triplets = scans_of(store)
    visits = [[_volume(store, own, name) for name in ("start", "target", "end")] for own in triplets]
    box = brain_box(np.maximum.reduce([volume for own in visits for volume in own]))
    predictions = [[_volume(store, own, name)[box] for name in names] for own in triplets]
    targets = [own[1][box] for own in visits]
    limit = difference_limit(
        [volume - target for own, target in zip(predictions, targets, strict=True) for volume in own]
    )
    columns = 3 + len(names)
    sheet = picture_sheet(
        box,
        [[plane] * columns for _ in triplets for plane in SHOWN_PLANES for _ in range(2)],
        left_mm=3,
        top_mm=16,
        gaps_mm=([0.6, 2.5, 0.6, 17.0] * len(triplets))[:-1],
        column_gaps_mm=[0.6, 0.6, 3.0, *[0.6] * (len(names) - 1)],
    )
    differences = []
    for number, own in enumerate(triplets):
        first = 2 * len(SHOWN_PLANES) * number
        for place, plane in enumerate(SHOWN_PLANES):
            known = [volume[box] for volume in visits[number]]
            _draw_plane(sheet, first + 2 * place, plane, known, predictions[number], limit)
        for column, words in enumerate(["start", "target", "end", *(SHORT_NAMES.get(name, name) for name in names)]):
            sheet.head(column, words, first)
        sheet.banner(first, _title(store, own), lines=2)
        for name, volume in zip(names, predictions[number], strict=True):
            differences.append((*own, name, float(np.abs(volume - targets[number]).mean())))
    table = [*KEY, "method", "mean_absolute_difference_in_box"]
    save_figure(sheet.figure, stem, pd.DataFrame(differences, columns=table))


def _volume(store: Store, triplet: tuple[str, str], method: str) -> np.ndarray:
    return volume_of(store, participant_id=triplet[0], session_id=triplet[1], method=method)


def _draw_plane(
    sheet: Sheet, row: int, plane: Plane, visits: list[np.ndarray], predictions: list[np.ndarray], limit: float
) -> None:
    start, target, end = visits
    for column, volume in enumerate([start, target, end, *predictions]):
        show_grey(sheet.panels[row, column], cut(volume, plane))
    mark_sides(sheet.panels[row, 0], plane)
    for column, volume in ((0, start), (2, end), *enumerate(predictions, start=3)):
        image = show_difference(sheet.panels[row + 1, column], cut(volume - target, plane), limit)
    words = sheet.panels[row + 1, 1]
    words.set_axis_off()
    words.text(0.5, 0.5, "each\n− target", transform=words.transAxes, ha="center", va="center", fontsize=6.8)
    sheet.colour_bar(image, [row + 1], "difference")


def _title(store: Store, triplet: tuple[str, str]) -> str:
    row = store.index.iloc[rows_where(store, participant_id=triplet[0], session_id=triplet[1])[0]]
    words = f"{triplet[0].removeprefix('sub-')}: "
    return words + f"{row['gap_months']:.0f} months between start and end, target at {row['alpha']:.0%} of the way"
