"""Tissue fractions where the truth is known."""

import numpy as np
import pandas as pd
import pytest

from ldae.studies.common.feature_sets import demographics, fixed, measured_volumes, tissue_fractions


@pytest.mark.parametrize("shares", [(0.2, 0.45, 0.35), (0.1, 0.5, 0.4), (0.35, 0.4, 0.25)])
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_fractions_of_a_brain_of_three_tissues(shares: tuple, gain: float) -> None:
    rng = np.random.default_rng(0)
    counts = np.round(20_000 * np.array(shares)).astype(int)
    values = np.concatenate([rng.normal(m, 0.05, n) for m, n in zip((0.25, 0.55, 0.85), counts, strict=True)])
    volume = np.zeros(40**3)
    volume[rng.permutation(40**3)[: len(values)]] = gain * values
    np.testing.assert_allclose(tissue_fractions(volume.reshape(40, 40, 40)), shares, atol=0.02)


def test_an_empty_volume_has_none() -> None:
    assert np.isnan(tissue_fractions(np.zeros((4, 4, 4)))).all()
    assert np.isnan(tissue_fractions(np.full((4, 4, 4), 0.5))).all()


def test_measured_volumes_follow_the_scans(cohort: tuple) -> None:
    _, inputs = cohort
    found = measured_volumes(inputs, batch=7)
    assert found["tissue"].shape == (len(inputs.scans), 3)
    np.testing.assert_allclose(found["tissue"].sum(axis=1), 1)
    assert np.corrcoef(found["regions"][:, 0], inputs.scans["truth_ventricle_ml"])[0, 1] > 0.9


def test_missing_values_become_the_mean_of_the_fitted_rows() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0]])
    seen, asked = fixed(matrix)(np.array([0, 1]), np.array([2]))
    np.testing.assert_array_equal(seen, [[1, 0], [3, 0]])
    np.testing.assert_array_equal(asked, [[2, 5]])


def test_demographics_of_age_have_no_age_in_them() -> None:
    scans = pd.DataFrame({"sex": ["M", "F", None], "field_strength": [1.5, 3.0, np.nan], "age": [70.0, 80.0, 75.0]})
    np.testing.assert_array_equal(demographics(scans, "age"), [[1, 1.5], [0, 3], [np.nan, np.nan]])
    np.testing.assert_array_equal(demographics(scans, "ad")[:, 2], [70, 80, 75])
