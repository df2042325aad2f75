"""Step 3a: the brain to the template with ANTs (Avants et al. 2011): affine, rigid or SyN."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ldae.config import Registration
from ldae.core.errors import MachineError, QuarantinedScan
from ldae.preprocessing.antspy import RAS_TO_LPS, affine_of, load_ants, require_whole, strictly
from ldae.preprocessing.search import search


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


def log_jacobian(warp: Path) -> nib.Nifti1Image:
    """log of the Jacobian determinant of a SyN displacement field, on the field's grid.

    Positive where the subject's tissue is larger than the template's, after the affine part was taken out.
    """
    ants = load_ants()
    domain = ants.image_read(str(warp)).split_channels()[0]
    found = strictly(ants.create_jacobian_determinant_image, domain, str(warp), do_log=True)
    return nib.Nifti1Image(found.numpy(), affine_of(found))
