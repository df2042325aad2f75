"""Reading a scan that may be broken. nibabel reads in full; ANTs would fill a truncated file with zeros in silence."""

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from ldae.errors import QuarantinedScan

SMALLEST_SIDE = 32  # voxels
ZOOMS_MM = (0.3, 7.0)
FIELD_OF_VIEW_MM = (90.0, 450.0)
FINITE_FRACTION = 0.999
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
)


def read_scan(path: str | Path) -> nib.Nifti1Image:
    """A 3-D float32 image with finite values, axes as on disk.

    Raises:
        QuarantinedScan: the file cannot be read to its end, or it is not a usable T1w volume; the message says why.
    """
    try:
        image = nib.load(path)
        data = np.squeeze(np.asanyarray(image.dataobj))
    except UNREADABLE as error:
        raise QuarantinedScan(f"unreadable: {type(error).__name__}: {error}") from error
    if data.dtype.fields is not None or np.iscomplexobj(data):
        raise QuarantinedScan(f"not a scalar image: voxels of type {image.get_data_dtype()}")
    if data.ndim != 3:
        raise QuarantinedScan(f"not three-dimensional: shape {data.shape}")
    if not has_orientation(image):
        raise QuarantinedScan("the header has no orientation (qform and sform codes are 0): left and right are unknown")
    check_geometry(image.affine, data.shape)
    finite = np.isfinite(data)
    if finite.mean() < FINITE_FRACTION:
        raise QuarantinedScan(f"{1 - finite.mean():.1%} of the voxels are not finite")
    data = np.where(finite, data, 0).astype(np.float32)
    if data.min() == data.max():
        raise QuarantinedScan(f"constant image: every voxel is {data.flat[0]:g}")
    return nib.Nifti1Image(data, image.affine)


def has_orientation(image: nib.spatialimages.SpatialImage) -> bool:
    """Whether a NIfTI header places its voxels in a body; other formats always do."""
    if not isinstance(image, nib.Nifti1Pair):
        return True
    return int(image.header["qform_code"]) > 0 or int(image.header["sform_code"]) > 0


def check_geometry(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises:
    QuarantinedScan: the affine is not a rotation times voxel sizes of a human head.
    """
    if min(shape) < SMALLEST_SIDE:
        raise QuarantinedScan(f"too few slices: shape {shape}, at least {SMALLEST_SIDE} along every axis")
    axes = affine[:3, :3]
    if not np.isfinite(affine).all() or abs(np.linalg.det(axes)) < 1e-6:
        raise QuarantinedScan("the affine cannot be inverted")
    zooms = np.linalg.norm(axes, axis=0)
    if zooms.min() < ZOOMS_MM[0] or zooms.max() > ZOOMS_MM[1]:
        raise QuarantinedScan(f"voxel size {np.round(zooms, 2).tolist()} mm outside {ZOOMS_MM[0]}-{ZOOMS_MM[1]} mm")
    cosines = axes / zooms
    if not np.allclose(cosines.T @ cosines, np.eye(3), atol=1e-2):
        raise QuarantinedScan("the affine is sheared")
    extent = zooms * shape
    if extent.min() < FIELD_OF_VIEW_MM[0] or extent.max() > FIELD_OF_VIEW_MM[1]:
        raise QuarantinedScan(f"field of view {np.round(extent).astype(int).tolist()} mm is not that of a head")
