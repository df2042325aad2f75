"""Figure 4: what stays the same and what varies when one y_sem is decoded from several random x_T."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.core.files import read_tsv
from ldae.core.keys import KEY_TYPES
from ldae.studies.common.brain_sheets import (
    Plane,
    Sheet,
    brain_box,
    cut,
    mark_sides,
    picture_sheet,
    show_grey,
    show_magnitude,
)
from ldae.studies.common.example_volumes import inline_label, open_examples, rows_where, scans_of, volume_of
from ldae.studies.common.figure_style import empty_figure, house_style, save_figure

MAX_SUBJECTS = 2
MAX_SAMPLES = 5
SHOWN_PLANES: tuple[Plane, Plane] = ("axial", "coronal")


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
    return (
        f":  ventricles {row['original_ventricle_ml']:.0f} ml in the scan, "
        f"{row['ventricle_ml_mean']:.0f} ± {row['ventricle_ml_std']:.1f} ml in {row['samples']:.0f} samples"
    )


def _shown(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    names = list(zip(table["participant_id"], table["session_id"], strict=True))
    return table.iloc[[names.index(pair) for pair in pairs]]
