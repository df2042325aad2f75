"""SyN in little memory: against a warp that is known, and against ANTs' own preset on whole images."""

import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from ldae.config import Registration
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.antspy import load_ants, to_ants
from ldae.preprocessing.registration import MARGIN_MM, cropped, fixed_image, log_jacobian, register, syn_levels
from ldae.preprocessing.registration_template import load_template, template_of

SYN = Registration(resolution_mm=3.0, syn_iterations=[40, 20, 0, 0, 0])  # 12 mm and 6 mm, and nothing at 3 mm
QUICK = Registration(resolution_mm=4.0, syn_iterations=[2, 2, 0, 0, 0])
POSE = np.diag([0.93, 0.95, 0.92, 1.0])  # R-A-S mm of the scan -> of the template
POSE[:3, 3] = 6, -8, 5


def to_template(points: np.ndarray) -> np.ndarray:
    """The true way of (n, 3) R-A-S mm of the scan: a pose and a broad bump of 9 mm in the left hemisphere."""
    bump = np.exp(-((points - [-30, -10, 30]) ** 2).sum(1) / (2 * 30**2))
    return nib.affines.apply_affine(POSE, points) + bump[:, None] * [7.0, 5.0, 0]


def carried_back(template: nib.Nifti1Image, voxel_mm: float) -> nib.Nifti1Image:
    """The scan that ``to_template`` carries to a template, in a field of view as wide as a head's."""
    affine = np.diag([voxel_mm] * 3 + [1])
    affine[:3, 3] = -105, -135, -100
    shape = tuple(int(size / voxel_mm) for size in (192, 224, 196))
    points = nib.affines.apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    voxels = nib.affines.apply_affine(np.linalg.inv(template.affine), to_template(points))
    data = ndimage.map_coordinates(template.get_fdata(dtype=np.float32), voxels.T, order=1).reshape(shape)
    return nib.Nifti1Image(data.astype(np.float32), affine)


@pytest.fixture(scope="module")
def warped(brain) -> nib.Nifti1Image:
    return carried_back(brain, 3.0)


@pytest.fixture(scope="module")
def found(warped):
    alignment = register(warped, SYN)
    yield alignment
    alignment.discard()


def native(transforms: list[str], points: np.ndarray) -> np.ndarray:
    """Where ANTs takes (n, 3) R-A-S mm of the template from."""
    table = pd.DataFrame(points * [-1, -1, 1], columns=["x", "y", "z"])
    return load_ants().apply_transforms_to_points(3, table, transforms)[["x", "y", "z"]].to_numpy() * [-1, -1, 1]


def preset(scan: nib.Nifti1Image, settings: Registration, folder) -> list[str]:
    """What antspyx calls SyN, on whole images, with the level that makes no step."""
    fixed = fixed_image(template_of(settings), settings.resolution_mm)
    levels = {"reg_iterations": (40, 20, 0), "outprefix": f"{folder}/preset-"}
    return load_ants().registration(fixed, to_ants(scan), "SyN", **levels)["fwdtransforms"]


def brain_points(image: nib.Nifti1Image) -> np.ndarray:
    voxels = np.argwhere(image.get_fdata() > 20)
    return nib.affines.apply_affine(image.affine, voxels[:: len(voxels) // 5000])


def distance_mm(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())


def test_a_known_warp_is_recovered_as_well_as_by_the_preset_of_ants(warped, found, tmp_path):
    points = brain_points(warped)
    affine = nib.affines.apply_affine(np.linalg.inv(found.native_to_template), to_template(points))
    ours, theirs = (
        native(transforms, to_template(points)) for transforms in (found.transforms, preset(warped, SYN, tmp_path))
    )
    assert distance_mm(ours, points) < 0.7 * distance_mm(affine, points)
    assert distance_mm(ours, points) < distance_mm(theirs, points) + 0.05
    assert distance_mm(ours, theirs) < 0.75  # an eighth of a voxel of the last level


def test_the_displacement_vanishes_on_the_border_of_the_cropped_template(found):
    displacement = np.squeeze(np.asarray(nib.load(found.warp).dataobj))
    template, last_level_mm = cropped(load_template().brain), 6
    assert displacement.shape[:3] == pytest.approx(np.array(template.shape) / last_level_mm, abs=1)
    assert np.abs(displacement).max() > 3
    assert not any(np.take(displacement, [0, -1], axis).any() for axis in range(3))
    assert np.abs(log_jacobian(found.warp).get_fdata()).max() < 1


def test_two_runs_of_syn_are_bitwise_equal(warped, tmp_path):
    runs = [register(warped, QUICK, tmp_path / name) for name in ("one", "another one")]
    assert np.array_equal(*(nib.load(run.warp).dataobj[:] for run in runs))
    assert np.array_equal(*(run.native_to_template for run in runs))
    assert sorted(path.name for path in runs[0].folder.iterdir()) == ["0GenericAffine.mat", "1Warp.nii.gz"]


JOB = """
import resource
from pathlib import Path
from ldae.core.runtime import limit_threads
limit_threads(1)
import nibabel as nib
import numpy as np
from scipy import ndimage
from ldae.config import Registration
from ldae.preprocessing.registration import register
from ldae.preprocessing.registration_template import load_template
whole = load_template().brain
data = ndimage.uniform_filter(whole.get_fdata(dtype=np.float32), 4)[::4, ::4, ::4]
brain = nib.Nifti1Image(np.ascontiguousarray(data), whole.affine @ np.diag([4.0, 4.0, 4.0, 1.0]))
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    register(brain, Registration(transform="syn", resolution_mm=4.0, syn_iterations=[1]), Path({folder!r}))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_scan_that_syn_refuses_is_quarantined_and_leaves_no_files(warped, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(QuarantinedScan, match="registration failed"):
        register(nib.Nifti1Image(np.zeros(warped.shape, np.float32), warped.affine), QUICK)
    assert not list(tmp_path.iterdir())


def test_cropping_keeps_every_voxel_where_it_is():
    data = np.zeros((60, 70, 80), np.float32)
    data[30:35, 5:50, 79] = np.random.default_rng(0).uniform(1, 2, (5, 45))
    turned = np.array([[0, -2.0, 0, 7], [1, 0, 0, -9], [0, 0, 3, 4], [0, 0, 0, 1]])  # voxels of 1 x 2 x 3 mm
    whole, part = nib.Nifti1Image(data, turned), cropped(nib.Nifti1Image(data, turned))
    margin = np.ceil(MARGIN_MM / np.array([1, 2, 3])).astype(int)
    low, high = np.array([30, 5, 79]) - margin, np.array([35, 50, 80]) + margin
    low, high = low.clip(0), high.clip(max=data.shape)
    assert part.shape == tuple(high - low)
    assert np.allclose(part.affine[:3, 3], nib.affines.apply_affine(turned, low))
    assert np.array_equal(part.affine[:3, :3], turned[:3, :3])
    assert np.array_equal(part.get_fdata(), data[tuple(map(slice, low, high))])
    assert part.get_fdata().sum() == whole.get_fdata().sum()


@pytest.mark.parametrize(
    ("resolution_mm", "given", "expected"),
    [
        (1, [40, 20, 0], [(4, 40), (2, 20)]),
        (1, [40, 20, 10], [(4, 40), (2, 20), (1, 10)]),
        (1, [40, 0, 10], [(4, 40), (2, 0), (1, 10)]),
        (2, [40, 20, 0], [(2, 40), (1, 20)]),
        (2.5, [40, 20, 0], [(1, 40)]),
        (4, [40, 20, 0], [(1, 40)]),
        (4, [40], [(1, 40)]),
        (1, [0, 0], [(2, 0)]),
    ],
)
def test_levels_of_syn_keep_their_millimetres_and_make_steps(resolution_mm, given, expected):
    assert syn_levels(Registration(resolution_mm=resolution_mm, syn_iterations=given)) == expected


@pytest.mark.parametrize("bytes_of_a_file", [30_000, 420_000])
def test_an_image_that_ants_could_not_write_whole_is_no_fault_of_the_scan(bytes_of_a_file, tmp_path):
    """ANTs goes on with what it wrote: an image that ends in zeros, or half a displacement field."""
    job = JOB.format(limit=bytes_of_a_file, folder=str(tmp_path / "scratch"))
    done = subprocess.run([sys.executable, "-c", job], capture_output=True, text=True, cwd=tmp_path)
    assert "MachineError" in done.stdout and "was not written whole" in done.stdout, done.stderr
    assert not (tmp_path / "scratch").exists()
