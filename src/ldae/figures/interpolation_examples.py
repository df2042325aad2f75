"""Figure 9: a scan between two visits, predicted by every method."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.figures.methods import INTERPOLATION
from ldae.figures.pictures import open_examples, rows_where, volume_of
from ldae.figures.sheet import Sheet, picture_sheet
from ldae.figures.slices import Plane, brain_box, cut, difference_limit, mark_sides, show_difference, show_grey
from ldae.figures.style import empty_figure, house_style, save_figure
from ldae.store import Store

SHORT_NAMES = {
    "ae": "Autoencoder\n(ceiling)",
    "ldae": "LDAE",
    "y_only": "y$_{sem}$ only",
    "x_T_only": "x$_{T}$ only",
    "latent_lerp": "Average\nof latents",
    "voxel_lerp": "Average\nof voxels",
    "copy_nearest": "Copy of the\nnearest scan",
}
SHOWN_PLANES: tuple[Plane, Plane] = ("axial", "coronal")


@house_style()
def figure_9_interpolation_examples(examples: str | Path, stem: str | Path) -> None:
    """Start, target and end scan, the target as each method predicts it, and prediction - target below.

    Args:
        examples: the store ``evaluate/interpolation/examples`` (one triplet).
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(stem, "No interpolation: no test subject has three visits in this cohort.")
        return
    names = [name for name in INTERPOLATION if len(rows_where(store, method=name))]
    visits = {name: volume_of(store, method=name) for name in ("start", "target", "end")}
    box = brain_box(np.maximum.reduce(list(visits.values())))
    target = visits["target"][box]
    predictions = {name: volume_of(store, method=name)[box] for name in names}
    limit = difference_limit([volume - target for volume in predictions.values()])
    columns = 3 + len(names)
    sheet = picture_sheet(
        box,
        [[plane] * columns for plane in SHOWN_PLANES for _ in range(2)],
        left_mm=3,
        top_mm=16,
        gaps_mm=[0.6, 2.5, 0.6],
        column_gaps_mm=[0.6, 0.6, 3.0, *[0.6] * (len(names) - 1)],
    )
    for number, plane in enumerate(SHOWN_PLANES):
        _draw_plane(
            sheet, 2 * number, plane, [volume[box] for volume in visits.values()], list(predictions.values()), limit
        )
    for column, words in enumerate(["start", "target", "end", *(SHORT_NAMES.get(name, name) for name in names)]):
        sheet.head(column, words)
    sheet.banner(0, _title(store), lines=2)
    differences = [(name, float(np.abs(volume - target).mean())) for name, volume in predictions.items()]
    save_figure(sheet.figure, stem, pd.DataFrame(differences, columns=["method", "mean_absolute_difference_in_box"]))


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


def _title(store: Store) -> str:
    row = store.index.iloc[0]
    words = f"{str(row['participant_id']).removeprefix('sub-')}: "
    return words + f"{row['gap_months']:.0f} months between start and end, target at {row['alpha']:.0%} of the way"
