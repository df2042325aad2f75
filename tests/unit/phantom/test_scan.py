"""A scan depends on its key alone, and its truth is what its anatomy says."""

from dataclasses import replace

import numpy as np
import pytest

from ldae.config import Phantom, Scanner
from ldae.phantom.population import draw_subject
from ldae.phantom.scan import make_scan, matrix_size
from ldae.phantom.scanner import (
    SITE_SCANNERS,
    draw_acquisition,
    ideal,
    other_scanner,
    rotation_matrix,
    tissue_signal,
)


@pytest.fixture(scope="module")
def subject():
    return draw_subject(5, 2)


@pytest.fixture(scope="module")
def scan(anatomy, subject):
    return make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4)


def test_regeneration_is_byte_identical(anatomy, subject, scan):
    make_scan(anatomy, draw_subject(5, 1), 24, "M024", 5, voxel_mm=4)  # another scan in between changes nothing
    again = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4)
    assert again.image.tobytes() == scan.image.tobytes() and again.truth == scan.truth


def test_sessions_differ_in_noise_and_pose_only(anatomy, subject, scan):
    other = make_scan(anatomy, subject, 0, "M012", 5, voxel_mm=4)
    assert other.truth["rotation_x"] != scan.truth["rotation_x"]
    assert other.truth["ventricle_ml"] == pytest.approx(scan.truth["ventricle_ml"], rel=0.05)


def test_volumes_hit_their_targets(scan):
    truth = scan.truth
    assert truth["ventricle_ml"] == pytest.approx(truth["ventricle_target_ml"], rel=0.2)
    both = truth["hippocampus_l_ml"] + truth["hippocampus_r_ml"]
    assert both == pytest.approx(truth["hippocampus_target_ml"], rel=0.25)
    assert truth["jacobian_min"] > 0


def test_truth_is_the_volume_of_the_labels(scan):
    voxel_ml = abs(np.linalg.det(scan.affine)) / 1e3
    assert (scan.labels == 2).sum() * voxel_ml == pytest.approx(scan.truth["ventricle_ml"], rel=0.15)
    assert (scan.labels > 0).sum() * voxel_ml == pytest.approx(scan.truth["brain_ml"], rel=0.05)


def test_measured_volumes_are_monotone_in_the_amplitudes(anatomy, subject):
    def volumes(**amplitudes):
        return make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, nuisance=False, amp=amplitudes).truth

    ventricles = [volumes(ventricle_l=a, ventricle_r=a)["ventricle_ml"] for a in (0.0, 1.0, 2.0)]
    assert ventricles == sorted(ventricles) and ventricles[2] > 2 * ventricles[0]
    left = [volumes(hippocampus_l=a) for a in (0.0, 0.6)]
    assert left[1]["hippocampus_l_ml"] < 0.8 * left[0]["hippocampus_l_ml"]
    assert left[1]["hippocampus_r_ml"] == pytest.approx(left[0]["hippocampus_r_ml"], rel=0.02)


def test_left_structures_lie_on_the_left(scan):
    rows = np.argwhere(scan.labels > 2)
    left, right = (np.mean(rows[scan.labels[tuple(rows.T)] == label, 0]) for label in (3, 4))
    assert left < right  # R-A-S: x grows to the right


def test_to_template_carries_the_hippocampi_home(anatomy, subject):
    clean = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4)
    centre = np.append(np.argwhere(clean.labels == 3).mean(axis=0), 1)
    x, y, z = (clean.to_template @ clean.affine @ centre)[:3]
    assert np.linalg.norm(np.array([x, y, z]) - [-26, -24, -13]) < 8


def test_clean_twin_has_no_nuisance(anatomy, subject):
    twin = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, nuisance=False)
    assert twin.image[0, 0, 0] == 0
    assert np.diag(twin.affine)[:3].tolist() == [4, 4, 4]
    assert twin.truth["rotation_x"] == 0 and twin.truth["noise"] == 0


def test_inhomogeneity_is_what_the_signal_was_multiplied_by(anatomy, subject):
    """Without noise and gamma, and with a gain that makes rounding small, dividing by it gives the even image back."""
    even = replace(ideal(subject.site), gain=20000.0)
    drawn = draw_acquisition(5, subject.rid, "M000", subject.site, 70)
    uneven = replace(even, bias=drawn.bias, gain=10000.0)
    plain, shaded = (
        make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, acquisition=acquisition) for acquisition in (even, uneven)
    )
    assert np.ptp(plain.inhomogeneity) == 0 and np.ptp(shaded.inhomogeneity) > 0.1
    np.testing.assert_allclose(2 * shaded.image / shaded.inhomogeneity, plain.image, atol=3)


@pytest.mark.parametrize(("voxel_mm", "shape"), [(1.0, (192, 224, 196)), (2.0, (96, 112, 98)), (3.0, (64, 74, 66))])
def test_matrix_covers_the_field_of_view(voxel_mm, shape):
    assert matrix_size(voxel_mm) == shape


def test_contrast_curve_meets_its_nodes(subject):
    from ldae.phantom.population import state_at

    state = replace(state_at(subject, 0), cortical_loss=-0.02, caps=0.0)
    t1 = np.float32([66, 165, 224])
    zero = np.zeros(3, np.float32)
    signal = tissue_signal(t1, zero, zero, ideal(0), state)
    assert signal == pytest.approx([SITE_SCANNERS[0].fluid, SITE_SCANNERS[0].grey, 1.0], abs=1e-5)
    thinned = tissue_signal(t1, np.ones(3, np.float32), zero, ideal(0), replace(state, cortical_loss=0.2))
    assert thinned[0] == pytest.approx(signal[0]) and np.all(thinned[1:] < signal[1:] - 0.2)


def test_rotation_matrix_is_a_rotation():
    matrix = rotation_matrix((10.0, -4.0, 7.0))
    assert matrix @ matrix.T == pytest.approx(np.eye(3)) and np.linalg.det(matrix) == pytest.approx(1)
    assert rotation_matrix((0, 0, 90.0)) @ [1, 0, 0] == pytest.approx([0, 1, 0])


def test_one_site_keeps_its_coil_pattern():
    first, second = (np.array(draw_acquisition(0, 1, session, 3, 70).bias) for session in ("M000", "M012"))
    other = np.array(draw_acquisition(0, 1, "M000", 4, 70).bias)
    assert np.corrcoef(first, second)[0, 1] > 0.6 > np.corrcoef(first, other)[0, 1]


def test_another_scanner_changes_contrast_noise_and_inhomogeneity_and_no_anatomy(anatomy, subject, scan):
    usual = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, scanner=Scanner())
    assert usual.image.tobytes() == scan.image.tobytes()
    other = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, scanner=Scanner(contrast=0.1, noise=2, bias=2))
    assert np.array_equal(other.labels, scan.labels)
    assert np.ptp(np.log(other.inhomogeneity)) == pytest.approx(2 * np.ptp(np.log(scan.inhomogeneity)), rel=1e-3)
    drawn = draw_acquisition(5, 2, "M000", 0, 70.0)
    changed = other_scanner(drawn, Scanner(contrast=0.1, noise=2, bias=2))
    assert changed.grey == pytest.approx(drawn.grey + 0.1) and changed.noise == pytest.approx(2 * drawn.noise)


def test_torque_makes_a_head_of_which_the_mirror_image_is_another(anatomy, subject, scan):
    lopsided = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, nuisance=False, torque_mm=6)
    plain = make_scan(anatomy, subject, 0, "M000", 5, voxel_mm=4, nuisance=False)

    def asymmetry(one):
        brain = (one.labels > 0).astype(float)
        return brain - brain[::-1]

    what_torque_adds = asymmetry(lopsided) - asymmetry(plain)
    middle = scan.image.shape[1] // 2
    right, left = slice(scan.image.shape[0] // 2, None), slice(None, scan.image.shape[0] // 2)
    assert what_torque_adds[right, middle:].sum() > 20  # more of the brain in front on the right
    assert what_torque_adds[left, :middle].sum() > 20  # and behind on the left
    assert lopsided.truth["ventricle_ml"] == pytest.approx(plain.truth["ventricle_ml"], rel=0.05)


def test_usual_scanners_and_heads_leave_the_name_of_a_cohort_as_it_was():
    usual = Phantom(subjects={"CN": 2})
    assert not {"scanner", "torque_mm"} & (usual.described().keys() | usual.asked().keys())
    assert Phantom(subjects={"CN": 2}, torque_mm=3).described()["torque_mm"] == 3
    assert Phantom(subjects={"CN": 2}, scanner={"noise": 2}).described()["scanner"]["noise"] == 2
