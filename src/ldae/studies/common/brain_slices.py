"""Brain slices: cuts through R-A-S volumes, drawn in radiological convention with one grey scale, and difference maps.

Axis 0 of a volume runs from the subject's left to right, axis 1 from posterior to anterior, axis 2 from inferior to
superior. Radiological convention shows the subject's right on the left of the picture.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

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
