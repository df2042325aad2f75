"""Which way the voxels of a scan lie in the body: from its header, or from what the user states where it says nothing.

A scan whose data were mirrored and whose header was not cannot be told from its mirror image by any registration.
"""

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from scipy.io import loadmat

from ldae.core.errors import QuarantinedScan, UserError

TURN_DEGREES, SIZE_RATIO = 30.0, 1.05  # two matrices of one header that differ more do not mean the same place
SAME_PLACE = (1, 2)  # codes of a matrix in the scanner's space, or aligned to another scan of the subject
ADVICE = "left and right are unknown; if you know them, state --orientation (preprocessing.orientation), such as LAS"


def has_orientation(image: nib.spatialimages.SpatialImage) -> bool:
    """Whether the header says where the voxels lie. Analyze does not; SPM's .mat beside it does."""
    header: Any = image.header
    if isinstance(image, nib.Nifti1Pair):
        return bool(header["qform_code"] > 0 or header["sform_code"] > 0)
    if isinstance(image, nib.AnalyzeImage):
        return "mat" in image.file_map and holds_matrix(image)
    if isinstance(image, nib.MGHImage):
        with image.file_map["image"].get_prepare_fileobj(mode="rb") as handle:  # nibabel sets the flag when it reads
            return int.from_bytes(handle.read(30)[28:], "big") > 0
    return True


def holds_matrix(image: nib.spatialimages.SpatialImage) -> bool:
    """Whether SPM's file beside an Analyze pair has the affine with its flip (``mat``; the older ``M`` is without)."""
    try:
        with image.file_map["mat"].get_prepare_fileobj(mode="rb") as handle:
            content = handle.read()
    except OSError:
        return False
    return bool(content) and "mat" in loadmat(BytesIO(content))


def given_orientation(codes: str, shape: tuple[int, ...], zooms: Any) -> np.ndarray:
    """4x4 voxel -> R-A-S mm of axes that point where ``codes`` says, with the middle of the image at 0 mm."""
    axes = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(axes):
        affine[int(world), axis] = sign * float(zooms[axis])
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def require_no_orientation(path: Path) -> None:
    """An orientation that the user states of a file must not contradict, or repeat, that of its header.

    Raises:
        UserError: the header has one.
    """
    try:
        image = nib.load(path)
    except (OSError, ValueError, EOFError, zlib.error, ImageFileError):
        return  # whoever reads the scan says so
    if isinstance(image, nib.spatialimages.SpatialImage) and has_orientation(image):
        raise UserError(
            f"{path.name} has an orientation of its own ({''.join(nib.aff2axcodes(image.affine))}): leave "
            "--orientation out, or set qform_code and sform_code of the header to 0 if it is wrong."
        )


def check_orientation(image: nib.spatialimages.SpatialImage) -> None:
    """Whether the header places its voxels in a body, in one way.

    Raises:
        QuarantinedScan: there is no orientation, or the two that a NIfTI header can hold disagree.
    """
    if not has_orientation(image):
        nifti = isinstance(image, nib.Nifti1Pair)
        why = "qform and sform codes are 0" if nifti else f"{kind_of(image)} keeps none"
        raise QuarantinedScan(f"the header has no orientation ({why}): {ADVICE}")
    if not isinstance(image, nib.Nifti1Pair):
        return
    found = [image.get_qform(coded=True), image.get_sform(coded=True)]
    places = [matrix for matrix, code in found if code > 0]
    if len(places) < 2 or not all(np.isfinite(place).all() for place in places):
        return  # that an affine cannot be inverted is said by the check of the geometry
    signs = {np.sign(np.linalg.det(place[:3, :3])) for place in places} - {0.0}
    both = f"qform {in_words(places[0])}, sform {in_words(places[1])}; set the wrong one's code to 0"
    if len(signs) == 2:
        raise QuarantinedScan(f"qform and sform of the header disagree about left and right: {both}")
    if not signs:
        return
    turn, ratio = difference(*places)
    registered = any(code not in SAME_PLACE for _, code in found)  # to an atlas: turned and stretched by right
    if turn > (2 * TURN_DEGREES if registered else TURN_DEGREES):
        raise QuarantinedScan(f"qform and sform of the header disagree by a turn of {turn:.0f} degrees: {both}")
    if ratio > SIZE_RATIO and not registered:
        raise QuarantinedScan(f"qform and sform of the header disagree about the size of the voxels: {both}")


def difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Angle in degrees between the axes of two affines, and the largest ratio of their voxel sizes."""
    sizes = [np.linalg.norm(matrix[:3, :3], axis=0) for matrix in (one, other)]
    if min(size.min() for size in sizes) == 0:
        return 0.0, 1.0
    turned = (one[:3, :3] / sizes[0]) @ np.linalg.inv(other[:3, :3] / sizes[1])
    u, _, v = np.linalg.svd(turned)
    cosine = (np.trace(u @ v) - 1) / 2
    ratios = sizes[0] / sizes[1]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))), float(max(ratios.max(), 1 / ratios.min()))


def in_words(affine: np.ndarray) -> str:
    """Axes and voxel sizes of an affine."""
    sizes = " x ".join(f"{size:.3g}" for size in np.linalg.norm(affine[:3, :3], axis=0))
    return f"{''.join(code or '?' for code in nib.aff2axcodes(affine))} {sizes} mm"


def kind_of(image: nib.spatialimages.SpatialImage) -> str:
    """The format in a word."""
    return "MGH without its flag" if isinstance(image, nib.MGHImage) else "Analyze"
