"""Skull, scalp, face and neck, by signed distances: they surround the brain and are only there to be removed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ldae.core.keyed import stream
from ldae.phantom.grid import (
    ORIGIN,
    SHAPE,
    Region,
    axes,
    coverage,
    ellipsoid,
    region,
    signed_distance,
    smooth,
    smooth_union,
    upsample,
)

BOTTOM = ORIGIN[2]
TOP_OF_SPINE = -55.0
COARSE_MM = 2.0
PADDING = 14  # coarse voxels, so that the closing of the brain does not touch the border
COARSE_SHAPE = tuple((size + 1) // 2 for size in SHAPE)
BACKGROUND_SKIN_MM = 14.0  # voxels farther than this outside the skin are air


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


@dataclass(frozen=True)
class Surfaces:
    """Fields on the template grid (mm): signed distance to the inner table of the skull and to the skin, and the
    thickness of the skull."""

    inner: np.ndarray
    skin: np.ndarray
    thickness: np.ndarray

    @property
    def intracranial(self) -> np.ndarray:
        """Fraction of each voxel inside the inner table."""
        return coverage(self.inner)


def head_surfaces(brain: np.ndarray) -> Surfaces:
    """Close the brain by 16 mm, add the spinal canal, and build skull, scalp, face and neck about it.

    Worked out at 2 mm and interpolated: the surfaces are smooth.
    """
    inner = _inner_table(brain)
    x, y, z = axes(COARSE_SHAPE, ORIGIN, COARSE_MM)
    thickness = _skull_thickness(x, y, z)
    skin = _skin(inner, thickness, x, y, z)
    return Surfaces(upsample(inner), upsample(skin), upsample(thickness))


def _inner_table(brain: np.ndarray) -> np.ndarray:
    coarse = np.pad(brain[::2, ::2, ::2], PADDING)
    grown = ndimage.distance_transform_edt(~coarse) * COARSE_MM <= 16
    closed = ndimage.distance_transform_edt(grown) * COARSE_MM > 16
    x, y, z = axes(coarse.shape, ORIGIN - PADDING * COARSE_MM, COARSE_MM)
    canal = (np.hypot(x / 9.0, (y + 40 - 0.10 * (z + 60)) / 8.0) < 1) & (z < -45)
    distance = smooth(signed_distance(closed | coarse | canal, COARSE_MM) - 2.0, 1.2)
    return distance[PADDING:-PADDING, PADDING:-PADDING, PADDING:-PADDING]


def _skull_thickness(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    front, back = 2.2 * np.exp(-(((y - 62) / 30) ** 2)), 3.0 * np.exp(-(((y + 95) / 28) ** 2))
    temple = 2.0 * np.exp(-(((z + 5) / 22) ** 2)) * (abs(x) > 45)
    return smooth(np.broadcast_to(5.2 + front + back - temple, COARSE_SHAPE), 3)


def _scalp_thickness(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    below_vault = 1 - 1 / (1 + np.exp(-(z + 22) / 10))
    nape = 2.5 * np.exp(-(((y + 80) / 40) ** 2)) * below_vault
    temporal_muscle = 5 * np.exp(-(((z + 18) / 24) ** 2)) * (abs(x) > 40)
    return smooth(np.broadcast_to(5.0 + nape + temporal_muscle, COARSE_SHAPE), 4)


def _skin(inner: np.ndarray, thickness: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    head = inner - thickness - _scalp_thickness(x, y, z)
    head = np.where(z < -70, np.maximum(head, -3.0), head)
    face = ellipsoid(x, y, z, (0, 36, -62), (62, 56, 64))
    jaw = ellipsoid(x, y, z, (0, 34, -92), (52, 52, 40))
    neck = (np.sqrt((x / 60) ** 2 + ((y + 30 + 0.18 * (z + 60)) / 62) ** 2) - 1) * 60 + np.maximum(z + 50, 0) * 2
    tip = ellipsoid(x, y, z, (0, 90, -54), (14, 15, 15))
    bridge = ellipsoid(x, y, z, (0, 83, -38), (10, 12, 26))
    ears = [ellipsoid(x, y, z, (side * 80, -22, -42), (7, 17, 26)) for side in (-1, 1)]
    outline = smooth_union([head, face, jaw, neck], 7.0)
    outline = smooth_union([np.minimum(outline, np.minimum(*ears)), np.minimum(tip, bridge)], 3.5)
    return smooth(signed_distance(outline < 0, COARSE_MM), 0.8)  # unions are no distances: measure again


def head_image(surfaces: Surfaces) -> np.ndarray:
    """Signal of everything outside the brain (float32, white matter = 1); zero in air."""
    texture = _texture()
    image = _soft_tissue(surfaces.skin, texture)
    paint_face(image, surfaces.inner, texture)
    paint_spine(image, texture, bone=True)
    _paint_skull(image, surfaces, texture)
    paint_spine(image, texture, bone=False)
    return np.where(surfaces.skin > 0.5, 0, image) * coverage(surfaces.skin)


def _texture() -> np.ndarray:
    """Smooth unit-variance noise: the grain of muscle, fat and marrow, equal for all subjects."""
    noise = stream(7, "head texture").standard_normal(COARSE_SHAPE, dtype=np.float32)
    grain = upsample(smooth(noise, 1.6))
    return grain / grain.std()


def _soft_tissue(skin: np.ndarray, texture: np.ndarray) -> np.ndarray:
    z = axes(SHAPE, ORIGIN, 1.0)[2]
    fatty = np.clip((texture - 0.6) * 1.2, 0, 1) * (z < -40)
    muscle = (0.42 + 0.07 * texture) * (1 - fatty) + 0.8 * fatty
    image = np.where(skin < -6.5, muscle, np.float32(0))
    blend(image, coverage(np.abs(skin + 4.0) - 2.6), 0.92 + 0.05 * texture)  # subcutaneous fat
    blend(image, coverage(np.abs(skin + 0.9) - 0.9), 0.5)  # skin
    return image


def _paint_skull(image: np.ndarray, surfaces: Surfaces, texture: np.ndarray) -> None:
    """Two dark tables about brighter marrow; below the vault only a thin dark shell."""
    inner, thickness = surfaces.inner, surfaces.thickness
    _, y, z = axes(SHAPE, ORIGIN, 1.0)
    vault = np.clip(0.5 + (z + 46 + 0.10 * np.abs(y)) / 8, 0, 1) * coverage(surfaces.skin + 3)
    base = ((inner < 3.5) & (surfaces.skin < -8)) * np.float32(0.9)
    blend(image, coverage(np.maximum(-inner, inner - thickness)) * np.maximum(vault, base), 0.07)
    marrow = coverage(np.maximum(1.5 - inner, inner - thickness + 1.5)) * vault
    blend(image, marrow, 0.42 + 0.09 * texture)


def blend(image: np.ndarray, fraction: np.ndarray, value: np.ndarray | float) -> None:
    """Mix ``value`` into ``image`` in place, with a weight per voxel."""
    image += fraction * (value - image)
