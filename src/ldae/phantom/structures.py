"""Ventricles and hippocampi of the template, found by rule (no atlas file is needed)."""

import numpy as np
from scipy import ndimage

from ldae.phantom.grid import SHAPE, Region, region, voxel
from ldae.phantom.template import Template

DEEP = ((-44, -86, -30), (44, 36, 36))  # corners (mm) of the box that holds the ventricles
VENTRICLE_SEED = (14.0, -15.0, 15.0)  # |x|, y, z: body of a lateral ventricle
CSF_MAX, TISSUE_MIN = 108, 150  # template T1 values: surely fluid, surely tissue
HIPPOCAMPUS_LINE = np.array(  # centre line from tail to head: |x|, y, z, radius (MNI mm)
    [
        (20.5, -39.5, 1.0, 4.0),
        (24.5, -36.5, -3.5, 4.6),
        (26.7, -33.0, -7.5, 4.8),
        (27.3, -30.0, -10.0, 5.0),
        (28.2, -27.0, -12.0, 5.2),
        (28.8, -24.0, -14.0, 5.5),
        (28.2, -21.0, -16.0, 5.8),
        (26.6, -18.0, -17.8, 6.8),
        (25.3, -15.0, -19.2, 7.4),
        (24.0, -12.0, -20.6, 7.4),
        (22.4, -9.0, -22.6, 6.4),
    ]
)


def ventricles(template: Template) -> np.ndarray:
    """Lateral and third ventricles (bool, about 18 ml in template space).

    A watershed on T1 grows the cores of the lateral ventricles against tissue and all other fluid; the third
    ventricle is the dark part of a midline box. Fragments of 0.4 ml and less are dropped.
    """
    box = region(*DEEP)
    t1, brain = template.t1[box.slices], template.brain[box.slices]
    grown = _lateral_ventricles(t1, brain, box)
    third = brain & (t1 < 125) & (abs(box.x) <= 3) & (box.y > -28) & (box.y < 4) & (box.z > -15) & (box.z < 8)
    pieces, _ = ndimage.label(grown | third)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    mask = np.zeros(SHAPE, bool)
    mask[box.slices] = np.isin(pieces, np.flatnonzero(sizes > 400))
    return mask


def _lateral_ventricles(t1: np.ndarray, brain: np.ndarray, box: Region) -> np.ndarray:
    fluid = brain & (t1 < CSF_MAX)
    cores, _ = ndimage.label(fluid & (abs(box.x) > 2.5) & (box.z > -6))
    markers = np.zeros(t1.shape, np.int16)
    markers[fluid | (brain & (t1 > TISSUE_MIN)) | ~brain] = 2
    for side in (-1, 1):
        seed = voxel((side * VENTRICLE_SEED[0], *VENTRICLE_SEED[1:]))
        x, y, z = (index - part.start for index, part in zip(seed, box.slices, strict=True))
        around = cores[x - 6 : x + 7, y - 6 : y + 7, z - 6 : z + 7]
        markers[cores == np.bincount(around[around > 0]).argmax()] = 1
    grown = ndimage.watershed_ift(np.where(brain, t1, 255).astype(np.uint8), markers) == 1
    # the quadrigeminal and ambient cisterns touch the ventricles but are not part of them
    cisterns = ((box.y < -24) & (abs(box.x) < 9) & (box.z < 14)) | ((box.y < -40) & (abs(box.x) < 12))
    return grown & (t1 < 138) & brain & ~cisterns


def hippocampi(template: Template, ventricle: np.ndarray) -> np.ndarray:
    """Both hippocampi (bool, about 4.1 ml each): grey matter in a tube about the known centre line."""
    mask = np.zeros(SHAPE, bool)
    for y in np.arange(-40.5, -7.9, 0.5):
        x, z, radius = (np.interp(y, HIPPOCAMPUS_LINE[:, 1], HIPPOCAMPUS_LINE[:, column]) for column in (0, 2, 3))
        for side in (-1, 1):
            ball = region((side * x - radius, y - radius, z - radius), (side * x + radius, y + radius, z + radius))
            inside = (ball.x - side * x) ** 2 + (ball.y - y) ** 2 + (ball.z - z) ** 2 < radius**2
            mask[ball.slices] |= inside
    mask &= (template.grey > 110) & (template.t1 > 135) & (template.t1 < 200) & ~ventricle
    return ndimage.binary_opening(mask)
