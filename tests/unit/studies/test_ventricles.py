"""The estimator on brains whose ventricles have a known volume."""

import numpy as np
import pytest

from ldae.studies.common.anatomy import LOWER_MM, UPPER_MM, Grid, brain_ml, ventricle_ml

DEMO = Grid((48, 56, 48), 3.5, (0, -17, 5))
PAPER = Grid((128, 160, 128), 1.5, (-0.5, -17.5, 18.5))


def radius_mm(ml: float) -> float:
    return (ml * 1000 * 3 / (4 * np.pi)) ** (1 / 3)


def sphere(grid: Grid, ml: float, fluid: float = 0.2, white: float = 0.8) -> np.ndarray:
    """White matter with a sphere of fluid at MNI (0, -10, 15), one voxel of partial volume at its surface."""
    axes = [
        centre + grid.spacing_mm * (np.arange(size) - (size - 1) / 2)
        for size, centre in zip(grid.shape, grid.centre_mm, strict=True)
    ]
    offsets = np.meshgrid(axes[0], axes[1] + 10, axes[2] - 15, indexing="ij")
    distance = np.sqrt(sum(offset**2 for offset in offsets))
    share = np.clip((radius_mm(ml) - distance) / grid.spacing_mm + 0.5, 0, 1)
    return white + (fluid - white) * share


@pytest.mark.parametrize("grid", [DEMO, PAPER], ids=["demo", "paper"])
@pytest.mark.parametrize("ml", [15, 30, 60])
def test_known_volume(grid: Grid, ml: float) -> None:
    """The soft threshold sits at contrast .35, not .5: it loses a shell of less than a fifth of a voxel."""
    shell = 0.2 * grid.spacing_mm / radius_mm(ml)
    assert ventricle_ml(sphere(grid, ml), grid) == pytest.approx(ml, rel=0.02 + 3 * shell)


def test_differences_are_kept() -> None:
    sizes = np.arange(20, 61, 5)
    measured = [ventricle_ml(sphere(DEMO, size), DEMO) for size in sizes]
    slope, _ = np.polyfit(sizes, measured, 1)
    assert slope == pytest.approx(1, abs=0.08)
    assert np.corrcoef(sizes, measured)[0, 1] > 0.999


def test_scanner_contrast_does_not_matter() -> None:
    reference = ventricle_ml(sphere(DEMO, 40), DEMO)
    for fluid, white in ((0.05, 0.5), (0.4, 0.9)):
        assert ventricle_ml(sphere(DEMO, 40, fluid, white), DEMO) == pytest.approx(reference, rel=1e-6)


def test_fluid_outside_the_box_does_not_count() -> None:
    volume = sphere(DEMO, 40)
    other = volume.copy()
    other[:6] = 0.2
    assert ventricle_ml(other, DEMO) == ventricle_ml(volume, DEMO)


def test_box_is_the_same_place_on_every_grid() -> None:
    for grid in (DEMO, PAPER):
        for axis, part in enumerate(grid.box()):
            low, high = (
                grid.centre_mm[axis] + grid.spacing_mm * (place - (grid.shape[axis] - 1) / 2)
                for place in (part.start, part.stop - 1)
            )
            assert 0 <= low - LOWER_MM[axis] < grid.spacing_mm and 0 <= UPPER_MM[axis] - high < grid.spacing_mm


def test_grid_from_the_affine_of_the_store() -> None:
    affine = [[3.5, 0, 0, -82.25], [0, 3.5, 0, -113.25], [0, 0, 3.5, -77.25], [0, 0, 0, 1]]
    assert Grid.of((48, 56, 48), affine) == DEMO


def test_brain_volume_is_the_mask_without_fluid() -> None:
    volume = sphere(DEMO, 40)
    brain = np.ones(DEMO.shape, dtype=bool)
    total = brain.sum() * DEMO.voxel_ml
    assert brain_ml(volume, brain, DEMO) == pytest.approx(total - ventricle_ml(volume, DEMO), rel=1e-6)
