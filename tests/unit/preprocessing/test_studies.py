"""The arithmetic of the studies of preprocessing (benchmarks/): statistics, and distances between poses."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def studies(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import study_phantoms
    import study_tables

    yield study_tables, study_phantoms
    for name in ("study_phantoms", "study_tables"):
        sys.modules.pop(name)


@pytest.fixture
def harms(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import harmed_heads

    yield harmed_heads
    for name in ("harmed_heads", "kinds_of_scans", "bench_preprocess", "study_phantoms"):
        sys.modules.pop(name)


def test_the_slope_is_that_of_least_squares_for_every_weighting(studies):
    tables, _ = studies
    rng = np.random.default_rng(0)
    values = rng.normal(loc=(100, 0), size=(12, 2))
    weights = rng.integers(0, 3, size=(4, 12)).astype(float)
    expected = [np.polyfit(*np.repeat(values, row.astype(int), axis=0).T, 1)[0] for row in weights]
    assert tables.slope(values, weights) == pytest.approx(expected, rel=1e-6)
    assert np.isnan(tables.slope(values, np.eye(12)[:1])).all()  # one row has no slope


def test_values_are_centred_within_their_subject(studies):
    tables, _ = studies
    centred = tables.centred_within(np.array([1.0, 5.0, 3.0, 9.0]), np.array(["a", "b", "a", "b"]))
    assert centred.tolist() == [-1, -2, 1, 2]


def test_a_turn_moves_a_point_by_its_chord(studies):
    _, phantoms = studies
    quarter = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    points = np.array([[10.0, 0, 0, 1], [0, 0, 5, 1]]).T  # the second lies on the axis
    assert phantoms.pose_error_mm(quarter, np.eye(4), points) == pytest.approx(10 * np.sqrt(2) / 2)


def test_a_head_is_harmed_as_the_name_of_the_harm_says(harms):
    """A ball of 70 mm around a brain of 60 mm, voxels of 2 mm; every harm along the second axis."""
    zooms = np.full(3, 2.0)
    distance = np.sqrt(((2.0 * np.indices((90, 90, 90)) - 89) ** 2).sum(axis=0))
    data, brain = (100.0 * (distance < 70)).astype(np.float32), distance < 60
    field = harms.field(data, brain, zooms, axis=1, fold=5)[45, :, 45]
    assert field[field > 0].max() / field[field > 0].min() == pytest.approx(5, rel=0.05)
    lost = harms.lost(data, brain, zooms, axis=1, mm=12, away_mm=0)
    assert np.array_equal(lost, np.delete(data, range(42, 48), axis=1))
    empty = harms.emptied(data, brain, zooms, axis=1, mm=6)
    assert np.flatnonzero((empty != data).any(axis=(0, 2))).tolist() == [50, 51, 52] and empty[:, 50:53].max() == 0
    turned = harms.turned_round(brain, brain, zooms, axis=1, mm=25)
    assert turned[:, -12:].any(axis=(0, 2)).all() and not turned[:, -13].any() and turned[:, 0].any()
    folded = harms.folded(data, brain, zooms, axis=1, mm=45)
    assert folded.shape[1] == pytest.approx((140 - 45) / 2, abs=3) and folded.sum() == pytest.approx(data.sum())
    assert folded[45, :20, 45].max() == 200  # the end lies over the beginning
