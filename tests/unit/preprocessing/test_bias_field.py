import nibabel as nib
import numpy as np
import pytest

from ldae.config import BiasField
from ldae.preprocessing.bias_field import correct_bias_field, largest_component, otsu_threshold, quick_head_mask

SETTINGS = BiasField(shrink_factor=4, iterations=[30, 30], tolerance=1e-4)


@pytest.fixture(scope="module")
def field(head) -> np.ndarray:
    """A smooth field: 40 % brighter in front than behind, 20 % on one side."""
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, size) for size in head.shape], indexing="ij")
    return np.exp(0.25 * y + 0.12 * x - 0.1 * x * y).astype(np.float32)


@pytest.fixture(scope="module")
def corrected(head, field):
    return correct_bias_field(nib.Nifti1Image(head.get_fdata(dtype=np.float32) * field, head.affine), SETTINGS)


def test_a_known_field_is_taken_out(head, field, true_mask, corrected):
    image, metrics = corrected
    clean = head.get_fdata()
    white = true_mask & (clean > 200)
    before = np.log(field[white]).std()
    after = np.log(image.get_fdata()[white] / clean[white]).std()
    assert after < 0.5 * before
    assert 1.2 < metrics["bias_range"] < 3


def test_grid_is_untouched_and_two_runs_are_equal(head, field, corrected):
    again, _ = correct_bias_field(nib.Nifti1Image(head.get_fdata(dtype=np.float32) * field, head.affine), SETTINGS)
    assert np.array_equal(again.affine, head.affine)
    assert again.get_fdata(dtype=np.float32).tobytes() == corrected[0].get_fdata(dtype=np.float32).tobytes()


def test_quick_mask_holds_the_head_and_no_air(head, true_mask):
    data = head.get_fdata(dtype=np.float32)
    mask = quick_head_mask(data, np.full(3, 3.0))
    assert mask.shape == data.shape
    assert mask[true_mask].mean() > 0.999
    assert not mask[:3].any()
    assert mask[data > 150].mean() > 0.98


def test_otsu_separates_two_classes():
    values = np.r_[np.full(900, 10.0), np.full(100, 90.0)] + np.random.default_rng(0).normal(0, 3, 1000)
    assert (values > otsu_threshold(values)).mean() == pytest.approx(0.1, abs=0.002)


def test_largest_component():
    mask = np.zeros((9, 9, 9), bool)
    mask[1, 1, 1] = mask[4:7, 4:7, 4:7] = True
    assert largest_component(mask).sum() == 27
    assert not largest_component(np.zeros((3, 3, 3), bool)).any()
