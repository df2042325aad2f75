import nibabel as nib
import numpy as np
import pytest

from ldae.config import Conform
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.antspy import load_ants
from ldae.preprocessing.conform import PERIVENTRICULAR_MM, box_mask, conform, grid_affine, without_outliers
from ldae.preprocessing.registration import Alignment

GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5), interpolation="linear", intensity="minmax")


@pytest.fixture
def aligned(tmp_path):
    """An alignment that shifts a scan by ``mm`` (R-A-S) into the template."""

    def shifted_by(mm: tuple[float, float, float]) -> Alignment:
        ants = load_ants()
        back = -np.array(mm) * [-1, -1, 1]  # ITK maps template points to scan points, in L-P-S
        transform = ants.create_ants_transform(
            transform_type="AffineTransform", matrix=np.eye(3), translation=back.tolist()
        )
        ants.write_transform(transform, str(tmp_path / "shift.mat"))
        matrix = np.eye(4)
        matrix[:3, 3] = mm
        return Alignment(matrix, [str(tmp_path / "shift.mat")], tmp_path)

    return shifted_by


@pytest.fixture(scope="module")
def blocks() -> nib.Nifti1Image:
    """Random blocks on the target grid itself, the darkest voxel 0."""
    rng = np.random.default_rng(3)
    data = np.kron(rng.uniform(10, 250, (12, 14, 12)), np.ones((4, 4, 4))).astype(np.float32)
    data[0, 0, 0] = 0
    return nib.Nifti1Image(data, grid_affine(GRID))


def full(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.ones(image.shape, np.uint8), image.affine)


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_identity_on_the_same_grid_returns_the_input(interpolation, blocks, aligned):
    settings = GRID.model_copy(update={"interpolation": interpolation})
    volume, mask, metrics = conform(blocks, full(blocks), aligned((0, 0, 0)), settings)
    expected = blocks.get_fdata() / blocks.get_fdata().max()
    assert np.abs(volume.get_fdata() - expected).max() < 1e-4
    assert np.asarray(mask.dataobj).all()
    assert np.array_equal(volume.affine, blocks.affine)
    assert metrics["clipped"] < 0.01


def test_a_shift_to_the_left_moves_the_image_to_the_left(blocks, aligned):
    volume, _, _ = conform(blocks, full(blocks), aligned((-7, 0, 3.5)), GRID)
    data, scale = blocks.get_fdata(), blocks.get_fdata().max()
    assert np.abs(volume.get_fdata()[1:-2, :, 1:] * scale - data[3:, :, :-1]).max() < 1e-2 * scale


def test_grid_is_centred_where_the_configuration_says():
    affine = grid_affine(GRID)
    middle = (np.array(GRID.shape) - 1) / 2
    assert (affine @ [*middle, 1])[:3] == pytest.approx(GRID.centre_mm)
    assert nib.aff2axcodes(affine) == ("R", "A", "S")


def test_only_brain_is_kept(blocks, aligned):
    mask = np.zeros(blocks.shape, np.uint8)
    mask[10:30, 10:30, 10:30] = 1
    volume, brain, _ = conform(blocks, nib.Nifti1Image(mask, blocks.affine), aligned((0, 0, 0)), GRID)
    assert np.array_equal(np.asarray(brain.dataobj), mask)
    assert not volume.get_fdata()[mask == 0].any()


def test_robust_intensity_puts_white_matter_at_four_fifths(blocks, aligned):
    settings = GRID.model_copy(update={"intensity": "robust"})
    affine = blocks.affine
    data = np.full(blocks.shape, 30, np.float32)
    data[box_mask(blocks.shape, affine, PERIVENTRICULAR_MM)] = 110  # white matter
    data[5, 5, 5] = 5000  # one bright vessel must not set the scale
    image = nib.Nifti1Image(data, affine)
    volume = conform(image, full(image), aligned((0, 0, 0)), settings)[0].get_fdata()
    assert np.median(volume[box_mask(blocks.shape, affine, PERIVENTRICULAR_MM)]) == pytest.approx(0.8, abs=1e-3)
    assert volume[20, 2, 2] == pytest.approx(0.8 * 30 / 110, abs=1e-3)
    assert volume.max() == 1


def with_voxel(image: nib.Nifti1Image, value: float) -> nib.Nifti1Image:
    data = image.get_fdata(dtype=np.float32).copy()
    data[20, 20, 20] = value
    return nib.Nifti1Image(data, image.affine)


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_one_bright_voxel_takes_little_of_the_range(interpolation, blocks, aligned):
    settings = GRID.model_copy(update={"interpolation": interpolation})
    kept = settings.model_copy(update={"clip_at": None})
    top = float(np.percentile(blocks.get_fdata(), 99))
    hot, brain, there = with_voxel(blocks, 10 * top), full(blocks), aligned((0, 0, 0))
    volume, _, metrics = conform(hot, brain, there, settings)
    # blocks range from about 10 to 250: with a voxel of 10 times their 99th percentile less than a tenth is left
    assert metrics["range_used"] == pytest.approx(0.1 * 0.96, abs=0.01)
    spread = np.diff(np.percentile(volume.get_fdata(), [1, 99]))[0]
    assert spread == pytest.approx(0.96 / 2.5, abs=0.05)
    paper = conform(hot, brain, there, kept)[0]
    assert np.diff(np.percentile(paper.get_fdata(), [1, 99]))[0] < 0.12


def test_one_voxel_far_below_zero_takes_little_of_the_range(blocks, aligned):
    volume = conform(with_voxel(blocks, -32768), full(blocks), aligned((0, 0, 0)), GRID)[0]
    assert np.diff(np.percentile(volume.get_fdata(), [1, 99]))[0] > 0.9


def test_a_scan_without_outliers_is_the_same_to_the_byte(blocks, aligned):
    """Even with fat outside the brain that is brighter than the limit."""
    mask = np.zeros(blocks.shape, np.uint8)
    mask[10:30, 10:30, 10:30] = 1
    image = nib.Nifti1Image(np.where(mask, blocks.get_fdata(), 3000).astype(np.float32), blocks.affine)
    brain, settings = nib.Nifti1Image(mask, blocks.affine), GRID.model_copy(update={"interpolation": "bspline"})
    kept = settings.model_copy(update={"clip_at": None})
    one, two = (conform(image, brain, aligned((1, 2, 3)), each)[0].get_fdata() for each in (settings, kept))
    assert np.array_equal(one, two)
    assert without_outliers(image, mask > 0, 2.5) is image


def test_box_holds_the_voxels_whose_centres_lie_in_it():
    affine = grid_affine(GRID)
    inside = np.argwhere(box_mask(GRID.shape, affine, PERIVENTRICULAR_MM))
    points = inside * GRID.spacing_mm + affine[:3, 3]
    assert (points >= PERIVENTRICULAR_MM[:, 0]).all() and (points <= PERIVENTRICULAR_MM[:, 1]).all()
    assert len(inside) == np.prod([20, 25, 16])


def test_a_brain_outside_the_grid_is_quarantined(blocks, aligned):
    with pytest.raises(QuarantinedScan, match="astray"):
        conform(blocks, full(blocks), aligned((0, 0, 500)), GRID)


def test_a_brain_without_contrast_is_quarantined(blocks, aligned):
    dark = nib.Nifti1Image(np.zeros(blocks.shape, np.float32), blocks.affine)
    with pytest.raises(QuarantinedScan, match="no contrast"):
        conform(dark, full(dark), aligned((0, 0, 0)), GRID)
