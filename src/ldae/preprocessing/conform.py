"""Step 3b: the one interpolation, from the corrected native image to the grid of the networks."""

from typing import Any

import nibabel as nib
import numpy as np

from ldae.config import Conform
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.antspy import load_ants, strictly, to_ants
from ldae.preprocessing.registration import Alignment

INTERPOLATORS = {"linear": "linear", "bspline": "bSpline"}
# R-A-S mm box around the ventricles of MNI152: deep white matter in everyone, so its 80th percentile is white matter
PERIVENTRICULAR_MM = np.array([[-34.0, 34.0], [-64.0, 24.0], [-16.0, 40.0]])
WHITE_PERCENTILE, HEADROOM = 80, 1.25
DARK = 0.5  # of the brain's 99th percentile: so far below zero no interpolation goes


def grid_affine(settings: Conform) -> np.ndarray:
    """4x4 voxel -> R-A-S mm of the configured grid, centred on ``centre_mm``."""
    affine = np.diag([settings.spacing_mm] * 3 + [1.0])
    affine[:3, 3] = np.array(settings.centre_mm) - settings.spacing_mm * (np.array(settings.shape) - 1) / 2
    return affine


def conform(
    corrected: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    alignment: Alignment,
    settings: Conform,
    probability: nib.Nifti1Image | None = None,
) -> tuple[nib.Nifti1Image, nib.Nifti1Image, dict[str, float]]:
    """Resample image and mask once, blank what is not brain, scale to [0, 1].

    Args:
        probability: of brain; the image is multiplied by it instead of being blanked outside the mask.

    Returns:
        Volume (float32, ``settings.shape``), brain mask (uint8) and ``clipped``, the fraction of brain voxels at 1, and
        ``range_used``, the share of the scan's intensities, before any clipping, that its brain uses.
    """
    affine = grid_affine(settings)
    grid = to_ants(nib.Nifti1Image(np.zeros(settings.shape, np.float32), affine))
    inside = np.asanyarray(mask.dataobj) > 0.5
    used = range_used(corrected.get_fdata(dtype=np.float32)[inside])
    if settings.intensity == "minmax" and settings.clip_at is not None:
        corrected = without_outliers(corrected, inside, settings.clip_at)
    image = corrected if probability is None else weighted(corrected, probability)
    volume = resample(image, grid, alignment, INTERPOLATORS[settings.interpolation])
    brain = resample(mask, grid, alignment, "linear") > 0.5
    if not brain.any():
        raise QuarantinedScan("no brain voxel falls into the target grid: the registration went astray")
    scaled = scale_intensity(volume, brain, affine, settings.intensity)
    if probability is None:
        scaled = np.where(brain, scaled, 0)
    scaled = scaled.astype(np.float32)
    metrics = {"clipped": float((scaled[brain] >= 1).mean()), "range_used": used}
    return nib.Nifti1Image(scaled, affine), nib.Nifti1Image(brain.astype(np.uint8), affine), metrics


def without_outliers(image: nib.Nifti1Image, brain: np.ndarray, multiple: float) -> nib.Nifti1Image:
    """The image with no voxel brighter than ``multiple`` times the brain's 99th percentile, and none far below zero.

    Args:
        brain: (X, Y, Z) bool; an image whose brain has no such voxel comes back itself, with its bright scalp.
    """
    data = image.get_fdata(dtype=np.float32)
    usual = float(np.percentile(data[brain], 99)) if brain.any() else 0.0
    low, high = (-DARK * usual, multiple * usual)
    if not usual > 0 or (data[brain].max() <= high and data[brain].min() >= low):
        return image
    return nib.Nifti1Image(np.clip(data, 0, high).astype(np.float32), image.affine)


def range_used(values: np.ndarray) -> float:
    """Share of the range from 0 (or a lower minimum) to the maximum that lies between 1st and 99th percentile."""
    if not values.size or not values.max() > min(0.0, values.min()):
        return 0.0
    low, high = np.percentile(values, [1, 99])
    return float((high - low) / (values.max() - min(0.0, values.min())))


def weighted(image: nib.Nifti1Image, weight: nib.Nifti1Image) -> nib.Nifti1Image:
    """Voxelwise product of two images on one grid."""
    product = np.multiply(image.get_fdata(dtype=np.float32), np.asanyarray(weight.dataobj), dtype=np.float32)
    return nib.Nifti1Image(product, image.affine)


def resample(image: nib.Nifti1Image, grid: Any, alignment: Alignment, interpolator: str) -> np.ndarray:
    """An image on ``grid`` (an ANTs image), through all transforms of the alignment in one interpolation."""
    ants = load_ants()
    moved = strictly(
        ants.apply_transforms,
        fixed=grid,
        moving=to_ants(image),
        transformlist=alignment.transforms,
        interpolator=interpolator,
    )
    return moved.numpy()


def scale_intensity(volume: np.ndarray, brain: np.ndarray, affine: np.ndarray, how: str) -> np.ndarray:
    """To [0, 1]: ``minmax`` over the masked volume (paper), or ``robust``: 0 stays, white matter becomes 0.8.

    Raises:
        QuarantinedScan: the brain has no contrast to scale by.
    """
    if how == "minmax":
        low, high = min(0.0, float(volume[brain].min())), float(volume[brain].max())
    else:
        inside = brain & box_mask(volume.shape, affine, PERIVENTRICULAR_MM)
        values = volume[inside] if inside.any() else volume[brain]
        low, high = 0.0, HEADROOM * float(np.percentile(values, WHITE_PERCENTILE))
    if not high > low:
        raise QuarantinedScan("the brain has no contrast after registration")
    return np.clip((volume - low) / (high - low), 0, 1)


def box_mask(shape: tuple[int, ...], affine: np.ndarray, box_mm: np.ndarray) -> np.ndarray:
    """Voxels of an axis-aligned R-A-S grid whose centres lie in a box (3, 2) of mm."""
    inside = [
        (position >= low) & (position <= high)
        for position, (low, high) in zip(
            (affine[axis, 3] + affine[axis, axis] * np.arange(size) for axis, size in enumerate(shape)),
            box_mm,
            strict=True,
        )
    ]
    return inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None, :]
