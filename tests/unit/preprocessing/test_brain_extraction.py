import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from ldae.config import BrainExtraction
from ldae.errors import QuarantinedScan
from ldae.preprocessing.brain_extraction import extract_brain, weights_digest

FAST = BrainExtraction(second_stage=False)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def extracted(head):
    return extract_brain(head, FAST)


def test_the_brain_is_found_on_the_grid_of_the_scan(head, true_mask, extracted):
    mask, metrics = extracted
    assert mask.get_data_dtype() == np.uint8
    assert mask.shape == head.shape
    assert np.array_equal(mask.affine, head.affine)
    assert dice(mask.get_fdata() > 0, true_mask) > 0.93
    assert metrics["brain_ml"] == pytest.approx(np.asarray(mask.dataobj).sum() * 27 / 1000)


@pytest.mark.parametrize("axes", ["LAS", "PIR"])
def test_a_turned_scan_gets_the_same_mask_turned(axes, head, extracted):
    turn = ornt_transform(io_orientation(head.affine), axcodes2ornt(axes))
    turned, _ = extract_brain(head.as_reoriented(turn), FAST)
    expected = extracted[0].as_reoriented(turn)
    assert np.array_equal(turned.affine, expected.affine)
    assert np.array_equal(np.asarray(turned.dataobj), np.asarray(expected.dataobj))


def test_a_head_of_half_the_size_is_not_a_brain(head):
    affine = head.affine @ np.diag([0.5, 0.5, 0.5, 1])
    with pytest.raises(QuarantinedScan, match=r"found \d+ ml, not a brain"):
        extract_brain(nib.Nifti1Image(head.get_fdata(dtype=np.float32), affine), FAST)


def test_weights_are_those_the_package_carries():
    assert weights_digest().endswith("de8ee7c69654d0dd")
