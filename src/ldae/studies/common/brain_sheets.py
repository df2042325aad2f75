"""Sheets of brain pictures: panels placed to the tenth of a millimetre, all at one anatomical scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ldae.studies.common.brain_slices import Box, Plane
from ldae.studies.common.figure_style import FULL_WIDTH_MM, INK, MUTED


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
