"""Heads whose tissues follow other curves than T1: made from the template by a map of its intensities."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.contrast import contrast_metrics, tissue_points, unevenness, without_fluid
from ldae.preprocessing.quality import LIMITS, verdict
from ldae.preprocessing.registration_template import Template, load_template
from ldae.preprocessing.steps import measurable

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
    assert one == pytest.approx(two, rel=0.01, abs=1e-4)  # the voxel may be one of the 80,000 points of `enhanced`


def test_tissues_are_sought_where_the_affine_puts_them(brain):
    image = with_curve(brain, CURVES["T1w"][0])
    shift = np.eye(4)
    shift[:3, 3] = [400, -300, 250]
    moved = nib.Nifti1Image(image.get_fdata(), shift @ image.affine)
    there = contrast_metrics(moved, np.linalg.inv(shift), load_template())
    assert there == pytest.approx(contrast_metrics(image, np.eye(4), load_template()), rel=1e-3)
    assert measurable(there) == there
    nowhere = contrast_metrics(moved, np.eye(4), load_template())
    dark = contrast_metrics(nib.Nifti1Image(np.minimum(image.get_fdata(), 0), image.affine), np.eye(4), load_template())
    for found in (nowhere, dark):
        assert all(np.isnan(value) for value in found.values())
        with pytest.raises(QuarantinedScan, match="contrast of the tissues cannot be measured"):
            measurable(found)


def test_each_tissue_has_its_points_in_the_template(brain):
    template = load_template()
    data, inverse = template.brain.get_fdata(dtype=np.float32), np.linalg.inv(template.brain.affine)
    medians = {}
    for tissue, points in tissue_points(template).items():
        assert len(points) > 2000
        voxels = np.rint(nib.affines.apply_affine(inverse, points)).astype(int)
        medians[tissue] = np.median(data[tuple(voxels.T)])
    assert medians["fluid"] < 0.7 * medians["grey"] and medians["grey"] < 0.9 * medians["white"]


def test_room_around_the_template_moves_no_point():
    """Points are sought in the box around its brain: what is left out of that must not matter."""
    brain, mask = (image.slicer[::3, ::3, ::3] for image in (load_template().brain, load_template().mask))
    room = 9
    affine = brain.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(affine, [-room] * 3)
    wide = [nib.Nifti1Image(np.pad(np.asanyarray(image.dataobj), room), affine) for image in (brain, mask)]
    narrow = tissue_points(Template(brain, mask, "", ""))
    for tissue, points in tissue_points(Template(*wide, "", "")).items():
        assert len(points) > 50
        np.testing.assert_allclose(points, narrow[tissue], atol=1e-9)


def with_large_ventricles(image: nib.Nifti1Image, growth: float) -> nib.Nifti1Image:
    """The head with everything near its middle moved outwards, as ventricles that grow do."""
    centre = np.array([0.0, -15, 15])  # R-A-S mm, between the lateral ventricles
    points = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(image.shape), 0, -1))
    away = points - centre
    distance = np.linalg.norm(away / [1.0, 1.6, 1.0], axis=-1, keepdims=True)
    shrink = 1 - growth * np.exp(-((distance / 32) ** 2))
    voxels = nib.affines.apply_affine(np.linalg.inv(image.affine), centre + away * shrink)
    data = ndimage.map_coordinates(image.get_fdata(dtype=np.float32), np.moveaxis(voxels, -1, 0), order=1)
    return nib.Nifti1Image(data, image.affine)


@pytest.mark.parametrize("growth", [0.4, 0.7])
def test_large_ventricles_are_no_other_contrast(growth, brain):
    """They lie where the template has white matter, and make its median darker than it is."""
    usual = contrast_metrics(with_curve(brain, CURVES["T1w"][0]), np.eye(4), load_template())
    large = with_large_ventricles(brain, growth)
    found = contrast_metrics(with_curve(large, CURVES["T1w"][0]), np.eye(4), load_template())
    assert found["grey_white"] < usual["grey_white"] + 0.05
    assert judged(with_curve(large, CURVES["T1w"][0]))[0] == "pass"
    for name in ("FLAIR", "T2w", "PD"):
        assert judged(with_curve(large, CURVES[name][0]))[0] == "fail", name


def test_only_white_matter_that_is_nearer_to_fluid_is_left_out():
    values = np.r_[np.full(60, 100.0), np.full(50, 30.0), np.full(5, 64.0), np.full(5, 66.0)]
    assert sorted(set(without_fluid(values, 30.0))) == [66, 100]
    assert np.array_equal(without_fluid(values, float("nan")), values)
    same = np.full(9, 30.0)
    assert np.array_equal(without_fluid(same, 30.0), same)


def test_vessels_that_a_contrast_agent_lights_up_are_seen(brain):
    image = with_curve(brain, CURVES["T1w"][0])
    assert contrast_metrics(image, np.eye(4), load_template())["enhanced"] == 0
    data = image.get_fdata()
    data[24:26, 20:50, 40:42] = 500  # a vein along the midline, 4 ml
    found = contrast_metrics(nib.Nifti1Image(data, image.affine), np.eye(4), load_template())
    assert found["enhanced"] > 0.001
    state, reason = verdict(found, {"enhanced": LIMITS["enhanced"]}, only=True)
    assert state == "warn" and "gadolinium" in reason


@pytest.mark.parametrize("axis", range(3))
def test_a_field_that_bias_correction_has_left_is_seen_and_large_ventricles_are_none(axis, brain):
    limit = {"uneven": LIMITS["uneven"]}
    for image in (brain, with_large_ventricles(brain, 0.7)):
        assert unevenness(image, np.eye(4), load_template()) < 1.3
    place = np.moveaxis(np.indices(brain.shape)[axis], axis, -1) / brain.shape[axis] - 0.5
    for fold, state in ((1.5, "pass"), (5, "warn"), (20, "fail")):  # from one end of the brain to the other
        field = np.moveaxis(np.exp(np.log(fold) * place), -1, axis)
        found = unevenness(nib.Nifti1Image(brain.get_fdata() * field, brain.affine), np.eye(4), load_template())
        flag, reason = verdict({"uneven": found}, limit, only=True)
        assert flag == state and (state == "pass" or "fit: fine" in reason), (fold, found)


def test_a_brain_without_white_matter_in_place_has_no_unevenness(brain):
    shift = np.eye(4)
    shift[0, 3] = 400
    assert unevenness(brain, shift, load_template()) is None
    assert unevenness(nib.Nifti1Image(np.zeros(brain.shape), brain.affine), np.eye(4), load_template()) is None
