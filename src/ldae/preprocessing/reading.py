"""Reading a scan that may be broken. nibabel reads in full; ANTs would fill a truncated file with zeros in silence."""

import math
import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.core.errors import QuarantinedScan
from ldae.core.files import digest, sha256_file
from ldae.preprocessing.background import as_zero, check_noise, shifted
from ldae.preprocessing.orientation import check_orientation, given_orientation, has_orientation

SMALLEST_SIDE = 32  # voxels
THINNEST_MM, COVERED_MM = 0.3, 160.0  # a head's slices times their thickness: 32 of 5 mm
FIELD_OF_VIEW_MM = (90.0, 450.0)
MOST_VOXELS = 1e9
MOST_UNCHECKED, MOST_PACKED = 2**28, 100  # bytes of voxels, and how many times the size of their file they may have
FINITE_FRACTION = 0.999
LARGEST_HOLE = 100  # voxels without a value that lie together; what computing leaves is scattered
SPIKE_FACTOR = 1000  # maximum over 99th percentile; magnitude images stay below 10
LOOKED_AT, FEWEST_VALUES = 200_000, 16  # voxels, evenly spread; a scan of 8 bits has more than a hundred values
WRAPPED_FRACTION = 1e-3
UNITS_MM = {"metres": 1e3, "micrometres": 1e-3}
GZIP = b"\x1f\x8b"
HEADER_SIZES = {
    size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big")
}  # NIfTI begins with its own
OTHER_FORMATS = (
    "a NIfTI, MGH or Analyze file is read; convert others (.nrrd, .mha, .mnc, .mif, a DICOM file) to NIfTI first"
)
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    TypeError,
    KeyError,
    np.linalg.LinAlgError,
    zlib.error,
    nib.orientations.OrientationError,
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
)


def read_scan(path: str | Path) -> nib.Nifti1Image:
    """A 3-D float32 image with finite values, axes as on disk: a template, or what was made of a scan.

    Raises:
        QuarantinedScan: the file cannot be read to its end, or it is not a usable volume; the message says why.
    """
    data, affine = voxels(path, None, min_slices=1)
    return nib.Nifti1Image(finite(data), affine)


def read_given(
    path: str | Path, orientation: str | None = None, min_slices: int = SMALLEST_SIDE
) -> tuple[nib.Nifti1Image, dict[str, float]]:
    """A scan as somebody gives it, with what had to be done to its intensities.

    Args:
        orientation: of the voxel axes (``LAS``: first axis to the left, second to the front, third upwards), used where
            the header has none.
        min_slices: fewest voxels along an axis; slices may be as thick as so many need to hold a head
            (:data:`COVERED_MM`).

    Returns:
        A 3-D float32 image with finite values, axes as on disk; and ``filled``, the fraction of voxels that marked the
        background (NaN, -32768) and are 0 now, and ``offset``, the level of an air below zero that was taken away, over
        the 99th percentile: 0 in nearly every scan.

    Raises:
        QuarantinedScan: the file cannot be read to its end, or it is not a usable T1w volume; the message says why.
    """
    data, affine = voxels(path, orientation, min_slices)
    data, filled = as_zero(data)
    data = finite(data)
    check_intensities(data)
    data, offset = shifted(data)
    check_noise(data)
    return nib.Nifti1Image(data, affine), {"filled": filled, "offset": offset}


def voxels(path: str | Path, orientation: str | None, min_slices: int) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, Z) float32 and the 4x4 affine of a file, as :func:`read_given` takes them.

    Raises:
        QuarantinedScan: the file cannot be read to its end, or it does not hold a head on a usable grid.
    """
    try:
        image = cast(nib.spatialimages.SpatialImage, nib.load(path))
        check_voxel_size(image, path)
        check_size(image.shape)
        check_unpacked(path, image)
        data = np.squeeze(np.asanyarray(image.dataobj))
    except UNREADABLE as error:
        raise QuarantinedScan(f"unreadable: {why_unreadable(Path(path), error)}") from error
    if data.dtype.fields is not None or np.iscomplexobj(data):
        raise QuarantinedScan(f"not a scalar image: voxels of type {image.get_data_dtype()}")
    if data.ndim != 3:
        raise QuarantinedScan(f"not three-dimensional: shape {data.shape}; give the file of one T1-weighted volume")
    if orientation and not has_orientation(image):
        affine = given_orientation(orientation, data.shape, image.header.get_zooms()[:3])
    else:
        check_orientation(image)
        affine = image.affine
    try:
        check_geometry(affine, data.shape, min_slices)
    except QuarantinedScan:
        check_units(image)
        raise
    return data.astype(np.float32), affine


def why_unreadable(path: Path, error: Exception) -> str:
    """What the library says, and what to do where the name is what is wrong."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, EOFError | zlib.error):
        return f"{said}; the file was cut off or damaged on its way: copy or download it again"
    if not path.is_file() or not isinstance(error, nib.filebasedimages.ImageFileError):
        return said
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return "the file is empty: copy or download it again"
    if start.startswith(b"<"):
        return "the file is a web page, such as one that asks to log in: download the scan again"
    if start == b"vers":
        return "the file is a pointer of Git LFS, not the scan: run `git lfs pull` where it comes from"
    if path.suffix == ".nii" and start.startswith(GZIP):
        return f"the file is packed by gzip: name it {path.name}.gz"
    if path.name.endswith(".nii.gz") and start in HEADER_SIZES:
        return f"the file is not packed by gzip: name it {path.name.removesuffix('.gz')}"
    if path.name.endswith(".gz") and not start.startswith(GZIP):
        return "the file is neither packed by gzip, as its name says, nor an image: copy or download it again"
    return f"{said}; {OTHER_FORMATS}" if "work out file type" in said else said


def finite(data: np.ndarray) -> np.ndarray:
    """The data with a few voxels that are not finite set to 0.

    Raises:
        QuarantinedScan: there are more, or all voxels are the same.
    """
    known = np.isfinite(data)
    if known.mean() < FINITE_FRACTION:
        raise QuarantinedScan(f"{1 - known.mean():.1%} of the voxels are not finite, and they are not the background")
    if (hole := largest_part(~known)) > LARGEST_HOLE:
        raise QuarantinedScan(
            f"a hole of {hole:,} voxels that are not finite: part of the head is lost; export it again"
        )
    data = np.where(known, data, 0).astype(np.float32)
    if data.min() == data.max():
        raise QuarantinedScan(f"constant image: every voxel is {data.flat[0]:g}")
    return data


def largest_part(marks: np.ndarray) -> int:
    """Voxels of the largest connected part; 0 where nothing is marked."""
    return int(np.bincount(ndimage.label(marks)[0].ravel())[1:].max(initial=0)) if marks.any() else 0


def files_of_scan(path: Path) -> list[Path]:
    """The file itself, or those of a pair (``.hdr``, ``.img``, SPM's ``.mat``), whichever of them is named."""
    packed = ".gz" if path.suffix == ".gz" else ""
    stem = path.name.removesuffix(packed)
    if Path(stem).suffix.lower() not in (".hdr", ".img"):
        return [path]
    names = [stem[:-4] + suffix + packed for suffix in (".hdr", ".img")] + [stem[:-4] + ".mat"]
    return [path.with_name(name) for name in names if path.with_name(name).is_file()] or [path]


def sha256_of_scan(path: Path) -> str:
    """Of its file; of a pair, what stands for all of its files."""
    files = files_of_scan(path)
    return sha256_file(path) if files == [path] else digest([sha256_file(file) for file in files])


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


def check_units(image: nib.spatialimages.SpatialImage) -> None:
    """Raises:
    QuarantinedScan: the header gives its lengths in metres or micrometres, which other programs take for millimetres.
    """
    if isinstance(image, nib.Nifti1Pair) and (unit := image.header.get_xyzt_units()[0]) in ("meter", "micron"):
        raise QuarantinedScan(
            f"the header gives lengths in {unit}s (xyzt_units): write it in mm, with a voxel size of "
            f"{THINNEST_MM} mm to {COVERED_MM / SMALLEST_SIDE:g} mm"
        )


def check_size(shape: tuple[int, ...]) -> None:
    """Before the voxels are read: a damaged header may ask for more memory than any machine has.

    Raises:
        QuarantinedScan: there are more voxels than any scan of a head has.
    """
    if math.prod(shape) > MOST_VOXELS:
        raise QuarantinedScan(f"too large: shape {tuple(map(int, shape))}, at most {MOST_VOXELS:.0e} voxels")


def check_unpacked(path: str | Path, image: nib.spatialimages.SpatialImage) -> None:
    """Before the voxels are unpacked: a scan of a head does not shrink to a hundredth, noise cannot.

    Raises:
        QuarantinedScan: a small file claims to unpack to very much.
    """
    unpacked = math.prod(image.shape) * image.get_data_dtype().itemsize
    packed = sum(file.stat().st_size for file in files_of_scan(Path(path)))
    if unpacked > max(MOST_UNCHECKED, MOST_PACKED * packed):
        sizes = f"{packed / 1e6:.1f} MB cannot unpack to the {unpacked / 1e9:.1f} GB"
        raise QuarantinedScan(f"no scan: its {sizes} that its header claims")


def check_intensities(data: np.ndarray) -> None:
    """Raises:
    QuarantinedScan: a few voxels are so bright that bias correction and scaling would see nothing else, unsigned values
        were read as signed ones, or there are as few values as labels have.
    """
    usual = float(np.percentile(np.abs(data), 99))
    extreme = float(np.abs(data).max())
    if usual == 0:
        raise QuarantinedScan("99 % of the voxels are zero: not a head")
    if extreme > SPIKE_FACTOR * usual:
        times = f"{extreme / usual:.0f} x the 99th percentile"
        raise QuarantinedScan(f"extreme intensities: the largest, {extreme:g}, is {times}")
    values = np.unique(data.ravel()[:: max(1, data.size // LOOKED_AT)])
    if len(values) < FEWEST_VALUES:
        raise QuarantinedScan(
            f"only {len(values)} different values: a mask or a map of tissues, not an image of a head"
        )
    steps = np.abs(np.diff(data, axis=0))
    for bits in (8, 16):
        jumps = steps > 0.75 * 2**bits  # of all that the bits hold
        if extreme <= 2**bits / 2 and jumps.mean() > WRAPPED_FRACTION:
            raise QuarantinedScan(
                f"bright voxels lie far below zero, beside others at the upper end of {bits} bits: unsigned values "
                "were read as signed ones; convert the scan again"
            )


def check_geometry(affine: np.ndarray, shape: tuple[int, ...], min_slices: int = SMALLEST_SIDE) -> None:
    """Raises:
    QuarantinedScan: the affine is not a rotation times voxel sizes of a human head.
    """
    if min(shape) < min_slices:
        raise QuarantinedScan(
            f"too few slices: shape {shape}, at least {min_slices} along every axis (preprocessing.min_slices)"
        )
    axes = affine[:3, :3]
    zooms = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or zooms.min() == 0 or abs(np.linalg.det(axes / zooms)) < 1e-3:
        raise QuarantinedScan(
            "the affine of the header cannot be inverted: an axis has no length or no direction of its own; convert "
            "the scan again"
        )
    thickest = COVERED_MM / min_slices
    if zooms.min() < THINNEST_MM or zooms.max() > thickest:
        sizes = f"voxel size [{', '.join(f'{zoom:.3g}' for zoom in zooms)}] mm outside {THINNEST_MM}-{thickest:.3g} mm"
        for unit, mm in UNITS_MM.items():
            if mm * zooms.min() >= THINNEST_MM and mm * zooms.max() <= thickest:
                raise QuarantinedScan(f"{sizes}: the header seems to give it in {unit}; write it in mm")
        if zooms.min() < THINNEST_MM:
            raise QuarantinedScan(
                f"{sizes}: finer than a head is scanned; look at the voxel size in the header, and if it is right "
                "resample the scan to 1 mm, such as with nibabel.processing.resample_to_output"
            )
        raise QuarantinedScan(f"{sizes} (preprocessing.min_slices says how thick slices may be)")
    cosines = axes / zooms
    if not np.allclose(cosines.T @ cosines, np.eye(3), atol=1e-2):
        raise QuarantinedScan(
            "the axes of the voxel grid are not at right angles (the affine in the header is sheared)"
        )
    extent = zooms * shape
    if extent.min() < FIELD_OF_VIEW_MM[0] or extent.max() > FIELD_OF_VIEW_MM[1]:
        advice = (
            "look at the voxel size in the header, and if it is right crop the image to the head"
            if extent.max() > FIELD_OF_VIEW_MM[1]
            else "look at the voxel size in the header, and whether the image holds a whole head"
        )
        raise QuarantinedScan(
            f"field of view {np.round(extent).astype(int).tolist()} mm is not that of a head "
            f"({FIELD_OF_VIEW_MM[0]:.0f} to {FIELD_OF_VIEW_MM[1]:.0f} mm along each axis): {advice}"
        )
