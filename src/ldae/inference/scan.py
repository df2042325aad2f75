"""A scan on a model's grid, whose origin is known; and an array that claims to be one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ldae.config import Conform, Preprocessing
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.conform import grid_affine

SAME_MM = 1e-3  # grids nearer to each other than this are one
GENERATED = b"made by LDAE, not a scan"  # in the NIfTI header of what was decoded


@dataclass(frozen=True)
class Scan:
    """A volume on the grid of a model: brain alone, R-A-S, in [0, 1].

    Attributes:
        volume: (X, Y, Z) float32.
        affine: (4, 4) indices -> R-A-S MNI mm.
        name: ``sub-<participant>_ses-<session>``, which keys the scan's own noise.
        source: what it was made of: a file, an array, or codes.
        generated: decoded from codes; it is not a scan.
        qc: quality control of its preprocessing; empty where there was none.
    """

    volume: np.ndarray = field(repr=False)
    affine: np.ndarray = field(repr=False)
    name: str
    source: str
    generated: bool = False
    qc: Mapping[str, Any] = field(default_factory=dict)

    def to_nifti(self) -> nib.Nifti1Image:
        """The volume as NIfTI in MNI space (float32); a generated one says so in its header."""
        image = nib.Nifti1Image(np.asarray(self.volume, dtype=np.float32), self.affine)
        image.header.set_xyzt_units("mm")
        image.set_qform(self.affine, code="mni")
        image.set_sform(self.affine, code="mni")
        if self.generated:
            image.header["descrip"] = GENERATED
        return image


def scan_of_file(path: Path, grid: Conform, name: str, source: str, qc: Mapping[str, Any]) -> Scan:
    """A volume that :mod:`ldae.preprocessing` wrote, rounded as the workflow's store does."""
    from ldae.preprocessing.pack import in_256_steps, read_volume

    volume = in_256_steps(read_volume(path)).astype(np.float32) / 255
    return Scan(volume, grid_affine(grid), name, source, qc=qc)


def scan_of_array(array: Any, affine: Any, settings: Preprocessing, name: str) -> Scan:
    """A volume that was preprocessed elsewhere, on the grid of the model.

    Args:
        array: (X, Y, Z) in [0, 1], the brain alone.
        affine: (4, 4) its indices -> R-A-S MNI mm.

    Raises:
        QuarantinedScan: it is not such a volume: another number of axes, values outside [0, 1], no finite ones, an
            affine that cannot be one, or no brain where MNI space has it.
    """
    from ldae.preprocessing.pack import in_256_steps

    values, place = checked(array), checked_affine(affine)
    image = nib.as_closest_canonical(nib.Nifti1Image(values, place))
    volume: np.ndarray = np.asarray(image.dataobj, dtype=np.float32)
    grid = grid_affine(settings.conform)
    if volume.shape != settings.conform.shape or np.abs(image.affine - grid).max() > SAME_MM:
        volume = resampled(volume, image.affine, settings.conform)
    volume = in_256_steps(volume).astype(np.float32) / 255
    require_brain(volume, settings)
    return Scan(volume, grid, name, f"array of {' x '.join(map(str, values.shape))}")


def checked(array: Any) -> np.ndarray:
    """Float32 values in [0, 1], three axes."""
    values = np.asarray(array)
    if values.dtype.kind not in "buif":
        raise QuarantinedScan(f"an array of {values.dtype} is no volume")
    if values.ndim != 3 or min(values.shape) < 2:
        raise QuarantinedScan(f"the array has shape {values.shape}, and a volume has three axes")
    if not np.isfinite(values).all():
        raise QuarantinedScan("the array has values that are not finite")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise QuarantinedScan(
            f"the array reaches from {low:g} to {high:g}, and a preprocessed volume from 0 to 1: give the raw scan to "
            "`preprocess`, or scale it as the model's recipe does"
        )
    if low == high:
        raise QuarantinedScan(f"constant array: every voxel is {low:g}")
    return values.astype(np.float32)


def checked_affine(affine: Any) -> np.ndarray:
    """(4, 4) that can be inverted."""
    matrix = np.asarray(affine, dtype=float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise QuarantinedScan("the affine is no 4 x 4 matrix from indices to millimetres that can be inverted")
    return matrix


def resampled(volume: np.ndarray, affine: np.ndarray, grid: Conform) -> np.ndarray:
    """A volume on the grid of the model, linearly, 0 outside; smoothed first where the grid is the coarser one."""
    from scipy import ndimage

    own, target = np.linalg.norm(affine[:3, :3], axis=0), grid.spacing_mm
    sigma = np.where(target > own, target / own / 2.355, 0)
    mapping = np.linalg.inv(affine) @ grid_affine(grid)
    smooth = ndimage.gaussian_filter(volume, sigma)
    return ndimage.affine_transform(smooth, mapping[:3, :3], mapping[:3, 3], grid.shape, order=1).astype(np.float32)


def require_brain(volume: np.ndarray, settings: Preprocessing) -> None:
    """A brain, and nothing else, lies where the template's lies.

    Raises:
        QuarantinedScan: it does not, by the limits of quality control.
    """
    from ldae.preprocessing.quality import LIMITS, alignment_metrics, verdict
    from ldae.preprocessing.registration_template import template_of

    affine = grid_affine(settings.conform)
    image, mask = (nib.Nifti1Image(data, affine) for data in (volume, (volume > 0).astype(np.uint8)))
    if not (volume > 0).any():
        raise QuarantinedScan("nothing of the volume lies in the box of the model")
    metrics = alignment_metrics(image, mask, template_of(settings.registration))
    limits = {**LIMITS, **settings.quality.limits}
    flag, reason = verdict(metrics, {name: limits[name] for name in metrics}, only=True)
    if flag == "fail":
        raise QuarantinedScan(f"no skull-stripped brain in its place in MNI space: {reason}")
