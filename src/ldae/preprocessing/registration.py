"""Step 3a: the brain to the template with ANTs (Avants et al. 2011): affine, rigid, or SyN in little memory and time.

A linear search that went astray starts anew from other rotations. SyN is ANTs' own preset (``type_of_transform="SyN"``
of antspyx: the same metrics and numbers) but for three things, which take its memory at 1 mm to less than half:

- Its affine stage sees both brains at 2 mm, and starts anew like any other.
- Both brains are cropped to their bounding box with a margin. The displacement is zero on the border of that box, as
  ANTs makes it, and outside.
- Levels that make no step are left out. The preset ends with one at the full resolution, which does nothing but sample
  the displacement there, in eight times the memory; the displacement stays on the grid of its last real level.
"""

import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ldae.config import Registration
from ldae.core.errors import MachineError, QuarantinedScan
from ldae.preprocessing.antspy import RAS_TO_LPS, affine_of, load_ants, require_whole, strictly, to_ants
from ldae.preprocessing.quality import LIMITS, placed_metrics, verdict
from ldae.preprocessing.registration_template import Template, template_of
from ldae.preprocessing.starts import SEARCH_MM, best_starts

LINEAR = {"affine": "Affine", "rigid": "Rigid"}
MARGIN_MM = 15.0  # twice the standard deviation of SyN's smoothing at its coarsest level, 4 mm
AFFINE_MM = 2.0  # of SyN's first stage
JUDGED = {
    "Affine": ("ncc_template", "dice_template", "volume_ratio", "determinant", "shear"),
    "Rigid": ("ncc_template",),
}
BETTER = 0.01  # by so much, in correlation and Dice together, another start has to be better than the first


@dataclass(frozen=True)
class Alignment:
    """Where a scan lies in the template.

    Attributes:
        native_to_template: 4x4, R-A-S mm of the scan -> R-A-S mm of the template (the affine part).
        transforms: ANTs transform files in the order of ``ants.apply_transforms``.
        folder: scratch folder that holds them; the caller removes it.
    """

    native_to_template: np.ndarray
    transforms: list[str]
    folder: Path

    @property
    def determinant(self) -> float:
        """Volume in template space per native volume."""
        return float(np.linalg.det(self.native_to_template[:3, :3]))

    @property
    def warp(self) -> Path | None:
        """The SyN displacement field, when there is one."""
        return next((Path(name) for name in self.transforms if name.endswith(".nii.gz")), None)

    def discard(self) -> None:
        """Remove the scratch folder with its transforms."""
        shutil.rmtree(self.folder, ignore_errors=True)


def register(brain: nib.Nifti1Image, settings: Registration, scratch: Path | None = None) -> Alignment:
    """Search the transform with both brains at ``resolution_mm``.

    Args:
        scratch: a folder that does not exist, for ANTs' files; none: one in the system's temporary folder.

    Raises:
        QuarantinedScan: ANTs failed on this scan.
        MachineError: ANTs left a file that is not whole.
    """
    folder = scratch or Path(tempfile.mkdtemp(prefix="ldae-register-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        transforms = search(brain, settings, folder)
        for name in transforms:
            require_whole(Path(name))
    except MachineError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except (RuntimeError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise QuarantinedScan(f"registration failed: {str(error).splitlines()[0]}") from error
    matrix = next(name for name in transforms if name.endswith(".mat"))
    return Alignment(np.linalg.inv(matrix_of(load_ants().read_transform(matrix))), transforms, folder)


def matrix_of(transform: Any) -> np.ndarray:
    """4x4 in R-A-S mm of an ITK affine (template point -> native point): y = A (x - c) + t + c."""
    parameters, centre = np.asarray(transform.parameters), np.asarray(transform.fixed_parameters)
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + centre - matrix[:3, :3] @ centre
    return RAS_TO_LPS @ matrix @ RAS_TO_LPS


def shear_of(matrix: np.ndarray) -> float:
    """Largest cosine between two axes of the affine: 0 for a rotation with scales."""
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def stretch_of(matrix: np.ndarray) -> float:
    """How many times more the affine enlarges one direction than another: 1 for a rotation with one scale."""
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return float(scales[0] / scales[-1])


def turn_of(matrix: np.ndarray) -> float:
    """Degrees by which the affine turns a head: its tilt, and more where the header turns or swaps axes."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    cosine = (np.trace(left @ right) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def log_jacobian(warp: Path) -> nib.Nifti1Image:
    """log of the Jacobian determinant of a SyN displacement field, on the field's grid.

    Positive where the subject's tissue is larger than the template's, after the affine part was taken out.
    """
    ants = load_ants()
    domain = ants.image_read(str(warp)).split_channels()[0]
    found = strictly(ants.create_jacobian_determinant_image, domain, str(warp), do_log=True)
    return nib.Nifti1Image(found.numpy(), affine_of(found))


def search(brain: nib.Nifti1Image, settings: Registration, folder: Path) -> list[str]:
    """Transform files in ``folder``, in the order of ``ants.apply_transforms``: template point -> native point.

    Raises:
        RuntimeError, ValueError: ANTs failed on this scan.
    """
    template, spacing = template_of(settings), settings.resolution_mm
    if settings.transform in LINEAR:
        return [linear_search(brain, template, LINEAR[settings.transform], spacing, folder)]
    affine = linear_search(brain, template, "Affine", max(AFFINE_MM, spacing), folder)
    return [syn_search(brain, template, settings, affine, folder), affine]


def linear_search(brain: nib.Nifti1Image, template: Template, kind: str, spacing: float, folder: Path) -> str:
    """The file of an affine or rigid transform.

    ANTs starts with the centres of mass on each other. Where quality control would not pass what comes of it (of a
    rigid search: its correlation), the search starts from other rotations, up to the first that passes; the best stays.
    """
    final = f"{folder}{os.sep}0GenericAffine.mat"
    first = linear_stage(brain, template, kind, spacing, folder / "first-", None)
    best, (score, usable) = first, judged(brain, template, first, kind)
    if not usable:
        for number, start in enumerate(best_starts(brain, template, kind == "Affine")):
            begin = f"{folder}{os.sep}start{number}.mat"
            load_ants().write_transform(itk_transform(start), begin)
            coarse = max(spacing, SEARCH_MM)
            found = linear_stage(brain, template, kind, coarse, folder / f"start{number}-", begin)
            reached, usable = judged(brain, template, found, kind)
            if reached > score + BETTER * (best is first):
                best, score = found, reached
            if usable:
                break
        if best is not first and spacing < SEARCH_MM:
            best = linear_stage(brain, template, kind, spacing, folder / "again-", best)
    os.replace(best, final)
    for unused in (*folder.glob("first-*"), *folder.glob("start*"), *folder.glob("again-*")):
        unused.unlink()
    return final


def linear_stage(
    brain: nib.Nifti1Image, template: Template, kind: str, spacing: float, prefix: Path, start: str | None
) -> str:
    """ANTs' affine or rigid preset with both brains at ``spacing``, from a transform file or from centres of mass."""
    ants = load_ants()
    moving, fixed = at_resolution(to_ants(brain), spacing), fixed_image(template, spacing)
    begin = {"initial_transform": [start]} if start else {}
    found = strictly(
        ants.registration, fixed=fixed, moving=moving, type_of_transform=kind, outprefix=str(prefix), **begin
    )
    require_whole(Path(found["fwdtransforms"][0]))
    return found["fwdtransforms"][0]


def judged(brain: nib.Nifti1Image, template: Template, transform: str, kind: str) -> tuple[float, bool]:
    """Correlation and Dice together, and whether quality control would have nothing to say of :data:`JUDGED`."""
    matrix = np.linalg.inv(matrix_of(load_ants().read_transform(transform)))
    found = placed_metrics(brain, matrix, template) | {"shear": shear_of(matrix)}
    flag = verdict(found, {name: LIMITS[name] for name in JUDGED[kind]}, only=True)[0]
    return found["ncc_template"] + found["dice_template"], flag == "pass"


def itk_transform(matrix: np.ndarray) -> Any:
    """The ITK transform that resamples an image through a 4x4 (R-A-S mm of the image -> of the grid)."""
    inverse = RAS_TO_LPS @ np.linalg.inv(matrix) @ RAS_TO_LPS
    return load_ants().create_ants_transform(
        transform_type="AffineTransform", precision="double", matrix=inverse[:3, :3], translation=inverse[:3, 3]
    )


def syn_search(brain: nib.Nifti1Image, template: Template, settings: Registration, affine: str, folder: Path) -> str:
    """The file of SyN's displacement field, searched from an affine."""
    ants, spacing, prefix = load_ants(), settings.resolution_mm, f"{folder}{os.sep}"
    # by file: of images that it is given in memory ANTs keeps copies
    fixed, moving = f"{prefix}fixed.nii", f"{prefix}moving.nii"
    ants.image_write(at_resolution(to_ants(cropped(template.brain)), spacing), fixed)
    ants.image_write(at_resolution(to_ants(cropped(brain)), spacing), moving)
    for written in (fixed, moving):
        require_whole(Path(written))
    strictly(ants.registration, fixed=syn_arguments(settings, fixed, moving, affine, f"{prefix}syn-"), moving=None)
    warp = f"{prefix}1Warp.nii.gz"
    os.replace(f"{prefix}syn-1Warp.nii.gz", warp)
    for unused in (Path(fixed), Path(moving), *folder.glob("syn-*")):
        unused.unlink()
    return warp


def syn_arguments(settings: Registration, fixed: str, moving: str, affine: str, prefix: str) -> list[str]:
    """Of antsRegistration: the second stage of what antspyx calls SyN, without its empty levels."""
    levels = [(shrink, int(math.log2(shrink)), iterations) for shrink, iterations in syn_levels(settings)]
    return [
        *("--dimensionality", "3", "--float", "1", "-r", affine),
        *("--metric", f"mattes[{fixed},{moving},1,32]", "--transform", "SyN[0.2,3,0]"),
        *schedule(levels, ",1e-7,8"),
        *("-u", "0", "-z", "1", "--output", f"[{prefix}]", "--write-composite-transform", "0"),
    ]


def schedule(levels: Any, convergence: str) -> list[str]:
    """Shrink factors, smoothing (voxels) and iterations of one stage."""
    shrink, smoothing, iterations = ("x".join(map(str, column)) for column in zip(*levels, strict=True))
    limits = f"[{iterations}{convergence}]" if convergence else iterations
    return ["--convergence", limits, "--smoothing-sigmas", smoothing, "--shrink-factors", shrink]


def syn_levels(settings: Registration) -> list[tuple[int, int]]:
    """(shrink factor, iterations) of SyN, none finer than ``resolution_mm``, no empty ones at the end.

    ``syn_iterations`` ends with the entry for 1 mm whatever the resolution; an image at 2 mm has no such level.
    """
    finer = math.ceil(math.log2(settings.resolution_mm))
    iterations = settings.syn_iterations[: max(1, len(settings.syn_iterations) - finer)]
    levels = [(2 ** (len(iterations) - 1 - level), count) for level, count in enumerate(iterations)]
    while len(levels) > 1 and levels[-1][1] == 0:
        levels.pop()
    return levels


def cropped(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The part of an image within :data:`MARGIN_MM` of the bounding box of what is not zero; the place in mm stays."""
    data = image.get_fdata(dtype=np.float32)
    margin = np.ceil(MARGIN_MM / np.linalg.norm(image.affine[:3, :3], axis=0)).astype(int)
    box = []
    for axis in range(3):
        filled = np.flatnonzero(data.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(filled):
            return image
        box.append(slice(max(0, filled[0] - margin[axis]), filled[-1] + 1 + margin[axis]))
    affine = image.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(affine, [part.start for part in box])
    return nib.Nifti1Image(data[tuple(box)], affine)


@cache
def fixed_image(template: Template, resolution_mm: float) -> Any:
    """The template's brain at the resolution of the search, kept for the next scan of the process."""
    return at_resolution(to_ants(template.brain), resolution_mm)


def at_resolution(image: Any, resolution_mm: float) -> Any:
    """Linear resampling to an isotropic grid, never finer than the image is."""
    if min(image.spacing) >= resolution_mm - 1e-3:
        return image
    return strictly(load_ants().resample_image, image, [resolution_mm] * 3, use_voxels=False, interp_type=0)
