import tempfile

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.config import Registration
from ldae.core.errors import QuarantinedScan, UserError
from ldae.preprocessing.antspy import load_ants, strictly, to_ants
from ldae.preprocessing.registration import log_jacobian, matrix_of, register, shear_of, stretch_of, turn_of
from ldae.preprocessing.registration_template import load_template

SETTINGS = Registration(transform="affine", resolution_mm=4.0)


def pose() -> np.ndarray:
    """R-A-S mm of a scan -> R-A-S mm of the template: 8 and 5 degrees, 12 % larger, a few millimetres away."""
    a, b = np.deg2rad([8, 5])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_x @ about_z @ np.diag([1.12, 1.10, 1.15])
    matrix[:3, 3] = [4, -9, 6]
    return matrix


@pytest.fixture(scope="module")
def posed(brain) -> nib.Nifti1Image:
    """The brain as a scanner would see it in that pose: same voxels, header moved by the inverse."""
    target = np.diag([3.0, 3, 3, 1])
    target[:3, 3] = -75, -105, -75
    mapping = np.linalg.inv(brain.affine) @ pose() @ target
    data = brain.get_fdata(dtype=np.float32)
    data = ndimage.affine_transform(data, mapping[:3, :3], mapping[:3, 3], (52, 64, 52), order=1)
    return nib.Nifti1Image(data, target)


@pytest.fixture(scope="module")
def alignment(posed):
    found = register(posed, SETTINGS)
    yield found
    found.discard()


def displacement_mm(one: np.ndarray, other: np.ndarray, image: nib.Nifti1Image) -> float:
    """Mean distance between where two transforms send the brain's voxels."""
    voxels = np.argwhere(image.get_fdata() > 20)
    points = image.affine @ np.c_[voxels, np.ones(len(voxels))].T
    return float(np.linalg.norm(((one - other) @ points)[:3], axis=0).mean())


def test_a_known_affine_is_recovered(alignment, posed):
    assert displacement_mm(alignment.native_to_template, pose(), posed) < 0.7
    assert alignment.determinant == pytest.approx(1.12 * 1.10 * 1.15, rel=0.03)
    assert alignment.warp is None


def test_two_runs_are_bitwise_equal(alignment, posed):
    again = register(posed, SETTINGS)
    again.discard()
    assert again.native_to_template.tobytes() == alignment.native_to_template.tobytes()
    assert not again.folder.exists()


def test_rigid_keeps_volume_and_right_angles(posed):
    found = register(posed, SETTINGS.model_copy(update={"transform": "rigid"}))
    found.discard()
    assert found.determinant == pytest.approx(1, abs=1e-4)
    assert shear_of(found.native_to_template) < 1e-4


def test_failure_is_quarantined_and_leaves_no_files(monkeypatch, tmp_path, brain):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    empty = nib.Nifti1Image(np.zeros(brain.shape, np.float32), brain.affine)
    with pytest.raises(QuarantinedScan, match="registration failed"):
        register(empty, SETTINGS)
    assert not list(tmp_path.glob("ldae-*"))


def test_shear():
    sheared = np.eye(4)
    sheared[0, 1] = 1
    assert shear_of(np.diag([2.0, 3, 1, 1])) == 0
    assert shear_of(sheared) == pytest.approx(np.sqrt(0.5))


def test_stretch_is_of_any_direction_and_does_not_depend_on_the_pose():
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (30, 50, -20), degrees=True).as_matrix()
    assert stretch_of(1.3 * turn) == pytest.approx(1)
    assert stretch_of(np.diag([2.0, 3, 2.5, 1])) == pytest.approx(1.5)
    assert stretch_of(turn @ np.diag([2.0, 3, 2.5, 1]) @ turn.T) == pytest.approx(1.5)


def test_matrix_of_turns_the_axes_of_itk():
    transform = load_ants().create_ants_transform(
        transform_type="AffineTransform", matrix=np.diag([2.0, 1, 1]), translation=[5, 7, 3], center=[10, 0, 0]
    )
    # L-P-S: x -> 2 (x - 10) + 5 + 10, y -> y + 7, z -> z + 3; in R-A-S x and y change sign
    assert matrix_of(transform) @ [0, 0, 0, 1] == pytest.approx([5, -7, 3, 1])
    assert matrix_of(transform) @ [1, 0, 0, 1] == pytest.approx([7, -7, 3, 1])


def test_a_misspelt_keyword_is_refused():
    with pytest.raises(TypeError, match="type_of_transformation"):
        strictly(load_ants().registration, None, None, type_of_transformation="SyN")


def test_images_keep_their_place_in_ants(brain):
    image = to_ants(brain)
    corner = brain.affine @ [10, 20, 30, 1]
    point = np.array(image.origin) + image.direction @ (np.array(image.spacing) * [10, 20, 30])
    assert point == pytest.approx(corner[:3] * [-1, -1, 1], abs=1e-4)
    assert np.array_equal(image.numpy(), brain.get_fdata(dtype=np.float32))


def test_template_is_the_one_of_the_notes():
    template = load_template()
    assert template.sha256.startswith("421a10e872fd6cad")
    assert nib.aff2axcodes(template.brain.affine) == ("R", "A", "S")
    assert np.asarray(template.mask.dataobj).sum() / 1000 == pytest.approx(1887, abs=15)


def test_a_template_with_skull_or_without_file_is_an_error(tmp_path, brain):
    with pytest.raises(UserError, match="does not exist"):
        load_template(str(tmp_path / "none.nii.gz"))
    nib.save(nib.Nifti1Image(brain.get_fdata() + 50, brain.affine), tmp_path / "head.nii.gz")
    with pytest.raises(UserError, match="skull"):
        load_template(str(tmp_path / "head.nii.gz"))
    nib.save(nib.Nifti1Image((brain.get_fdata() > 20).astype(np.uint8), brain.affine), tmp_path / "mask.nii.gz")
    masked = load_template(str(tmp_path / "head.nii.gz"), tmp_path / "mask.nii.gz")
    assert np.array_equal(masked.brain.get_fdata() > 0, brain.get_fdata() > 20)
    with pytest.raises(UserError, match="not the one of the configuration"):
        load_template(str(tmp_path / "head.nii.gz"), tmp_path / "mask.nii.gz", "0" * 64)


def test_a_template_of_templateflow_is_its_head_times_its_mask(tmp_path, brain, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    with pytest.raises(UserError, match="templateflow get MNI152NLin2009cSym"):
        load_template("templateflow:MNI152NLin2009cSym")
    folder = tmp_path / "tpl-MNI152NLin2009cSym"
    folder.mkdir()
    stem = "tpl-MNI152NLin2009cSym_res-01"
    nib.save(nib.Nifti1Image(brain.get_fdata() + 50, brain.affine), folder / f"{stem}_T1w.nii.gz")
    inside = (brain.get_fdata() > 20).astype(np.uint8)
    nib.save(nib.Nifti1Image(inside, brain.affine), folder / f"{stem}_desc-brain_mask.nii.gz")
    template = load_template("templateflow:MNI152NLin2009cSym")
    assert template.space == "MNI152NLin2009cSym"
    assert np.array_equal(template.brain.get_fdata() > 0, inside > 0)


def test_a_turn_is_the_angle_of_the_rotation_whatever_the_size():
    turn = Rotation.from_rotvec([0, 50 * 0.6, 50 * 0.8], degrees=True).as_matrix()
    assert turn_of(1.3 * turn) == pytest.approx(50)
    assert turn_of(np.diag([1.1, 0.9, 1.0]) @ np.diag([-1, -1, 1])) == pytest.approx(180)


def test_log_jacobian_of_a_known_stretch(tmp_path, brain):
    """u_x = 0.1 x: every volume grows by a factor of 1.1."""
    ants = load_ants()
    domain = to_ants(brain)
    x = np.arange(brain.shape[0], dtype=np.float32)[:, None, None] * 3 * np.ones(brain.shape, np.float32)
    zero = np.zeros_like(x)
    parts = [domain.new_image_like(part) for part in (-0.1 * x, zero, zero)]  # R-A-S x is minus L-P-S x
    ants.image_write(ants.merge_channels(parts), str(tmp_path / "warp.nii.gz"))
    found = log_jacobian(tmp_path / "warp.nii.gz")
    assert np.allclose(found.affine, brain.affine)
    assert found.get_fdata()[5:-5, 5:-5, 5:-5] == pytest.approx(np.log(1.1), abs=1e-3)
