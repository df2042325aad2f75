"""Unconditional samples beside real scans (distances of distributions, nearest training scans, pictures); and Figure 4:
what stays the same and what varies when one y_sem is decoded from several random x_T.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.core.keys import KEY_TYPES
from ldae.studies.common.brain_sheets import (
    Plane,
    Sheet,
    brain_box,
    cut,
    difference_limit,
    inline_label,
    mark_sides,
    open_examples,
    picture_sheet,
    rows_where,
    scans_of,
    show_difference,
    show_grey,
    show_magnitude,
    volume_of,
)
from ldae.studies.common.estimate_panels import forest, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FAINT,
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.studies.common.method_styles import SAMPLES, present

DISTANCES = ("kernel_y_sem", "kernel_octants")
CURVES = {
    "nearest_training_rms": "distance to the nearest training scan\n(RMS of scaled latents)",
    "nearest_ratio": "nearest / nearest of another subject",
}
MAX_SUBJECTS = 2
MAX_SAMPLES = 5
SHOWN_PLANES: tuple[Plane, Plane] = ("axial", "coronal")


@house_style()
def figure_samples(distances: str | Path, curves: str | Path, stem: str | Path) -> None:
    """Kernel distances from the training scans, and distributions of the distance to the nearest training scan.

    Args:
        distances: ``evaluate/samples/distances.tsv``.
        curves: ``evaluate/samples/curves.tsv``.
        stem: output path without suffix.
    """
    table, shares = read_tsv(distances), read_tsv(curves)
    if shares.empty:
        empty_figure(stem, why_missing(table, DISTANCES[0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 122)
    panels = figure.subplots(2, 2, height_ratios=[1, 1.7]).ravel()
    for axes, metric in zip(panels[:2], DISTANCES, strict=True):
        forest(axes, table, metric, present(SAMPLES, table["method"]), 0.0, names=axes is panels[0])
    for axes, (metric, label) in zip(panels[2:], CURVES.items(), strict=True):
        _draw_curves(axes, shares[shares["metric"] == metric], label)
    panels[2].set_ylabel("share of samples or scans below")
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    letter_panels(list(panels))
    save_figure(figure, stem, pd.concat([rows_of(table, metric) for metric in DISTANCES] + [shares]))


def _draw_curves(axes: Axes, shares: pd.DataFrame, label: str) -> None:
    if shares.empty:
        say_why_empty(axes, "one training subject:\nno other to compare with")
        return
    for name, method in present(SAMPLES, shares["kind"]).items():
        curve = shares[shares["kind"] == name]
        style: dict[str, Any] = {"color": method.colour, "linestyle": method.dash, "label": method.label}
        axes.step(curve["x"], curve["share"], where="post", **style)
        axes.fill_between(
            curve["x"], curve["low"], curve["high"], step="post", color=method.colour, alpha=0.15, linewidth=0
        )
    axes.set_xlim(left=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(label)
    axes.grid(axis="y", color=FAINT)


@house_style()
def figure_samples_nearest(examples: str | Path, stem: str | Path) -> None:
    """The samples that stand out most towards one training scan, that scan, and their difference.

    Args:
        examples: the store ``evaluate/samples/examples``.
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(stem, "No sample was drawn in this run.")
        return
    items = store.index["item"].drop_duplicates().tolist()
    pairs = [store.volumes([2 * place, 2 * place + 1]) for place in range(len(items))]
    box = brain_box(pairs[0][1])
    limit = difference_limit([sample[box] - scan[box] for sample, scan in pairs])
    sheet = picture_sheet(box, [["axial"] * len(items)] * 3, left_mm=27, top_mm=11, largest_mm_per_voxel=0.25)
    for column, (sample, scan) in enumerate(pairs):
        show_grey(sheet.panels[0, column], cut(sample[box], "axial"))
        show_grey(sheet.panels[1, column], cut(scan[box], "axial"))
        show_difference(sheet.panels[2, column], cut(sample[box] - scan[box], "axial"), limit)
        row = store.index.iloc[2 * column]
        sheet.head(column, f"{row['participant_id'].removeprefix('sub-')}\n{row['session_id'].removeprefix('ses-')}")
    for row, words in enumerate(("Sample", "Nearest\ntraining scan", "Sample\n− scan")):
        sheet.label(row, words)
    mark_sides(sheet.panels[0, 0], "axial")
    sheet.colour_bar(sheet.panels[2, -1].images[0], [2], "difference")
    save_figure(sheet.figure, stem, store.index)


@house_style()
def figure_4_variation(samples: str | Path, std: str | Path, scans: str | Path, stem: str | Path) -> None:
    """The scan, samples from its y_sem and random x_T, and their voxelwise standard deviation; up to two test scans.

    Args:
        samples: the store ``evaluate/variation/samples``.
        std: the store ``evaluate/variation/std``.
        scans: ``evaluate/variation/scans.tsv``.
        stem: output path without suffix.
    """
    drawn, spread = open_examples(samples), open_examples(std)
    if drawn is None or spread is None:
        empty_figure(stem, "No test scan was sampled repeatedly in this run.")
        return
    table = read_tsv(scans, dtype=KEY_TYPES)
    pairs = scans_of(drawn)[:MAX_SUBJECTS]
    first = rows_where(drawn, participant_id=pairs[0][0], session_id=pairs[0][1], kind="sample")
    count = min(len(first), MAX_SAMPLES)
    originals = [volume_of(drawn, participant_id=p, session_id=s, kind="original") for p, s in pairs]
    box = brain_box(np.maximum.reduce(originals))
    spreads = [volume_of(spread, participant_id=p, session_id=s)[box] for p, s in pairs]
    maximum = max(float(np.percentile(np.stack(spreads), 99.5)), 0.01)
    columns = count + 2
    sheet = picture_sheet(
        box,
        [[plane] * columns for _ in pairs for plane in SHOWN_PLANES],
        left_mm=3,
        top_mm=12,
        gaps_mm=([0.8, 13.0] * len(pairs))[:-1],
        column_gaps_mm=[2.5, *[0.8] * (count - 1), 2.5],
    )
    for number, (pair, original) in enumerate(zip(pairs, originals, strict=True)):
        rows = rows_where(drawn, participant_id=pair[0], session_id=pair[1], kind="sample")[:count]
        volumes = [original[box], *(drawn.volumes(int(row))[box] for row in rows)]
        _draw_scan(sheet, 2 * number, volumes, spreads[number], maximum)
        sheet.banner(2 * number, f"{inline_label(drawn, *pair)}{_numbers(table, pair)}")
    save_figure(sheet.figure, stem, _shown(table, pairs))


def _draw_scan(sheet: Sheet, first_row: int, volumes: list[np.ndarray], spread: np.ndarray, maximum: float) -> None:
    for offset, plane in enumerate(SHOWN_PLANES):
        row = first_row + offset
        for column, volume in enumerate(volumes):
            show_grey(sheet.panels[row, column], cut(volume, plane))
        image = show_magnitude(sheet.panels[row, -1], cut(spread, plane), maximum)
        mark_sides(sheet.panels[row, 0], plane)
    heads = ["scan", *(f"sample {number}" for number in range(1, len(volumes))), "standard\ndeviation"]
    for column, words in enumerate(heads):
        sheet.head(column, words, first_row)
    sheet.colour_bar(image, [first_row, first_row + 1], "standard deviation over samples")


def _numbers(table: pd.DataFrame, pair: tuple[str, str]) -> str:
    """Ventricles of the scan and of its samples, in words."""
    row = _shown(table, [pair]).iloc[0]
    if not np.isfinite(row["ventricle_ml_mean"]):
        return ""
    raw = f"{row['ventricle_ml_mean']:.0f} ± {row['ventricle_ml_std']:.1f} ml"
    mapped = f"{row['ventricle_ml_mapped_mean']:.0f} ± {row['ventricle_ml_mapped_std']:.1f} ml"
    known = np.isfinite(row["ventricle_ml_mapped_mean"])
    numbers = (
        f"{mapped} in {row['samples']:.0f} samples (raw {raw})" if known else f"{raw} in {row['samples']:.0f} samples"
    )
    return f":  ventricles {row['original_ventricle_ml']:.0f} ml in the scan, {numbers}"


def _shown(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    names = list(zip(table["participant_id"], table["session_id"], strict=True))
    return table.iloc[[names.index(pair) for pair in pairs]]
