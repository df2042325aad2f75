"""Maps: oracles with a known answer."""

import numpy as np
import pytest

from ldae.phantom.grid import (
    CONTROL_MM,
    CONTROL_SHAPE,
    MIN_JACOBIAN,
    ORIGIN,
    compose,
    ellipsoid,
    exponential,
    jacobian_determinant,
    region,
    roi_volume_ml,
    subject_shape,
    to_control,
    torque,
    upsample,
)
from ldae.phantom.velocity import BASES

POLES = {  # MNI mm
    "right frontal": (22.0, 60.0, 0.0),
    "left frontal": (-22.0, 60.0, 0.0),
    "right occipital": (22.0, -95.0, 0.0),
    "left occipital": (-22.0, -95.0, 0.0),
    "midline behind": (0.0, -95.0, 0.0),
    "centre": (20.0, -17.0, 10.0),
}


def test_exponential_of_a_linear_field_is_the_matrix_exponential():
    """v = a x gives x e^a."""
    centre = np.reshape([30, 40, 30], (3, 1, 1, 1))
    position = (np.indices((61, 81, 61)) - centre) * CONTROL_MM
    displacement = exponential(np.float32(0.05) * position.astype(np.float32))
    inner = (slice(None), slice(20, 41), slice(30, 51), slice(20, 41))
    assert displacement[inner] == pytest.approx(position[inner] * (np.exp(0.05) - 1), abs=0.02)


def test_minus_v_inverts(anatomy):
    velocity = anatomy.velocity_of({"ventricle_l": 1.0, "hippocampus_r": 0.5})
    there, back = exponential(velocity, anatomy.nodes), exponential(-velocity, anatomy.nodes)
    assert np.abs(there).max() > 2
    assert np.abs(compose(there, back, anatomy.reached_nodes)).mean() < 0.02


def test_jacobian_of_a_scaling():
    position = np.indices((8, 8, 8)) * CONTROL_MM
    factors = np.reshape([0.1, -0.2, 0.5], (3, 1, 1, 1))
    assert jacobian_determinant(position * factors) == pytest.approx(1.1 * 0.8 * 1.5)


def test_skull_does_not_move(anatomy):
    """No flux through the inner table: strong atrophy leaves the intracranial volume within 3 % (3 mm nodes)."""
    displacement = exponential(-anatomy.velocity_of(dict.fromkeys(BASES, 0.5)), anatomy.nodes)
    still = np.zeros_like(displacement)
    before, after = (roi_volume_ml(anatomy.intracranial, u, 3.0) for u in (still, displacement))
    assert after == pytest.approx(before, rel=0.03)
    outside = to_control(anatomy.intracranial) < 1
    assert np.abs(displacement[:, outside]).max() < 1.5


def test_calibration_is_monotone_and_exact_at_rest(anatomy):
    table = anatomy.calibration
    assert np.all(np.diff(table.ventricles_ml) > 0)
    assert np.all(np.diff(table.hippocampus_ml) < 0)
    assert np.all(np.diff(table.squeezed_hippocampus_ml[2:]) < 0)  # from rest on
    rest = anatomy.ventricles.sum() / 255e3
    assert 17 < rest < 20
    assert table.ventricle_amplitude(rest) == pytest.approx(0, abs=0.03)
    assert table.hippocampus_amplitude(anatomy.hippocampus_l.sum() / 255e3, 0.0) == pytest.approx(0, abs=0.03)


def test_both_hippocampi_are_found(anatomy):
    left, right = anatomy.hippocampus_l, anatomy.hippocampus_r
    assert 3.5 < left.sum() / 255e3 < 4.7
    assert right.sum() == pytest.approx(left.sum(), rel=0.02)  # the template is symmetric
    assert np.nonzero(left)[0].max() < 100 < np.nonzero(right)[0].min()


def test_subject_shapes_differ_and_do_not_fold():
    first, second = subject_shape(0, 1), subject_shape(0, 2)
    assert first.shape == (3, *CONTROL_SHAPE)
    assert np.array_equal(first, subject_shape(0, 1)) and np.abs(first - second).mean() > 1
    assert jacobian_determinant(first).min() > MIN_JACOBIAN


def test_heads_have_in_common_what_is_asymmetric_of_most_brains():
    plain, lopsided = subject_shape(0, 1), subject_shape(0, 1, 3.0)
    shared = lopsided - plain
    np.testing.assert_allclose(shared, torque(3.0), atol=1e-5)
    np.testing.assert_allclose(subject_shape(0, 2, 3.0) - subject_shape(0, 2), shared, atol=1e-5)
    at = {name: tuple(np.rint((np.array(mm) - ORIGIN) / CONTROL_MM).astype(int)) for name, mm in POLES.items()}
    y = {name: float(shared[1][place]) for name, place in at.items()}  # backward: where tissue came from
    assert y["right frontal"] < -1.2 and y["left frontal"] > 1.2  # the right one was moved forward
    assert y["right occipital"] < -1.2 and y["left occipital"] > 1.2  # the left one was moved back
    assert shared[0][at["midline behind"]] < -2.5  # to the right
    assert np.abs(shared[(slice(None), *at["centre"])]).max() < 0.1
    assert jacobian_determinant(subject_shape(0, 1, 6.0)).min() > 0


def test_upsample_is_linear_interpolation():
    line = np.float32([0, 2, 6]).reshape(3, 1, 1)
    assert upsample(line, (5, 1, 1)).ravel().tolist() == [0, 1, 2, 4, 6]


def test_region_and_ellipsoid_agree_on_a_sphere():
    box = region((-12, -12, -12), (12, 12, 12))
    inside = ellipsoid(box.x, box.y, box.z, (0, 0, 0), (10, 10, 10)) < 0
    assert inside.sum() == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.02)
