"""Figures of reconstructions: the table drawn, the autoencoder's (paper Figure 3), every method's side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.core.files import read_tsv
from ldae.core.keys import KEY
from ldae.core.store import Store
from ldae.studies.common.brain_sheets import (
    PLANES,
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
    stacked_label,
    volume_of,
)
from ldae.studies.common.estimate_panels import forest, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
)
from ldae.studies.common.method_styles import RECONSTRUCTION, present

NOTHING = "No test scan was reconstructed in this run."
SHORT_NAMES = {
    "original": "Scan",
    "ae": "Auto-\nencoder",
    "ldae_encoded": "LDAE\nencoded\nx$_T$",
    "lddim_encoded": "No y$_{sem}$,\nencoded\nx$_T$",
    "ldae_noise": "LDAE\nrandom\nx$_T$",
    "ldae_shuffled_y": "LDAE,\nanother's\ny$_{sem}$",
    "nearest_age": "Training\nscan of\nlike age",
    "mean_volume": "Mean\ntraining\nbrain",
    "dae_grid": "Scan on\nthe DAE's\ngrid",
    "dae_encoded": "DAE\nencoded\nx$_T$",
    "dae_noise": "DAE\nrandom\nx$_T$",
}


@house_style()
def figure_reconstruction_methods(summary: str | Path, ventricles: str | Path, stem: str | Path) -> None:
    """Similarity, error and preserved ventricle volume of every way to reconstruct a test scan, with intervals.

    Args:
        summary: ``evaluate/reconstruction/summary.tsv``.
        ventricles: ``evaluate/reconstruction/ventricles.tsv``.
        stem: output path without suffix.
    """
    table, volumes = read_tsv(summary), read_tsv(ventricles)
    if rows_of(table, "ssim_w11_brain").empty:
        empty_figure(stem, why_missing(table, "ssim_w11_brain"))
        return
    methods = present(RECONSTRUCTION, table["method"])
    figure = new_figure(FULL_WIDTH_MM, 40 + 9 * len(methods))
    panels = figure.subplots(2, 2).ravel()
    forest(panels[0], table, "ssim_w11_brain", methods)
    forest(panels[1], table, "psnr", methods, names=False)
    forest(panels[2], table, "ssim_w3_paper", methods)
    metric = "r_original" if rows_of(volumes, "r_truth").empty else "r_truth"
    forest(panels[3], volumes, metric, methods, names=False)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


@house_style()
def figure_3_autoencoder(examples: str | Path, stem: str | Path) -> None:
    """Scan, autoencoder reconstruction and signed difference, in three planes, for up to two test subjects.

    Args:
        examples: the store ``evaluate/reconstruction/examples``.
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(stem, NOTHING)
        return
    pairs = scans_of(store)[:2]
    scans = [_volume(store, pair, "original") for pair in pairs]
    copies = [_volume(store, pair, "ae") for pair in pairs]
    box = brain_box(np.maximum.reduce(scans))
    limit = difference_limit([copy[box] - scan[box] for scan, copy in zip(scans, copies, strict=True)])
    gaps = [1.0] * (3 * len(pairs) - 1)
    planes: list[Plane] = list(PLANES) * len(pairs)
    sheet = picture_sheet(
        box,
        [planes] * 3,
        top_mm=8,
        gaps_mm=0.8,
        column_gaps_mm=[4.0 if place % 3 == 2 else 0.8 for place in range(len(gaps))],
    )
    for number, (scan, copy, pair) in enumerate(zip(scans, copies, pairs, strict=True)):
        _draw_planes(sheet, 3 * number, scan[box], copy[box], limit)
        sheet.panels[0, 3 * number].set_title(inline_label(store, *pair), loc="left", fontsize=8, pad=5)
    for row, words in enumerate(("Scan", "Autoencoder", "Autoencoder\n− scan")):
        sheet.label(row, words)
    sheet.colour_bar(sheet.panels[2, -1].images[0], [2], "difference")
    save_figure(sheet.figure, stem, _differences_table(pairs, scans, {"ae": copies}))


def _draw_planes(sheet: Sheet, first_column: int, scan: np.ndarray, copy: np.ndarray, limit: float) -> None:
    for offset, plane in enumerate(PLANES):
        column = first_column + offset
        show_grey(sheet.panels[0, column], cut(scan, plane))
        show_grey(sheet.panels[1, column], cut(copy, plane))
        show_difference(sheet.panels[2, column], cut(copy - scan, plane), limit)
        mark_sides(sheet.panels[0, column], plane)


@house_style()
def figure_reconstruction_examples(examples: str | Path, stem: str | Path) -> None:
    """Axial slices of every method's reconstruction and its signed difference from the scan, two rows per subject; a
    scan that a method has not decoded (``evaluation.dae_scans``) stays empty there."""
    store = open_examples(examples)
    if store is None:
        empty_figure(stem, NOTHING)
        return
    pairs = scans_of(store)[:2]
    found = set(store.index["method"])
    methods = ["original", *(name for name in RECONSTRUCTION if name in found)]
    scans = [_volume(store, pair, "original") for pair in pairs]
    box = brain_box(np.maximum.reduce(scans))
    volumes = {name: [_volume_if_there(store, pair, name) for pair in pairs] for name in methods[1:]}
    shown = [pair for copies in volumes.values() for pair in zip(scans, copies, strict=True)]
    limit = difference_limit([copy[box] - scan[box] for scan, copy in shown if copy is not None])
    rows: list[list[Plane | None]] = [["axial"] * len(methods)] * (2 * len(pairs))
    sheet = picture_sheet(box, rows, left_mm=27, top_mm=15, gaps_mm=([0.8, 4.0] * len(pairs))[:-1])
    for number, pair in enumerate(pairs):
        copies = [None if (copy := volumes[name][number]) is None else copy[box] for name in methods[1:]]
        _draw_methods(sheet, 2 * number, scans[number][box], copies, limit)
        sheet.label(2 * number, stacked_label(store, *pair))
        sheet.label(2 * number + 1, "difference\nfrom the scan")
    for column, name in enumerate(methods):
        sheet.head(column, SHORT_NAMES.get(name, name))
    for row in range(1, 2 * len(pairs), 2):
        drawn = next(panel for panel in sheet.panels[row] if panel is not None and panel.images)
        sheet.colour_bar(drawn.images[0], [row], "difference")
    save_figure(sheet.figure, stem, _differences_table(pairs, scans, volumes))


def _draw_methods(sheet: Sheet, row: int, scan: np.ndarray, copies: list[np.ndarray | None], limit: float) -> None:
    show_grey(sheet.panels[row, 0], cut(scan, "axial"))
    mark_sides(sheet.panels[row, 0], "axial")
    sheet.panels[row + 1, 0].set_axis_off()
    for column, copy in enumerate(copies, start=1):
        if copy is None:
            for panel in sheet.panels[row : row + 2, column]:
                panel.set_axis_off()
            continue
        show_grey(sheet.panels[row, column], cut(copy, "axial"))
        show_difference(sheet.panels[row + 1, column], cut(copy - scan, "axial"), limit)


def _differences_table(
    pairs: list[tuple[str, str]], scans: list[np.ndarray], copies: Mapping[str, Sequence[np.ndarray | None]]
) -> pd.DataFrame:
    """Size of the differences that are shown: mean of the absolute, over the whole box."""
    rows = [
        (participant, session, method, float(np.abs(copy - scan).mean()))
        for method, volumes in copies.items()
        for (participant, session), scan, copy in zip(pairs, scans, volumes, strict=True)
        if copy is not None
    ]
    return pd.DataFrame(rows, columns=[*KEY, "method", "mean_absolute_difference"])


def _volume(store: Store, pair: tuple[str, str], method: str) -> np.ndarray:
    return volume_of(store, participant_id=pair[0], session_id=pair[1], method=method)


def _volume_if_there(store: Store, pair: tuple[str, str], method: str) -> np.ndarray | None:
    rows = rows_where(store, participant_id=pair[0], session_id=pair[1], method=method)
    return store.volumes(int(rows[0])) if len(rows) else None
