"""Figure 6: one scan moved along the diagnosis probe."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.figures.estimates import MINUS
from ldae.figures.pictures import inline_label, open_examples, rows_where, scans_of, volume_of
from ldae.figures.sheet import Sheet, picture_sheet
from ldae.figures.slices import Plane, brain_box, cut, difference_limit, mark_sides, show_difference, show_grey
from ldae.figures.style import empty_figure, house_style, save_figure
from ldae.files import read_tsv
from ldae.store import Store

MAX_SUBJECTS = 2
SHOWN = (0.02, 0.1, 0.5, 0.9, 0.98)


@house_style()
def figure_6_manipulation(examples: str | Path, sweep: str | Path, stem: str | Path, plane: Plane = "axial") -> None:
    """A strip over the probabilities of AD the code is moved to, and the signed difference from the unmoved decoding.

    Args:
        examples: the store ``evaluate/manipulation/examples``.
        sweep: ``evaluate/manipulation/sweep.tsv``.
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(
            stem, "No manipulation: the diagnosis probe needs training subjects with AD and CN, and a test scan."
        )
        return
    table = read_tsv(sweep, dtype={"participant_id": str, "session_id": str})
    pairs = scans_of(store)[:MAX_SUBJECTS]
    originals = [volume_of(store, participant_id=p, session_id=s, kind="original") for p, s in pairs]
    decoded = [volume_of(store, participant_id=p, session_id=s, kind="reconstruction") for p, s in pairs]
    box = brain_box(np.maximum.reduce(originals))
    steps = [_steps(store, pair) for pair in pairs]
    moved = [[store.volumes(row)[box] for row in rows] for rows in steps]
    limit = difference_limit(
        [volume - own[box] for volumes, own in zip(moved, decoded, strict=True) for volume in volumes]
    )
    count = len(steps[0])
    sheet = picture_sheet(
        box,
        [[plane] * (count + 2)] * (2 * len(pairs)),
        left_mm=3,
        top_mm=18,
        gaps_mm=([0.8, 18.0] * len(pairs))[:-1],
        column_gaps_mm=[0.8, 2.5, *[0.8] * (count - 1)],
    )
    for number, pair in enumerate(pairs):
        row = 2 * number
        _draw_strip(sheet, row, originals[number][box], decoded[number][box], moved[number], limit, plane)
        _head_strip(sheet, row, store, steps[number], table, pair)
    save_figure(sheet.figure, stem, table)


def _steps(store: Store, pair: tuple[str, str]) -> list[int]:
    """Rows of the sweep nearest to the probabilities that are shown, without repeats, by probability."""
    rows = rows_where(store, participant_id=pair[0], session_id=pair[1], kind="sweep")
    probabilities = store.index["probability"].to_numpy(dtype=float)[rows]
    chosen = {int(rows[np.abs(probabilities - wanted).argmin()]) for wanted in SHOWN}
    return sorted(chosen, key=lambda row: float(store.index["probability"].iloc[row]))


def _draw_strip(
    sheet: Sheet, row: int, scan: np.ndarray, own: np.ndarray, moved: list[np.ndarray], limit: float, plane: Plane
) -> None:
    for column, volume in enumerate([scan, own, *moved]):
        show_grey(sheet.panels[row, column], cut(volume, plane))
    mark_sides(sheet.panels[row, 0], plane)
    for column in (0, 1):
        sheet.panels[row + 1, column].set_axis_off()
    for column, volume in enumerate(moved, start=2):
        image = show_difference(sheet.panels[row + 1, column], cut(volume - own, plane), limit)
    sheet.panels[row + 1, 1].text(
        0.98, 0.5, "moved\n− unmoved", transform=sheet.panels[row + 1, 1].transAxes, ha="right", va="center", fontsize=7
    )
    sheet.colour_bar(image, [row + 1], "difference")


def _head_strip(
    sheet: Sheet, row: int, store: Store, steps: list[int], table: pd.DataFrame, pair: tuple[str, str]
) -> None:
    own = table[(table["participant_id"] == pair[0]) & (table["session_id"] == pair[1])]
    sheet.head(0, "scan", row)
    sheet.head(1, "unmoved\ndecoding", row)
    for column, step in enumerate(steps, start=2):
        probability = float(store.index["probability"].iloc[step])
        alpha = f"{float(store.index['alpha'].iloc[step]):+.1f}".replace("-", MINUS)
        words = f"p(AD) {probability:g}\nα {alpha}"
        nearest = own.iloc[(own["probability"] - probability).abs().argsort()[:1]]
        if len(nearest) and np.isfinite(nearest["ventricle_ml"].iloc[0]):
            words += f"\n{nearest['ventricle_ml'].iloc[0]:.0f} ml"
        sheet.head(column, words, row)
    sheet.banner(row, inline_label(store, *pair), lines=3)
