"""A brain that extraction loses where the head hangs forwards is looked for in the head turned upright."""

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.preprocessing.tilt import POOR, found_upright, likeness_of

ROOM = 14  # voxels around the brain, so that a turn leaves nothing out


def turned(brain: nib.Nifti1Image, degrees: float) -> nib.Nifti1Image:
    """The brain (R-A-S) turned about R in a grid with room for it."""
    data = np.pad(brain.get_fdata(dtype=np.float32), ROOM)
    middle = (np.array(data.shape) - 1) / 2
    turn = Rotation.from_euler("x", -degrees, degrees=True).as_matrix()
    return nib.Nifti1Image(ndimage.affine_transform(data, turn, middle - turn @ middle, order=1), brain.affine)


def finder(brain: nib.Nifti1Image):
    """An extraction that knows heads as they usually lie: near brain in an unusual place it finds none."""
    usual = ndimage.binary_dilation(turned(brain, 0).get_fdata() > 20, iterations=5)
    asked = []

    def find(image: nib.Nifti1Image) -> np.ndarray:
        asked.append(image)
        brain = image.get_fdata() > 20
        return (brain & ~ndimage.binary_dilation(brain & ~usual, iterations=12)).astype(np.float32)

    return find, asked


def test_a_brain_that_was_cut_is_found_in_the_head_turned_upright(brain):
    scan, (find, asked) = turned(brain, -40), finder(brain)
    first, whole = find(scan), scan.get_fdata() > 20
    assert likeness_of(scan, first) < POOR
    mask = found_upright(scan, first, find) > 0.5
    assert (first > 0.5)[whole].mean() < 0.8 < 0.98 < mask[whole].mean()
    assert len(asked) == 2


def test_a_brain_that_was_found_is_not_looked_for_again(brain):
    scan, (find, asked) = turned(brain, -15), finder(brain)
    first = find(scan)
    assert found_upright(scan, first, find) is first and len(asked) == 1


def test_a_mask_that_looks_no_better_turned_stays(brain):
    noise = nib.Nifti1Image(np.random.default_rng(0).random(turned(brain, 0).shape).astype(np.float32), brain.affine)
    empty, (find, _) = np.zeros(noise.shape, np.float32), finder(brain)
    assert found_upright(noise, empty, find) is empty
