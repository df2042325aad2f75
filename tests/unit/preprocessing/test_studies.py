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
