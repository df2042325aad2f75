"""Heads whose tissues follow other curves than T1: made from the template by a map of its intensities."""

import nibabel as nib
import numpy as np
import pytest

from ldae.preprocessing.contrast import contrast_metrics, tissue_points
from ldae.preprocessing.quality import LIMITS, verdict
from ldae.preprocessing.registration_template import load_template

KNOTS = [0, 90, 165, 225, 255]  # of the template: nothing, fluid, grey, white matter, its brightest
CURVES = {  # signal at the knots, verdict, what the sentence names
    "T1w": ([0, 60, 150, 225, 255], "pass", None),
    "T1w, little contrast": ([0, 60, 190, 225, 240], "pass", None),
    "FLAIR": ([0, 30, 200, 170, 165], "fail", "FLAIR"),
    "T2w": ([0, 255, 120, 70, 60], "fail", "T2-weighted"),
    "PD": ([0, 230, 215, 180, 175], "fail", "proton-density"),
    "EPI": ([0, 240, 150, 110, 105], "fail", "EPI"),
    "CT": ([0, 60, 110, 100, 100], "fail", "not T1-weighted"),
    "flat": ([0, 100, 100, 100, 100], "fail", "not T1-weighted"),
}


def with_curve(brain: nib.Nifti1Image, curve: list[float]) -> nib.Nifti1Image:
    data = np.interp(brain.get_fdata(), KNOTS, curve)
    noise = np.random.default_rng(0).normal(0, 6, data.shape)
    return nib.Nifti1Image(np.abs(data + noise).astype(np.float32), brain.affine)


def judged(image: nib.Nifti1Image) -> tuple[str, str]:
    found = contrast_metrics(image, np.eye(4), load_template())
    return verdict(found, {name: LIMITS[name] for name in found}, only=True)


@pytest.mark.parametrize("name", CURVES)
def test_the_order_of_the_tissues_tells_the_contrast(name, brain):
    curve, state, kind = CURVES[name]
    found = judged(with_curve(brain, curve))
    assert found[0] == state, found
    assert kind is None or (kind in found[1] and "grey_white" in found[1])


def test_the_scale_of_the_intensities_and_a_bright_voxel_do_not_matter(brain):
    image = with_curve(brain, CURVES["T1w"][0])
    data = image.get_fdata() * 37
    data[30, 30, 30] = 1e6
    other = nib.Nifti1Image(data, image.affine)
    one, two = (contrast_metrics(each, np.eye(4), load_template()) for each in (image, other))
    assert one == pytest.approx(two, rel=0.01)


def test_tissues_are_sought_where_the_affine_puts_them(brain):
    image = with_curve(brain, CURVES["T1w"][0])
    shift = np.eye(4)
    shift[:3, 3] = [400, -300, 250]
    moved = nib.Nifti1Image(image.get_fdata(), shift @ image.affine)
    there = contrast_metrics(moved, np.linalg.inv(shift), load_template())
    assert there == pytest.approx(contrast_metrics(image, np.eye(4), load_template()), rel=1e-3)
    assert all(np.isnan(value) for value in contrast_metrics(moved, np.eye(4), load_template()).values())


def test_each_tissue_has_its_points_in_the_template(brain):
    template = load_template()
    data, inverse = template.brain.get_fdata(dtype=np.float32), np.linalg.inv(template.brain.affine)
    medians = {}
    for tissue, points in tissue_points(template).items():
        assert len(points) > 2000
        voxels = np.rint(nib.affines.apply_affine(inverse, points)).astype(int)
        medians[tissue] = np.median(data[tuple(voxels.T)])
    assert medians["fluid"] < 0.7 * medians["grey"] and medians["grey"] < 0.9 * medians["white"]
