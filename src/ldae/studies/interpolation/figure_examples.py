"""Figure 9: a scan between two visits, predicted by every method."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.core.keys import KEY
from ldae.core.store import Store
from ldae.studies.common.brain_sheets import Sheet, picture_sheet
from ldae.studies.common.brain_slices import (
    Plane,
    brain_box,
    cut,
    difference_limit,
    mark_sides,
    show_difference,
    show_grey,
)
from ldae.studies.common.example_volumes import open_examples, rows_where, scans_of, volume_of
from ldae.studies.common.figure_style import empty_figure, house_style, save_figure
from ldae.studies.common.method_styles import INTERPOLATION

SHORT_NAMES = {
    "ae": "Autoencoder\n(ceiling)",
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
