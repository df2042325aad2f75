"""Which masks are looked at once more; what that finds in a head that hangs: unit/phantom/test_hanging_heads.py."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.config import BrainExtraction
from ldae.preprocessing.brain_extraction import BACKENDS
from ldae.preprocessing.tilt import POOR, found_turned, found_upright, likeness_of

FAST = BrainExtraction(second_stage=False)


def never(_: nib.Nifti1Image) -> np.ndarray:
    pytest.fail("the brain was looked for again")


def test_a_brain_that_was_found_is_not_looked_for_again(brain):
    data = np.pad(brain.get_fdata(dtype=np.float32), 14)
    middle, turn = (np.array(data.shape) - 1) / 2, Rotation.from_euler("x", 15, degrees=True).as_matrix()
    tilted = nib.Nifti1Image(ndimage.affine_transform(data, turn, middle - turn @ middle, order=1), brain.affine)
    found = (tilted.get_fdata() > 20).astype(np.float32)
    assert found_upright(tilted, found, never) is found
    found[:, :, data.shape[2] // 2 :] = 0
    assert likeness_of(tilted, found) < POOR


def test_a_mask_of_the_turned_head_lies_where_the_head_does(head, true_mask):
    """The network finds this head's brain in any pose."""
    found = found_turned(head, true_mask.astype(np.float32), lambda turned: BACKENDS["deepbet"](turned, FAST), 30.0)
    assert 2 * ((found > 0.5) & true_mask).sum() / ((found > 0.5).sum() + true_mask.sum()) > 0.95


def test_a_mask_that_looks_no_better_turned_stays(head):
    noise = nib.Nifti1Image(np.random.default_rng(0).random(head.shape).astype(np.float32), head.affine)
    empty = np.zeros(noise.shape, np.float32)
    assert found_upright(noise, empty, lambda turned: np.zeros(turned.shape, np.float32)) is empty
