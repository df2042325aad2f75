"""Heads that a single search does not follow: tilted, turned, stretched; and what says that one was not followed."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.config import Registration
from ldae.preprocessing import registration
from ldae.preprocessing.quality import LIMITS, placed_metrics, verdict, volume_ratio
from ldae.preprocessing.registration import register, stretch_of, turn_of
from ldae.preprocessing.registration_template import load_template
from ldae.preprocessing.starts import coarse, coarse_template

AFFINE = Registration(transform="affine", resolution_mm=4.0)
FAR = {"tilted back": (60, 0, 0), "tilted forward": (-55, 0, 0), "header turned round": (0, 0, 180)}


def pose(angles: tuple[float, float, float], scale: float = 1.1) -> np.ndarray:
    """R-A-S mm of a scan -> R-A-S mm of the template: degrees about R, A and S, and a size."""
    matrix = np.eye(4)
    matrix[:3, :3] = scale * Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = 5, -12, 8
    return matrix


def seen(brain: nib.Nifti1Image, matrix: np.ndarray) -> nib.Nifti1Image:
    """The scan that ``matrix`` carries to the template, in voxels of 3 mm."""
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = -120
    mapping = np.linalg.inv(brain.affine) @ matrix @ affine
    data = ndimage.affine_transform(
        brain.get_fdata(dtype=np.float32), mapping[:3, :3], mapping[:3, 3], (80,) * 3, order=1
    )
    return nib.Nifti1Image(data, affine)


def apart_mm(one: np.ndarray, other: np.ndarray, image: nib.Nifti1Image) -> float:
    """Mean distance between where two transforms send the brain's voxels."""
    points = nib.affines.apply_affine(image.affine, np.argwhere(image.get_fdata() > 20))
    moved = [nib.affines.apply_affine(matrix, points) for matrix in (one, other)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=1).mean())


def found(scan: nib.Nifti1Image, settings: Registration = AFFINE) -> np.ndarray:
    alignment = register(scan, settings)
    alignment.discard()
    return alignment.native_to_template


@pytest.mark.parametrize("name", FAR)
def test_a_tilted_head_is_followed_and_one_start_would_not(name, brain, monkeypatch):
    true = pose(FAR[name])
    scan = seen(brain, true)
    matrix = found(scan)
    assert apart_mm(matrix, true, scan) < 1.5
    assert turn_of(matrix) == pytest.approx(max(map(abs, FAR[name])), abs=2)
    flag = verdict({"turn": turn_of(matrix)}, {"turn": LIMITS["turn"]}, only=True)[0]
    assert flag == ("fail" if "header" in name else "warn")
    monkeypatch.setattr(registration, "best_starts", lambda *_: [])
    alone = found(scan)
    assert apart_mm(alone, true, scan) > 10
    judged = placed_metrics(scan, alone, load_template())
    assert verdict(judged, {name: LIMITS[name] for name in judged}, only=True)[0] != "pass"


def test_a_rigid_search_follows_too(brain):
    true = pose(FAR["tilted back"], scale=1.0)
    scan = seen(brain, true)
    matrix = found(scan, AFFINE.model_copy(update={"transform": "rigid"}))
    assert apart_mm(matrix, true, scan) < 1.5
    assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-4)


def test_a_head_whose_voxels_have_a_wrong_size_is_stretched_back(brain):
    true = np.diag([1.0, 1.0, 1.0, 1.0])
    scan = seen(brain, true)
    wrong = np.diag([1.0, 1.0, 1.4, 1.0])
    stretched = nib.Nifti1Image(scan.get_fdata(dtype=np.float32), wrong @ scan.affine)
    matrix = found(stretched)
    assert apart_mm(matrix, np.linalg.inv(wrong), stretched) < 1.5
    assert stretch_of(matrix) == pytest.approx(1.4, abs=0.1) and stretch_of(found(scan)) < 1.1
    state, reason = verdict({"stretch": stretch_of(matrix)}, {"stretch": LIMITS["stretch"]}, only=True)
    assert state == "warn" and "look at the voxel sizes in the header" in reason
    assert verdict({"stretch": 1.88}, {"stretch": LIMITS["stretch"]}, only=True)[0] == "fail"


def test_a_head_that_is_followed_is_searched_once(brain, monkeypatch):
    scan = seen(brain, pose((12, 5, -8)))
    monkeypatch.setattr(registration, "best_starts", lambda *_: pytest.fail("another start"))
    assert apart_mm(found(scan), pose((12, 5, -8)), scan) < 1.0


def test_the_template_is_made_coarse_once_for_all_scans():
    """It has eight million voxels, and the brain of every scan is compared with it."""
    made = coarse_template(load_template())
    assert made is coarse_template(load_template())
    np.testing.assert_array_equal(made.get_fdata(), coarse(load_template().brain).get_fdata())


def test_the_volume_after_the_affine_against_the_templates():
    template = load_template()
    assert volume_ratio(template.mask, 1.0, template) == 1
    assert volume_ratio(template.mask, -1.2, template) == pytest.approx(1.2)
    half = np.asarray(template.mask.dataobj).copy()
    half[: half.shape[0] // 2] = 0
    other = nib.Nifti1Image(half, template.mask.affine @ np.diag([2.0, 1, 1, 1]))
    share = half.sum() / np.asarray(template.mask.dataobj).sum()
    assert volume_ratio(other, 1.0, template) == pytest.approx(2 * share)
