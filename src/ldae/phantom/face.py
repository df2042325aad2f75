"""Eyes, sinuses, mouth, bones of the face, and the spine: small shapes painted into boxes of the head image."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ldae.phantom.grid import ORIGIN, Region, coverage, ellipsoid, region

BOTTOM = ORIGIN[2]
TOP_OF_SPINE = -55.0


def paint_ellipsoid(
    image: np.ndarray,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    value: Any,
    where: Callable[[tuple], np.ndarray] | None = None,
) -> None:
    """Blend ``value`` (a number, or a function of the box) into an ellipsoid (MNI mm), limited to ``where(slices)``."""
    lower = tuple(c - r - 1 for c, r in zip(centre, radii, strict=True))
    upper = tuple(c + r + 1 for c, r in zip(centre, radii, strict=True))
    box = region(lower, upper)
    fraction = coverage(ellipsoid(box.x, box.y, box.z, centre, radii))
    if where is not None:
        fraction = fraction * where(box.slices)
    _mix(image, box, fraction, value)


def _mix(image: np.ndarray, box: Region, fraction: np.ndarray, value: Any) -> None:
    view = image[box.slices]
    view += fraction * ((value(box) if callable(value) else value) - view)


def paint_face(image: np.ndarray, inner: np.ndarray, texture: np.ndarray) -> None:
    """Paint in place, in the order in which the parts lie over each other; ``inner`` keeps them out of the skull."""

    def outside(margin: float) -> Callable[[tuple], np.ndarray]:
        return lambda slices: inner[slices] > margin

    for side in (-1, 1):
        paint_ellipsoid(image, (side * 33, 58, -38), (18, 24, 18), 0.85, outside(2))  # orbital fat
        paint_ellipsoid(image, (side * 33, 68, -38), (12.5, 12.5, 12.5), 0.17)  # eye
        paint_ellipsoid(image, (side * 33, 76, -38), (4.5, 2.2, 4.5), 0.45)  # lens
        _paint_optic_nerve(image, side, inner)
        paint_ellipsoid(image, (side * 30, 56, -68), (14, 18, 15), 0.02)  # maxillary sinus
        paint_ellipsoid(image, (side * 11, 66, -18), (9, 5, 9), 0.03, outside(2.5))  # frontal sinus
        paint_ellipsoid(image, (side * 58, -28, -50), (9, 14, 16), 0.06, outside(1.5))  # mastoid air cells
        paint_ellipsoid(image, (side * 44, 26, -92), (5, 26, 12), 0.55)  # mandible
        _paint_column(image, (side * 30, -8), 3.6, -52.0, 0.10)  # carotid artery
    folds = lambda box: 0.22 + 0.16 * np.sin(box.z * 0.45 + texture[box.slices])  # noqa: E731
    paint_ellipsoid(image, (0, 58, -56), (7, 30, 18), folds)  # nasal cavity
    paint_ellipsoid(image, (0, 14, -34), (12, 10, 9), 0.03, outside(2))  # sphenoid sinus
    box = region((-13, -2, BOTTOM), (13, 14, -58))
    _mix(image, box, coverage(np.hypot(box.x / 11, (box.y - 6) / 6) * 6 - 6), 0.02)  # pharynx
    paint_ellipsoid(image, (0, 44, -92), (26, 30, 12), lambda box: 0.5 + 0.1 * texture[box.slices])  # tongue


def _paint_optic_nerve(image: np.ndarray, side: int, inner: np.ndarray) -> None:
    box = region((side * 33 - 16, 22, -41), (side * 33 + 16, 58, -33))
    distance = np.hypot(box.x - side * (33 - 10 * (58 - box.y) / 40), box.z + 37) - 2.4
    _mix(image, box, coverage(distance) * (inner[box.slices] > 1), 0.5)


def _paint_column(image: np.ndarray, centre: tuple[float, float], radius: float, top: float, value: float) -> None:
    (x, y), reach = centre, radius + 1
    box = region((x - reach, y - reach, BOTTOM), (x + reach, y + reach, top))
    _mix(image, box, coverage(np.hypot(box.x - x, box.y - y) - radius), value)


def paint_spine(image: np.ndarray, texture: np.ndarray, bone: bool) -> None:
    """Vertebrae before the skull is painted (``bone``), canal and cord after it."""
    box = region((-18, -66, BOTTOM), (18, -20, TOP_OF_SPINE))
    back = box.y - (-40 + 0.10 * (box.z + 60))  # the canal leans with height
    radius = np.hypot(box.x, back)
    if bone:
        below = box.z < -58
        _mix(image, box, coverage(radius - 15) * below, 0.5 + 0.08 * texture[box.slices])
        _mix(image, box, coverage(np.abs(radius - 14.5) - 1.2) * below, 0.1)
    else:
        _mix(image, box, coverage(radius - 9.5), 0.16)  # fluid of the canal
        _mix(image, box, coverage(np.hypot(box.x / 6.5, back / 5.0) * 5 - 5) * (box.z < -66), 0.9)  # cord
