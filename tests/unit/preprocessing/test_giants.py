"""What is estimated from a giant is estimated from averages, and lands on the giant's own grid."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from ldae.config import BiasField, BrainExtraction
from ldae.preprocessing import giants
from ldae.preprocessing.bias_field import correct_bias_field
from ldae.preprocessing.brain_extraction import extract_brain
from ldae.preprocessing.giants import averaged, slabs, steps_of, thinned

N4 = BiasField(shrink_factor=4, iterations=[20], tolerance=1e-3)
FAST = BrainExtraction(second_stage=False)
TURNED = np.array([[0, -0.7, 0, 7], [0.8, 0, 0, -9], [0, 0, 1.2, 4], [0, 0, 0, 1]])


def ramp(shape: tuple[int, int, int], affine: np.ndarray) -> nib.Nifti1Image:
    """Each voxel holds R + 10 A + 100 S of its place in mm."""
    points = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return nib.Nifti1Image((points @ [1.0, 10, 100]).astype(np.float32), affine)


@pytest.mark.parametrize(
    ("shape", "sizes", "steps"),
    [
        ((256, 256, 256), (1, 1, 1), (1, 1, 1)),
        ((341, 341, 341), (0.75, 0.75, 0.75), (2, 1, 1)),
        ((512, 512, 176), (0.5, 0.5, 1), (2, 2, 1)),
        ((700, 700, 700), (0.3, 0.3, 0.3), (3, 3, 2)),
    ],
)
def test_giants_lose_their_finest_axes_until_they_are_none(shape, sizes, steps):
    image = nib.Nifti1Image(np.broadcast_to(np.uint8(0), shape), np.diag([*sizes, 1]))
    found = steps_of(image)
    assert found == steps
    assert np.prod(np.array(shape) // found) <= giants.MOST_VOXELS


def test_averages_and_every_other_voxel_lie_where_they_are(monkeypatch):
    monkeypatch.setattr(giants, "MOST_VOXELS", 13 * 10 * 18)
    image = ramp((27, 21, 18), TURNED)
    assert steps_of(image) == (2, 2, 1)
    for coarse in (averaged(image), thinned(image, (2, 2, 1))):
        assert coarse.get_fdata() == pytest.approx(ramp(coarse.shape, coarse.affine).get_fdata(), abs=1e-2)
    whole = np.empty(image.shape, np.float32)
    for part, values in slabs(averaged(image).get_fdata(dtype=np.float32), (2, 2, 1), image.shape):
        whole[part] = values
    inner = (slice(1, -2), slice(1, -2))  # beyond the outermost averages nothing is known
    assert whole[inner] == pytest.approx(image.get_fdata()[inner], abs=2e-2)


def test_no_other_image_is_touched():
    image = ramp((9, 9, 9), TURNED)
    assert averaged(image) is image and thinned(image, steps_of(image)) is image


@pytest.fixture(scope="module")
def fine(head) -> nib.Nifti1Image:
    """The head in voxels of 1.5 mm."""
    affine = head.affine @ np.diag([0.5, 0.5, 0.5, 1])
    return resample_from_to(head, (tuple(2 * size for size in head.shape), affine), order=1)


def test_field_and_mask_of_a_giant_are_those_of_the_same_head_otherwise(fine, monkeypatch):
    corrected, metrics = correct_bias_field(fine, N4)
    mask = extract_brain(fine, FAST).mask.get_fdata() > 0
    monkeypatch.setattr(giants, "MOST_VOXELS", fine.get_fdata().size / 5)
    assert steps_of(fine) == (2, 2, 2)
    other, found = correct_bias_field(fine, N4)
    again = extract_brain(fine, FAST)
    assert other.shape == again.mask.shape == fine.shape
    ratio = np.log(other.get_fdata()[mask] / corrected.get_fdata()[mask])
    assert ratio.std() < 0.02
    assert found["bias_range"] == pytest.approx(metrics["bias_range"], rel=0.1)
    theirs = again.mask.get_fdata() > 0
    assert 2 * (mask & theirs).sum() / (mask.sum() + theirs.sum()) > 0.98
    assert again.metrics["brain_ml"] == pytest.approx(mask.sum() * 1.5**3 / 1000, rel=0.02)
