"""A phantom as a scan, with all that the studies of preprocessing compare with."""

from dataclasses import dataclass, replace
from unittest.mock import patch

import nibabel as nib
import numpy as np

from ldae.phantom import scan as phantom_scan
from ldae.phantom.anatomy import Anatomy
from ldae.phantom.population import draw_subject
from ldae.phantom.scan import make_scan
from ldae.phantom.scanner import draw_acquisition, inhomogeneity

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
    subject, fields = draw_subject(SEED, rid), []

    def drawn(seed, rid, session, site, age):
        own = draw_acquisition(seed, rid, session, site, age)
        if contrast_of is None:
            return own
        other = draw_acquisition(seed, rid, contrast_of, site, age)
        return replace(other, **{name: getattr(own, name) for name in FROM_THE_COIL_AND_THE_BED})

    def kept(*arguments):
        fields.append(inhomogeneity(*arguments))
        return fields[-1]

    with patch.object(phantom_scan, "draw_acquisition", drawn), patch.object(phantom_scan, "inhomogeneity", kept):
        scan = make_scan(anatomy, subject, months, session, SEED, voxel_mm)
    image = nib.Nifti1Image(scan.image.astype(np.float32), scan.affine)
    return Phantom(image, scan.labels > 0, scan.to_template, fields[0], scan.truth)


def pose_error_mm(found: np.ndarray, true: np.ndarray, points: np.ndarray) -> float:
    """Mean distance (mm) between where two 4x4 put the same points (4, n)."""
    return float(np.linalg.norm(((found - true) @ points)[:3], axis=0).mean())
