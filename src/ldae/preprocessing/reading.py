"""Reading a scan that may be broken. nibabel reads in full; ANTs would fill a truncated file with zeros in silence."""

import math
import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from ldae.core.errors import QuarantinedScan

SMALLEST_SIDE = 32  # voxels
ZOOMS_MM = (0.3, 5.0)
FIELD_OF_VIEW_MM = (90.0, 450.0)
MOST_VOXELS = 1e9
FINITE_FRACTION = 0.999
SPIKE_FACTOR = 1000  # maximum over 99th percentile; magnitude images stay below 10
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
        image = cast(nib.spatialimages.SpatialImage, nib.load(path))
        check_voxel_size(image, path)
        check_size(image.shape)
        data = np.squeeze(np.asanyarray(image.dataobj))
    except UNREADABLE as error:
        raise QuarantinedScan(f"unreadable: {type(error).__name__}: {error}") from error
    if data.dtype.fields is not None or np.iscomplexobj(data):
        raise QuarantinedScan(f"not a scalar image: voxels of type {image.get_data_dtype()}")
    if data.ndim != 3:
        raise QuarantinedScan(f"not three-dimensional: shape {data.shape}")
    check_orientation(image)
    check_geometry(image.affine, data.shape)
    finite = np.isfinite(data)
    if finite.mean() < FINITE_FRACTION:
        raise QuarantinedScan(f"{1 - finite.mean():.1%} of the voxels are not finite")
    data = np.where(finite, data, 0).astype(np.float32)
    if data.min() == data.max():
        raise QuarantinedScan(f"constant image: every voxel is {data.flat[0]:g}")
    check_intensities(data)
    return nib.Nifti1Image(data, image.affine)


def check_voxel_size(image: nib.spatialimages.SpatialImage, path: str | Path) -> None:
    """nibabel takes a voxel size of zero for one of 1 mm, so the header is read once more as it lies on the disk.

    Raises:
        QuarantinedScan: the header gives a voxel size of zero.
    """
    if not isinstance(image, nib.Nifti1Image):
        return
    with nib.openers.ImageOpener(str(path)) as file:
        sizes = image.header_class.from_fileobj(file, check=False)["pixdim"][1:4]
    if (sizes == 0).any():
        raise QuarantinedScan(f"the header gives a voxel size of zero: {sizes.tolist()} mm")


def check_size(shape: tuple[int, ...]) -> None:
    """Before the voxels are read: a damaged header may ask for more memory than any machine has.

    Raises:
        QuarantinedScan: there are more voxels than any scan of a head has.
    """
    if math.prod(shape) > MOST_VOXELS:
        raise QuarantinedScan(f"too large: shape {tuple(map(int, shape))}, at most {MOST_VOXELS:.0e} voxels")


def check_orientation(image: nib.spatialimages.SpatialImage) -> None:
    """Whether a NIfTI header places its voxels in a body, in one way; other formats always do.

    A scan whose data were mirrored and whose header was not cannot be told from its mirror image by any registration.

    Raises:
        QuarantinedScan: there is no orientation, or the two that a NIfTI header can hold disagree about left and right.
    """
    if not isinstance(image, nib.Nifti1Pair):
        return
    places = [matrix for matrix, code in (image.get_qform(coded=True), image.get_sform(coded=True)) if code > 0]
    if not places:
        raise QuarantinedScan("the header has no orientation (qform and sform codes are 0): left and right are unknown")
    if len({np.sign(np.linalg.det(place[:3, :3])) for place in places} - {0.0}) == 2:
        raise QuarantinedScan("qform and sform of the header disagree about left and right")


def check_intensities(data: np.ndarray) -> None:
    """Raises:
    QuarantinedScan: a few voxels are so bright that bias correction and scaling would see nothing else.
    """
    usual = float(np.percentile(np.abs(data), 99))
    extreme = float(np.abs(data).max())
    if usual == 0:
        raise QuarantinedScan("99 % of the voxels are zero: not a head")
    if extreme > SPIKE_FACTOR * usual:
        times = f"{extreme / usual:.0f} x the 99th percentile"
        raise QuarantinedScan(f"extreme intensities: the largest, {extreme:g}, is {times}")


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
