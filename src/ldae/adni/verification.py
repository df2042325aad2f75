"""Is the image that Clinica wrote the image that was downloaded? One scan at a time."""

import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ldae.core.errors import QuarantinedScan, is_machine_error

MOST_ANISOTROPIC = 2.0  # longest edge of a voxel / shortest; ADNI's MPRAGE has 1.3 at most
EXTENT_MM = (80.0, 512.0)  # of a head scan, along each axis
TEXT_FIELDS = ("descrip", "aux_file", "db_name", "intent_name")


def expected_voxels(source: Path, image_id: str) -> int:
    """Voxels of a DICOM series: files x frames x rows x columns (nothing else is read from a header).

    Raises:
        QuarantinedScan: no file of the image can be read.
    """
    files = sorted(source.glob(f"*_I{image_id}.dcm"))
    for file in files:
        try:
            header = pydicom.dcmread(file, specific_tags=["Rows", "Columns", "NumberOfFrames"], stop_before_pixels=True)
            return len(files) * int(header.get("NumberOfFrames") or 1) * int(header.Rows) * int(header.Columns)
        except (pydicom.errors.InvalidDicomError, AttributeError, EOFError, OSError) as error:
            if is_machine_error(error):
                raise
    raise QuarantinedScan(f"unreadable DICOM: none of the {len(files)} files of I{image_id} has a usable header")


def checked_image(anat: Path, name: str, source: Path, image_id: str, is_dicom: bool) -> bytes:
    """The bytes of a verified ``name``.nii.gz, its free-text header fields emptied.

    dcm2niix puts the time of the acquisition into those fields; voxels, affine and the rest are as Clinica left them.

    Raises:
        QuarantinedScan: missing, split, damaged, not three-dimensional, without a plausible size, or not as many voxels
            as the series has.
    """
    target = anat / f"{name}.nii.gz"
    strays = sorted(path.name.removeprefix(name) for path in anat.glob("*") if path != target)
    if strays:
        raise QuarantinedScan(f"split or unfinished series: dcm2niix left {', '.join(strays)} for I{image_id}")
    if not target.is_file():
        raise QuarantinedScan(f"no image: dcm2niix made nothing of I{image_id}")
    try:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(target.read_bytes()))
        voxels = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, WrapStructError) as error:
        raise QuarantinedScan(f"unreadable image: the NIfTI made of I{image_id} is damaged") from error
    if voxels.ndim != 3:
        raise QuarantinedScan(f"not a volume: I{image_id} has {voxels.ndim} dimensions")
    if not np.isfinite(image.affine).all() or np.linalg.det(image.affine) == 0:
        raise QuarantinedScan(f"bad affine: I{image_id} has no position in space")
    check_size(voxels.shape, np.linalg.norm(image.affine[:3, :3], axis=0), image_id)
    if is_dicom and voxels.size != (expected := expected_voxels(source, image_id)):
        raise QuarantinedScan(f"slices lost: I{image_id} has {voxels.size} voxels, its DICOM files hold {expected}")
    if voxels.min() == voxels.max():
        raise QuarantinedScan(f"empty image: every voxel of I{image_id} has the same value")
    for field in TEXT_FIELDS:
        image.header[field] = b""
    image.header.extensions.clear()
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def check_size(shape: tuple[int, ...], steps: np.ndarray, image_id: str) -> None:
    """Args:
        steps: edges of a voxel, mm.

    Raises:
        QuarantinedScan: the voxels are far from cubes, or the volume is no head.
    """
    voxel = " x ".join(f"{step:.3g}" for step in steps)
    if steps.max() > MOST_ANISOTROPIC * steps.min():
        raise QuarantinedScan(f"implausible geometry: the voxels of I{image_id} have {voxel} mm")
    extent = np.multiply(shape, steps)
    if extent.min() < EXTENT_MM[0] or extent.max() > EXTENT_MM[1]:
        size = " x ".join(f"{length:.0f}" for length in extent)
        raise QuarantinedScan(f"implausible geometry: I{image_id} covers {size} mm")
