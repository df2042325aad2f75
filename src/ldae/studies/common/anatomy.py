"""Volumes of anatomy measured in a conformed image (MNI space, millilitres), without any network.

Scanners differ in contrast, so both ends of the scale are taken from the image itself: cerebrospinal fluid and white
matter near the ventricles. With white matter alone normalised, changes over time are lost.

Ventricles: fluid in a box about them. Hippocampi: tissue in a tube about their centre line, wide enough for the
variation that an affine registration leaves; what atrophy takes away there is replaced by fluid. Both hold neighbouring
anatomy, too: compare by correlation and by changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWER_MM = np.array([-34.0, -60.0, -6.0])  # R-A-S corners of a box round the bodies and frontal horns of the lateral
UPPER_MM = np.array([34.0, 38.0, 36.0])  # ventricles of MNI152, with room for large ones; it stays inside the brain
FLUID_PERCENTILE, WHITE_PERCENTILE = 1, 80
FULL, EMPTY = 0.15, 0.55  # contrast at which a voxel is all fluid / no fluid
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


@dataclass(frozen=True)
class Grid:
    """Sampling grid of the conformed volumes: R-A-S axes, isotropic, centred on an MNI point."""

    shape: tuple[int, int, int]
    spacing_mm: float
    centre_mm: tuple[float, float, float]

    @classmethod
    def of(cls, shape: Sequence[int], affine: Sequence[Sequence[float]]) -> "Grid":
        """From the voxel-to-MNI affine (4, 4) of a conformed volume."""
        matrix = np.asarray(affine, dtype=float)
        centre = matrix[:3, :3] @ ((np.array(shape) - 1) / 2) + matrix[:3, 3]
        x, y, z = map(int, shape)
        return cls((x, y, z), float(matrix[0, 0]), tuple(centre.tolist()))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, ml."""
        return self.spacing_mm**3 / 1000

    def box(self) -> tuple[slice, slice, slice]:
        """Voxels whose centres lie in the periventricular box."""
        slices = []
        for size, centre, low, high in zip(self.shape, self.centre_mm, LOWER_MM, UPPER_MM, strict=True):
            position = centre + self.spacing_mm * (np.arange(size) - (size - 1) / 2)
            inside = np.flatnonzero((position >= low) & (position <= high))
            slices.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
        x, y, z = slices
        return x, y, z


def contrast_ends(volume: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Intensities of fluid and of white matter: 1st and 80th percentile of the periventricular box."""
    fluid, white = np.percentile(volume[grid.box()], [FLUID_PERCENTILE, WHITE_PERCENTILE])
    return float(fluid), float(white)


def fluid_fraction(values: np.ndarray, fluid: float, white: float) -> np.ndarray:
    """Soft fluid content of each voxel in [0, 1], linear in the contrast between fluid and white matter."""
    contrast = (values - fluid) / max(white - fluid, 1e-6)
    return np.clip((EMPTY - contrast) / (EMPTY - FULL), 0, 1)


def ventricle_ml(volume: np.ndarray, grid: Grid) -> float:
    """Fluid in the periventricular box (ml in MNI space) of one (X, Y, Z) volume.

    Compare it with native ventricle volumes times the determinant of the native-to-MNI affine, by correlation and by
    changes: the box also holds some fissures (about 20 ml in the phantoms).
    """
    fluid, white = contrast_ends(volume, grid)
    return float(fluid_fraction(volume[grid.box()], fluid, white).sum() * grid.voxel_ml)


def brain_ml(volume: np.ndarray, brain: np.ndarray, grid: Grid) -> float:
    """Brain tissue (ml in MNI space): the mask without its fluid. ``brain`` is the boolean mask of the scan."""
    fluid, white = contrast_ends(volume, grid)
    return float((1 - fluid_fraction(volume[brain], fluid, white)).sum() * grid.voxel_ml)


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
