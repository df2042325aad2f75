"""A phantom as a scan, with all that the studies of preprocessing compare with."""

from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from ldae.phantom.anatomy import Anatomy
from ldae.phantom.population import draw_subject, state_at
from ldae.phantom.scan import make_scan
from ldae.phantom.scanner import draw_acquisition

SEED = 7
FROM_THE_COIL_AND_THE_BED = ("rotation", "shift", "noise", "bias")


@dataclass(frozen=True)
class Phantom:
    """A scan and its truth.

    Attributes:
        image: as a scanner writes it.
        brain: bool, on the image's grid.
        pose: 4x4, R-A-S mm of the scan -> R-A-S mm of MNI, without the subject's own shape.
        field: the inhomogeneity that was multiplied in, on the image's grid.
        truth: the phantom's row of truth.tsv.
    """

    image: nib.Nifti1Image
    brain: np.ndarray
    pose: np.ndarray
    field: np.ndarray
    truth: dict

    @property
    def brain_points(self) -> np.ndarray:
        """(4, n) homogeneous R-A-S mm of every hundredth brain voxel, in the scan."""
        voxels = np.argwhere(self.brain)[::100]
        return self.image.affine @ np.c_[voxels, np.ones(len(voxels))].T

    @property
    def brain_points_mni(self) -> np.ndarray:
        return self.pose @ self.brain_points

    def inhomogeneity(self, image: nib.Nifti1Image) -> float:
        """Standard deviation, over the brain, of the log of what is left of the field in a corrected image."""
        data, own = image.get_fdata(dtype=np.float32), self.image.get_fdata(dtype=np.float32)
        usable = self.brain & (own > 0) & (data > 0)
        return float(np.std(np.log(self.field[usable] * data[usable] / own[usable])))


def make_phantom(
    anatomy: Anatomy, rid: int, voxel_mm: float, months: float, session: str, contrast_of: str | None = None
) -> Phantom:
    """Full nuisance.

    Args:
        contrast_of: session whose tissue contrast and gain this one has; pose, inhomogeneity and noise are its own.
    """
    subject = draw_subject(SEED, rid)
    age = state_at(subject, months / 12).age
    own, other = (draw_acquisition(SEED, rid, name, subject.site, age) for name in (session, contrast_of or session))
    acquisition = replace(other, **{name: getattr(own, name) for name in FROM_THE_COIL_AND_THE_BED})
    scan = make_scan(anatomy, subject, months, session, SEED, voxel_mm, acquisition=acquisition)
    image = nib.Nifti1Image(scan.image.astype(np.float32), scan.affine)
    return Phantom(image, scan.labels > 0, scan.to_template, scan.inhomogeneity, scan.truth)


def pose_error_mm(found: np.ndarray, true: np.ndarray, points: np.ndarray) -> float:
    """Mean distance (mm) between where two 4x4 put the same points (4, n)."""
    return float(np.linalg.norm(((found - true) @ points)[:3], axis=0).mean())
