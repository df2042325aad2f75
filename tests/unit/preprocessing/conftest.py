"""Small heads made from the MNI152 template that nilearn's wheel carries: a brain, and the brain in a plain skull."""

from multiprocessing import forkserver, set_forkserver_preload

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.core.runtime import limit_threads
from ldae.preprocessing.registration_template import load_template
from ldae.preprocessing.shard import PRELOAD

SPACING_MM = 3.0


@pytest.fixture(scope="session", autouse=True)
def server_of_workers() -> None:
    """One server for the workers of all tests, with the modules of every step."""
    limit_threads(1)
    set_forkserver_preload(sorted({module for modules in PRELOAD.values() for module in modules}))
    forkserver.ensure_running()


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
