"""Volumes that somebody else preprocessed (source: csv): brought to the grid of the networks and to [0, 1]."""

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.processing import resample_from_to

from ldae.config import Conform
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.reading import check_size

SPACING_TOLERANCE = 0.01
SPLINE_ORDER = {"linear": 1, "bspline": 3}


def given_volume(path: Path, settings: Conform, resample: bool = True) -> np.ndarray:
    """The volume (float32, ``settings.shape``) in [0, 1], axes R-A-S.

    A volume on another grid is resampled by its affine, which has to be in MNI152 space. A volume within [0, 1] keeps
    its values; any other is scaled by its minimum and maximum, as the authors do when they load it.

    Raises:
        QuarantinedScan: not a readable, finite, three-dimensional volume with contrast, or (``resample`` false) not on
            the configured grid.
    """
    try:
        image = nib.as_closest_canonical(nib.load(path))
        check_size(image.shape)
        data = image.get_fdata(dtype=np.float32)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise QuarantinedScan(f"unreadable volume: {error}") from error
    if data.ndim != 3:
        raise QuarantinedScan(f"not a volume: {data.ndim} dimensions")
    if not np.isfinite(data).all():
        raise QuarantinedScan("not finite: the volume holds NaN or infinity")
    if not fits(image, settings):
        if not resample:
            raise QuarantinedScan(f"another grid: {grid_of(image)}, preprocessing.conform asks for {wanted(settings)}")
        order = SPLINE_ORDER[settings.interpolation]
        moved = resample_from_to(image, (settings.shape, grid_affine(settings)), order=order)
        data = np.clip(moved.get_fdata(dtype=np.float32), data.min(), data.max())  # a spline overshoots
    low, high = float(data.min()), float(data.max())
    if not high > low:
        raise QuarantinedScan("no contrast: every voxel of the volume (on the configured grid) has the same value")
    return data if low >= 0 and high <= 1 else (data - low) / (high - low)


def fits(image: nib.Nifti1Image, settings: Conform) -> bool:
    """Shape and voxel size are those of the grid; where its centre lies is left to whoever registered it."""
    zooms = np.array(image.header.get_zooms()[:3])
    same_size = np.allclose(zooms, settings.spacing_mm, rtol=SPACING_TOLERANCE)
    return image.shape == settings.shape and bool(same_size)


def grid_of(image: nib.Nifti1Image) -> str:
    shape, zooms = image.shape, image.header.get_zooms()[:3]
    return f"{' x '.join(map(str, shape))} voxels of {' x '.join(f'{zoom:g}' for zoom in zooms)} mm"


def wanted(settings: Conform) -> str:
    return f"{' x '.join(map(str, settings.shape))} of {settings.spacing_mm:g} mm"
