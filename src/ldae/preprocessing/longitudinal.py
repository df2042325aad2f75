"""A subject's own mean, to which its visits are registered before the mean goes to the template.

No visit is the reference, so that a change between visits is not the error of two separate registrations (Reuter et
al. 2012, doi 10.1016/j.neuroimage.2012.02.084). The mean is made twice; after each round the visits are re-centred,
so that the average of their transforms is the identity.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.linalg import expm, logm

from ldae.config import Registration
from ldae.core.errors import QuarantinedScan
from ldae.core.files import atomic_path
from ldae.preprocessing.antspy import affine_of, load_ants, require_whole, strictly, to_ants
from ldae.preprocessing.registration import Alignment, at_resolution, itk_transform, matrix_of, register

ROUNDS = 2
MARGIN_MM = 10.0


@dataclass(frozen=True)
class SubjectMean:
    """Where a subject's mean and its way to the template lie.

    Attributes:
        root: results/derivatives/ldae-preproc.
    """

    root: Path
    participant_id: str

    def file(self, entities: str) -> Path:
        """A file of the subject; ``entities``: what follows the subject in its BIDS name."""
        return self.root / self.participant_id / "anat" / f"{self.participant_id}_{entities}"

    @property
    def image(self) -> Path:
        """The mean itself."""
        return self.file("desc-mean_T1w.nii.gz")

    def transforms(self, transform: str) -> list[Path]:
        """Files of the way from the mean to the template, in the order of ``ants.apply_transforms``."""
        affine = self.file("from-mean_mode-image_xfm.mat")
        return [self.file("from-mean_mode-image_warp.nii.gz"), affine] if transform == "syn" else [affine]

    def visit(self, session_id: str) -> Path:
        """4x4, R-A-S mm of the visit -> R-A-S mm of the mean."""
        return self.file(f"{session_id}_from-T1w_to-mean_mode-image_xfm.txt")

    def needed(self, transform: str, sessions: list[str]) -> list[Path]:
        """What the visits read."""
        return [*self.transforms(transform), *map(self.visit, sessions)]

    @property
    def scratch(self) -> Path:
        """Folder of one attempt; it is removed afterwards."""
        return self.file("").with_name(f".tmp-{os.getpid()}-{self.participant_id}_mean")


def mean_of(
    brains: list[nib.Nifti1Image], settings: Registration, scratch: Path
) -> tuple[nib.Nifti1Image, list[np.ndarray]]:
    """The mean of a subject's brains and, for each of them, 4x4 R-A-S mm of the visit -> R-A-S mm of the mean.

    Raises:
        QuarantinedScan: ANTs failed on a visit.
    """
    first = at_resolution(to_ants(brains[0]), settings.resolution_mm)
    to_mean = centred([np.eye(4)] + [rigid(first, brain, settings, scratch) for brain in brains[1:]])
    for _ in range(ROUNDS):
        mean = average(brains, to_mean, settings)
        to_mean = centred([rigid(mean, brain, settings, scratch) for brain in brains])
    mean = average(brains, to_mean, settings)
    return nib.Nifti1Image(mean.numpy(), affine_of(mean)), to_mean


def rigid(fixed: Any, brain: nib.Nifti1Image, settings: Registration, scratch: Path) -> np.ndarray:
    """4x4, R-A-S mm of ``brain`` -> R-A-S mm of ``fixed``."""
    ants = load_ants()
    scratch.mkdir(parents=True, exist_ok=True)
    moving = at_resolution(to_ants(brain), settings.resolution_mm)
    try:
        found = strictly(
            ants.registration, fixed=fixed, moving=moving, type_of_transform="Rigid", outprefix=f"{scratch}{os.sep}"
        )
        return np.linalg.inv(matrix_of(ants.read_transform(found["fwdtransforms"][0])))
    except (RuntimeError, ValueError) as error:
        raise QuarantinedScan(f"registration failed: {str(error).splitlines()[0]}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def centred(matrices: list[np.ndarray]) -> list[np.ndarray]:
    """The same relative transforms, moved so that the mean of their logarithms vanishes."""
    matrices = list(matrices)
    for _ in range(10):
        drift = expm(-np.mean([logm(matrix).real for matrix in matrices], axis=0))
        matrices = [drift @ matrix for matrix in matrices]
        if np.abs(drift - np.eye(4)).max() < 1e-9:
            break
    return matrices


def average(brains: list[nib.Nifti1Image], to_mean: list[np.ndarray], settings: Registration) -> Any:
    """Mean of the brains, each divided by its median, on an isotropic R-A-S grid that holds all of them."""
    places = [points_of(brain, matrix) for brain, matrix in zip(brains, to_mean, strict=True)]
    low = np.min([place.min(axis=1) for place in places], axis=0) - MARGIN_MM
    high = np.max([place.max(axis=1) for place in places], axis=0) + MARGIN_MM
    spacing = max(settings.resolution_mm, 1.0)
    affine = np.diag([spacing] * 3 + [1.0])
    affine[:3, 3] = low
    grid = to_ants(nib.Nifti1Image(np.zeros(np.ceil((high - low) / spacing).astype(int), np.float32), affine))
    total: Any = sum(moved(brain, matrix, grid) for brain, matrix in zip(brains, to_mean, strict=True))
    return grid.new_image_like((total / len(brains)).astype(np.float32))


def points_of(brain: nib.Nifti1Image, matrix: np.ndarray) -> np.ndarray:
    """(3, n) mm of the brain's voxels after ``matrix``."""
    voxels = np.argwhere(np.asanyarray(brain.dataobj) > 0)
    return (matrix @ brain.affine @ np.c_[voxels, np.ones(len(voxels))].T)[:3]


def moved(brain: nib.Nifti1Image, matrix: np.ndarray, grid: Any) -> np.ndarray:
    """``brain`` over its median, resampled linearly onto ``grid``."""
    data = brain.get_fdata(dtype=np.float32)
    transform = itk_transform(matrix)
    resampled = transform.apply_to_image(to_ants(brain), grid, interpolation="linear").numpy()
    return resampled / np.median(data[data > 0])


def save_mean(
    files: SubjectMean, mean: nib.Nifti1Image, to_mean: dict[str, np.ndarray], settings: Registration
) -> None:
    """Register the mean to the template and write all that the visits need."""
    alignment = register(mean, settings, files.scratch)
    try:
        for source, target in zip(alignment.transforms, files.transforms(settings.transform), strict=True):
            with atomic_path(target) as temporary:
                shutil.copy(source, temporary)
    finally:
        alignment.discard()
    for session, matrix in to_mean.items():
        with atomic_path(files.visit(session)) as temporary:
            np.savetxt(temporary, matrix, fmt="%.12g")


def alignment_of_visit(files: SubjectMean, session_id: str, settings: Registration, scratch: Path) -> Alignment:
    """The way of one visit through the subject's mean to the template."""
    ants = load_ants()
    scratch.mkdir(parents=True, exist_ok=True)
    to_mean = np.loadtxt(files.visit(session_id))
    own = scratch / "visit.mat"
    ants.write_transform(itk_transform(to_mean), str(own))
    require_whole(own)
    transforms = files.transforms(settings.transform)
    to_template = np.linalg.inv(matrix_of(ants.read_transform(str(transforms[-1]))))
    return Alignment(to_template @ to_mean, [*map(str, transforms), str(own)], scratch)
