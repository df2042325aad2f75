"""What is seen of a volume without a network: each trait moves its own number, and healthy scans share all."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from trained import settings

from ldae.inference.appearance import SIDES, Appearance, Grid, names, statistics
from ldae.preprocessing.conform import grid_affine

CONFORM = settings().preprocessing.conform
GRID = Grid(grid_affine(CONFORM), CONFORM.shape)


def brain(seed: int) -> np.ndarray:
    """A grey ellipsoid around white matter around a fluid middle, with a bump on the right and some noise."""
    generator = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij"), axis=-1)
    mm = place @ GRID.affine[:3, :3] + GRID.affine[:3, 3]
    radius = np.sqrt((((mm - [0, -17, 5]) / ([62, 80, 60] * generator.normal(1, 0.02, 3))) ** 2).sum(axis=-1))
    values = np.select([radius < 0.25, radius < 0.75, radius < 1], [0.2, 0.8, 0.55], 0.0)
    values = values + 0.15 * (np.abs(mm - [40, 20, 10]).max(axis=-1) < 12)
    values = np.where(radius < 1, ndimage.gaussian_filter(values, 0.6) + generator.normal(0, 0.015, GRID.shape), 0)
    return np.clip(values, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def known() -> Appearance:
    volumes = [brain(seed) for seed in range(40)]
    return Appearance.of(volumes.__getitem__, list(range(40)), [f"sub-{row // 2}" for row in range(40)], GRID.affine)


def blurred(volume: np.ndarray) -> np.ndarray:
    return np.where(volume > 0, ndimage.gaussian_filter(volume, 1.5), 0).astype(np.float32)


def noisy(volume: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, 0.1, volume.shape)
    return np.where(volume > 0, np.clip(volume + noise, 0.01, 1), 0).astype(np.float32)


ODD = {
    "blurred": (blurred, {"fine grain", "graininess", "edges"}),
    "noisy": (noisy, {"fine grain", "graininess", "edges"}),
    "mirrored": (lambda volume: np.asarray(GRID.mirrored(volume)), {"left and right"}),
    "another contrast": (lambda volume: np.where(volume > 0, 1 - volume, 0), {"dark middle", "likeness to the mean"}),
    "transposed": (
        lambda volume: np.pad(np.swapaxes(volume[:, 4:-4], 0, 1), ((0, 0), (4, 4), (0, 0))),
        {"likeness to the mean", "asymmetry"},
    ),
    "half": (lambda volume: np.where(np.arange(48)[:, None, None] < 24, volume, 0), {"brain size", "asymmetry"}),
    "a large fluid space": (
        lambda volume: np.where(ndimage.gaussian_filter((volume > 0) * (volume < 0.4) * 1.0, 3) > 0.1, 0.2, volume),
        {"dark middle"},
    ),
}


@pytest.fixture(scope="module")
def usual(known) -> list[float]:
    """Distances of new healthy scans."""
    return [known.standing_out(brain(seed))[0] for seed in range(40, 60)]


@pytest.mark.parametrize("kind", ODD)
def test_what_is_odd_stands_out_by_its_own_trait(known, usual, kind):
    change, traits = ODD[kind]
    volume = np.ascontiguousarray(change(brain(60)), dtype=np.float32)
    far, _, words = known.standing_out(volume)
    assert far > 1.5 * max(usual)
    found = np.array(list(statistics(volume, known.volume, GRID).values()))
    deviations = np.abs((found - known.mean) / np.sqrt(np.diag(known.covariance)))
    assert {names()[place] for place in np.argsort(deviations)[-5:]} & traits, words
    assert words.split(" ")[0] in " ".join(names())


def test_a_symmetric_brain_and_its_mirror_image_cannot_be_told_apart(known):
    volume = brain(61)
    symmetric = (volume + GRID.mirrored(volume)) / 2
    there, back = (statistics(part, known.volume, GRID) for part in (symmetric, GRID.mirrored(symmetric)))
    assert list(there.values()) == pytest.approx(list(back.values()), abs=1e-5)


def test_a_mirror_image_lies_as_far_on_the_other_side(known):
    """Where the mean is what is common: the two deviations lie around that of no asymmetry at all."""
    place = names().index(SIDES)
    for seed in range(40, 50):
        volume = brain(seed)
        there, back = (known.standing_out(part)[1] for part in (volume, GRID.mirrored(volume)))
        assert there < back
        none = known.mean[place] / np.sqrt(known.covariance[place, place])
        assert (there + back) / 2 == pytest.approx(none, rel=0.1)


def test_training_scans_have_no_more_in_common_with_the_mean_than_new_ones():
    """These brains share nothing that is not symmetric: only a mean that a scan is part of resembles it in that."""
    even = (brain(0) + GRID.mirrored(brain(0))) / 2
    noise = [np.random.default_rng(seed).normal(0, 0.05, even.shape) for seed in range(12)]
    few = [np.where(even > 0, np.clip(even + one, 0.01, 1), 0).astype(np.float32) for one in noise]
    appearance = Appearance.of(few.__getitem__, list(range(12)), [f"sub-{row // 2}" for row in range(12)], GRID.affine)
    place = names().index("left and right")
    assert abs(appearance.mean[place]) < 0.1
    mean = np.mean(few, axis=0, dtype=np.float32)
    inside = [statistics(volume, mean, GRID)["left and right"] for volume in few]
    assert np.mean(inside) > 0.2  # what it would have been


def test_the_mirror_is_the_midline_of_the_brain_not_of_the_grid():
    grid = replace(GRID, affine=GRID.affine @ np.array([[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    volume = np.zeros(grid.shape, np.float32)
    at = -grid.affine[0, 3] / 3.5  # index of x = 0
    volume[int(at + 5.5), 10, 10] = 1
    assert grid.mirrored(volume)[int(2 * at) - int(at + 5.5), 10, 10] == pytest.approx(1)


def test_nothing_and_almost_nothing_are_numbers(known):
    for volume in (np.zeros(GRID.shape, np.float32), (np.random.default_rng(0).random(GRID.shape) > 0.9) * 1.0):
        far, mirror, _ = known.standing_out(volume.astype(np.float32))
        assert np.isfinite(far) and np.isfinite(mirror)


def test_what_is_kept_is_what_is_read(known):
    again = Appearance.from_tensors(known.tensors())
    assert again.standing_out(brain(62)) == known.standing_out(brain(62))
    assert Appearance.from_tensors({"mean": known.mean}) is None
