"""Volumes measured in a conformed image (MNI space, millilitres).

Scanners differ in contrast, so both ends of the scale are taken from the image itself: cerebrospinal fluid and white
matter near the ventricles. With white matter alone normalised, changes over time are lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWER_MM = np.array([-34.0, -60.0, -6.0])  # R-A-S corners of a box round the bodies and frontal horns of the lateral
UPPER_MM = np.array([34.0, 38.0, 36.0])  # ventricles of MNI152, with room for large ones; it stays inside the brain
FLUID_PERCENTILE, WHITE_PERCENTILE = 1, 80
FULL, EMPTY = 0.15, 0.55  # contrast at which a voxel is all fluid / no fluid


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
        return cls(tuple(map(int, shape)), float(matrix[0, 0]), tuple(centre.tolist()))

    @property
    def voxel_ml(self) -> float:
        return self.spacing_mm**3 / 1000

    def box(self) -> tuple[slice, slice, slice]:
        """Voxels whose centres lie in the periventricular box."""
        slices = []
        for size, centre, low, high in zip(self.shape, self.centre_mm, LOWER_MM, UPPER_MM, strict=True):
            position = centre + self.spacing_mm * (np.arange(size) - (size - 1) / 2)
            inside = np.flatnonzero((position >= low) & (position <= high))
            slices.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
        return tuple(slices)


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
