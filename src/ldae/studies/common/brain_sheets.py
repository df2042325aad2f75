"""Sheets of brain pictures: panels placed to the tenth of a millimetre, all at one anatomical scale.

Slices are cut through R-A-S volumes (axis 0 from the subject's left to right, axis 1 from posterior to anterior, axis 2
from inferior to superior) and drawn in radiological convention, the subject's right on the left of the picture, with
one grey scale, or as difference maps. They are taken from the small example stores that the studies write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ldae.core.errors import UserError
from ldae.core.keys import KEY
from ldae.core.store import Store, open_store
from ldae.studies.common.figure_style import FULL_WIDTH_MM, INK, MUTED

Box = tuple[slice, slice, slice]
Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
NORMAL_AXIS = {"axial": 2, "coronal": 1, "sagittal": 0}
EDGE_LETTERS = {"axial": ("R", "L"), "coronal": ("R", "L"), "sagittal": ("A", "P")}
DIFFERENCE_MAP = "RdBu_r"
SMOOTHING = "bicubic"  # of the display alone; numbers are never taken from a picture
# Where the body of the lateral ventricles is seen, as a fraction of the box of the conformed brain.
VENTRICLE_LEVEL = {"axial": 0.55, "coronal": 0.52, "sagittal": 0.42}


def cut(volume: np.ndarray, plane: Plane, level: float | None = None) -> np.ndarray:
    """One slice, rows from top to bottom, in radiological convention.

    Args:
        volume: (X, Y, Z), axes R-A-S.
        level: position along the normal as a fraction of the box (0 = left, posterior or inferior end); none: the
            level of the lateral ventricles.
    """
    axis = NORMAL_AXIS[plane]
    level = VENTRICLE_LEVEL[plane] if level is None else level
    position = min(int(level * volume.shape[axis]), volume.shape[axis] - 1)
    picture = np.take(volume, position, axis=axis).T[::-1]
    return picture[:, ::-1]  # the subject's right, or anterior, to the left of the picture


def brain_box(volume: np.ndarray, threshold: float = 0.02, margin: int = 1) -> Box:
    """The smallest box around all voxels above ``threshold``, plus a margin; the whole box if there is none."""
    inside = volume > threshold
    if not inside.any():
        inside = np.ones_like(inside)
    return _extent(inside, 0, margin), _extent(inside, 1, margin), _extent(inside, 2, margin)


def _extent(inside: np.ndarray, axis: int, margin: int) -> slice:
    """Where a mask that is not empty lies along one axis, plus a margin."""
    others = tuple(other for other in range(3) if other != axis)
    positions = np.flatnonzero(inside.any(axis=others))
    return slice(max(positions[0] - margin, 0), min(positions[-1] + margin + 1, inside.shape[axis]))


def show_grey(axes: Axes, picture: np.ndarray, maximum: float = 1.0) -> AxesImage:
    """A slice on the common grey scale from 0 to ``maximum``."""
    _bare(axes)
    return axes.imshow(picture, cmap="gray", interpolation=SMOOTHING, vmin=0, vmax=maximum)


def show_difference(axes: Axes, picture: np.ndarray, limit: float) -> AxesImage:
    """A signed difference on a diverging scale from -``limit`` (blue) to +``limit`` (red), white at 0."""
    _bare(axes)
    return axes.imshow(picture, cmap=DIFFERENCE_MAP, interpolation=SMOOTHING, vmin=-limit, vmax=limit)


def show_magnitude(axes: Axes, picture: np.ndarray, maximum: float) -> AxesImage:
    """A map that has no sign (a standard deviation), dark at 0."""
    _bare(axes)
    return axes.imshow(picture, cmap="magma", interpolation=SMOOTHING, vmin=0, vmax=maximum)


def difference_limit(differences: Sequence[np.ndarray] | np.ndarray) -> float:
    """One symmetric limit for all panels: the 99.5th percentile of |difference| where it is not zero, to two digits."""
    values = (
        np.concatenate([np.abs(difference).ravel() for difference in differences]) if len(differences) else np.zeros(1)
    )
    values = values[values > 1e-6]
    if values.size == 0:
        return 0.01
    return max(float(f"{np.percentile(values, 99.5):.1e}"), 0.01)


def mark_sides(axes: Axes, plane: Plane, colour: str = "#c8ced6") -> None:
    """The letters of the picture's left and right edges: R and L, or A and P in a sagittal view."""
    left, right = EDGE_LETTERS[plane]
    for x, letter, alignment in ((0.03, left, "left"), (0.97, right, "right")):
        axes.text(x, 0.03, letter, transform=axes.transAxes, color=colour, fontsize=6, ha=alignment, va="bottom")


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


@dataclass(frozen=True)
class Sheet:
    """A figure and its panels, ``panels[row, column]``."""

    figure: Figure
    panels: np.ndarray

    def head(self, column: int, text: str, row: int = 0, bold: bool = False) -> None:
        """Centred words over a picture."""
        weight = "bold" if bold else "normal"
        self.panels[row, column].set_title(text, loc="center", fontsize=6.8, fontweight=weight, pad=3, linespacing=1.3)

    def label(self, row: int, text: str, bold: bool = False) -> None:
        """Words to the left of a row, at half height."""
        self.panels[row, 0].annotate(
            text,
            (0, 0.5),
            xycoords="axes fraction",
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            color=INK,
            linespacing=1.4,
            fontweight="bold" if bold else "normal",
        )

    def banner(self, row: int, text: str, lines: int = 1) -> None:
        """Bold words over the left edge of a row, above heads of so many lines."""
        self.panels[row, 0].annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 7 + 9 * lines),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=8,
            fontweight="bold",
        )

    def colour_bar(self, image: AxesImage, rows: Sequence[int], label: str) -> None:
        """A thin colour bar at the right edge, as high as ``rows``."""
        boxes = [self.panels[row, -1].get_position() for row in rows]
        top, bottom = max(box.y1 for box in boxes), min(box.y0 for box in boxes)
        width, left = self.figure.get_figwidth(), max(panel.get_position().x1 for panel in self.panels.flat)
        margin = 0.08 * (top - bottom)
        axes = self.figure.add_axes((left + 0.08 / width, bottom + margin, 0.065 / width, top - bottom - 2 * margin))
        bar = self.figure.colorbar(image, cax=axes)
        bar.outline.set_visible(False)
        axes.tick_params(length=1.5, labelsize=6, pad=1.5)
        axes.locator_params(axis="y", nbins=5)
        bar.set_label(label, fontsize=6.5, color=MUTED, labelpad=3)


def picture_sheet(
    box: Box,
    rows: Sequence[Sequence[Plane | None]],
    left_mm: float = 24,
    right_mm: float = 17,
    top_mm: float = 9,
    bottom_mm: float = 2,
    gaps_mm: Sequence[float] | float = 1.0,
    column_gaps_mm: Sequence[float] | float = 1.0,
    largest_mm_per_voxel: float = 1.2,
) -> Sheet:
    """Place panels for pictures of one cropped volume on a sheet as wide as the page.

    Args:
        box: the crop all pictures share.
        rows: the plane of each panel, row by row; None leaves the place empty.
        gaps_mm: below each row but the last; one number for all.
        column_gaps_mm: right of each column but the last; one number for all.
        largest_mm_per_voxel: keeps a sheet of few pictures from growing huge.
    """
    count = len(rows[0])
    gaps = _spread(gaps_mm, len(rows) - 1)
    column_gaps = _spread(column_gaps_mm, count - 1)
    sizes = [[picture_size(box, plane) for plane in row] for row in rows]
    widths = [max(row[column][0] for row in sizes) for column in range(count)]
    heights = [max(height for _, height in row) for row in sizes]
    scale = min((FULL_WIDTH_MM - left_mm - right_mm - sum(column_gaps)) / sum(widths), largest_mm_per_voxel * 3)
    total = top_mm + bottom_mm + sum(gaps) + scale * sum(heights)
    figure = Figure(figsize=(FULL_WIDTH_MM / 25.4, total / 25.4))
    panels = np.empty((len(rows), count), dtype=object)
    y = total - top_mm
    for row, height in enumerate(heights):
        x = left_mm
        for column, width in enumerate(widths):
            own_width, own_height = sizes[row][column]
            place = (
                x + scale * (width - own_width) / 2,
                y - scale * (height + own_height) / 2,
                scale * own_width,
                scale * own_height,
            )
            panels[row, column] = _place(figure, place, total, rows[row][column] is None)
            x += scale * width + (column_gaps[column] if column < count - 1 else 0)
        y -= scale * height + (gaps[row] if row < len(rows) - 1 else 0)
    return Sheet(figure, panels)


def picture_size(box: Box, plane: Plane | None) -> tuple[int, int]:
    """Width and height in voxels of a picture in ``plane`` (an empty place is as large as an axial one)."""
    x, y, z = (part.stop - part.start for part in box)
    return {"axial": (x, y), "coronal": (x, z), "sagittal": (y, z)}[plane or "axial"]


def _place(figure: Figure, place: tuple[float, float, float, float], height_mm: float, empty: bool) -> Axes:
    x, y, width, height = place
    axes = figure.add_axes((x / FULL_WIDTH_MM, y / height_mm, width / FULL_WIDTH_MM, height / height_mm))
    axes.set_xticks([])
    axes.set_yticks([])
    if empty:
        axes.set_axis_off()
    return axes


def _spread(value: Sequence[float] | float, count: int) -> list[float]:
    return [float(value)] * count if isinstance(value, int | float) else list(value)


def open_examples(folder: str | Path) -> Store | None:
    """The example store, or nothing when the study had nothing to show (its store was not written)."""
    return open_store(folder) if (Path(folder) / "store.json").is_file() else None


def rows_where(store: Store, **values: object) -> np.ndarray:
    """Positions of the index rows that have the given values."""
    chosen = pd.Series(True, index=store.index.index)
    for column, value in values.items():
        chosen &= store.index[column] == value
    return np.flatnonzero(chosen)


def volume_of(store: Store, **values: object) -> np.ndarray:
    """The first volume whose index row has the given values, float32 (X, Y, Z).

    Raises:
        UserError: the store has no such volume.
    """
    rows = rows_where(store, **values)
    if len(rows) == 0:
        wanted = ", ".join(f"{column} {value}" for column, value in values.items())
        raise UserError(f"{store.path} holds no volume with {wanted}; run the evaluation that writes it again.")
    return store.volumes(int(rows[0]))


def scans_of(store: Store) -> list[tuple[str, str]]:
    """The (participant_id, session_id) pairs of a store, in its order."""
    pairs = store.index[KEY].drop_duplicates()
    return [(str(participant), str(session)) for participant, session in pairs.itertuples(index=False)]


def inline_label(store: Store, participant: str, session: str) -> str:
    """``AD  ADNI002S0295, M024``: the diagnosis where the index has it, subject and session without their prefixes."""
    return "  ".join(
        filter(None, [_diagnosis(store, participant, session), ", ".join(_without_prefixes(participant, session))])
    )


def stacked_label(store: Store, participant: str, session: str) -> str:
    """The same as :func:`inline_label` in two or three short lines, for the left of a row."""
    return "\n".join(filter(None, [_diagnosis(store, participant, session), *_without_prefixes(participant, session)]))


def _without_prefixes(participant: str, session: str) -> tuple[str, str]:
    return participant.removeprefix("sub-"), session.removeprefix("ses-")


def _diagnosis(store: Store, participant: str, session: str) -> str | None:
    if "diagnosis" not in store.index:
        return None
    value = store.index["diagnosis"].iloc[rows_where(store, participant_id=participant, session_id=session)[0]]
    return value if isinstance(value, str) else None
