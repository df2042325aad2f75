"""Tissue where the hippocampi lie in MNI space (ml): what atrophy takes away there is replaced by fluid.

A tube about the hippocampus' centre line, wide enough for the variation that an affine registration leaves. It holds
neighbouring tissue, too: compare by correlation and by changes, as with the ventricles.
"""

import numpy as np

from ldae.studies.common.anatomy.ventricles import Grid, contrast_ends, fluid_fraction

CENTRE_LINE_MM = np.array(  # |x|, y, z in MNI152, from tail to head
    [
        (20.5, -39.5, 1.0),
        (26.7, -33.0, -7.5),
        (28.2, -27.0, -12.0),
        (28.2, -21.0, -16.0),
        (25.3, -15.0, -19.2),
        (22.4, -9.0, -22.6),
    ]
)
RADIUS_MM = 9.0
_SPACING_MM = 1.0  # of the points on the line


def hippocampus_region(grid: Grid) -> np.ndarray:
    """(X, Y, Z) boolean mask of both tubes on a grid."""
    axes = [
        centre + grid.spacing_mm * (np.arange(size) - (size - 1) / 2)
        for size, centre in zip(grid.shape, grid.centre_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    mask = np.zeros(grid.shape, dtype=bool)
    for place in np.arange(CENTRE_LINE_MM[0, 1], CENTRE_LINE_MM[-1, 1] + _SPACING_MM / 2, _SPACING_MM):
        side, up = (np.interp(place, CENTRE_LINE_MM[:, 1], CENTRE_LINE_MM[:, axis]) for axis in (0, 2))
        mask |= (np.abs(x) - side) ** 2 + (y - place) ** 2 + (z - up) ** 2 < RADIUS_MM**2
    return mask


def hippocampus_region_ml(volume: np.ndarray, grid: Grid, region: np.ndarray) -> float:
    """Tissue (not fluid) inside ``region``, with the contrast measured near the ventricles, in ml of MNI space."""
    fluid, white = contrast_ends(volume, grid)
    return float((1 - fluid_fraction(volume[region], fluid, white)).sum() * grid.voxel_ml)
