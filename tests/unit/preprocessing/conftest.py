"""Small heads made from the MNI152 template that nilearn's wheel carries: a brain, and the brain in a plain skull."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.preprocessing.template import load_template

SPACING_MM = 3.0


@pytest.fixture(scope="session")
def brain() -> nib.Nifti1Image:
    """The template at 3 mm, axes R-A-S, intensities 0 ... 255."""
    template = load_template().brain
    smooth = ndimage.uniform_filter(template.get_fdata(dtype=np.float32), int(SPACING_MM))
    step = int(SPACING_MM)
    data = np.ascontiguousarray(smooth[::step, ::step, ::step])
    return nib.Nifti1Image(data, template.affine @ np.diag([SPACING_MM] * 3 + [1]))


@pytest.fixture(scope="session")
def head(brain) -> nib.Nifti1Image:
    """The brain in dark cerebrospinal fluid, dark bone and bright scalp, with noise in the air."""
    data = np.pad(brain.get_fdata(dtype=np.float32), 8)
    distance = ndimage.distance_transform_edt(data < 20) * SPACING_MM
    shells = np.select([distance <= 3, distance <= 9, distance <= 15], [50.0, 15.0, 230.0], 0.0)
    noise = np.abs(np.random.default_rng(0).normal(0, 4, data.shape))
    affine = brain.affine.copy()
    affine[:3, 3] -= 8 * SPACING_MM
    return nib.Nifti1Image((np.where(data >= 20, data, shells) + noise).astype(np.float32), affine)


@pytest.fixture(scope="session")
def true_mask(head, brain) -> np.ndarray:
    """The brain inside ``head``: template voxels above zero, filled."""
    return ndimage.binary_fill_holes(np.pad(brain.get_fdata() >= 20, 8))
