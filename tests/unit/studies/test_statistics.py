"""Intervals against scipy (their coverage: test_scales.py); weighted statistics against their textbook forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ldae.studies.common import statistics as s


def test_the_interval_of_a_mean_of_independent_rows_is_students() -> None:
    values = np.random.default_rng(0).normal(size=12)
    ours = s.interval(values, [f"sub-{i}" for i in range(12)], s.mean, 0, seed=1)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert ours.n_replicates == 12


def test_the_interval_of_a_median_is_scipys_at_a_level_for_few_subjects() -> None:
    values = np.random.default_rng(0).gamma(2, size=60)
    ours = s.interval(values, [f"sub-{i}" for i in range(60)], s.median, 20_000, seed=1)
    level = s.expanded(0.95, 60)
    assert 0.95 < level < 0.96 and s.expanded(0.95, 10**6) == pytest.approx(0.95, abs=1e-6)
    theirs = stats.bootstrap(
        (values,), np.median, n_resamples=20_000, method="percentile", confidence_level=level, rng=2
    ).confidence_interval
    spread = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * spread)  # medians are steps


def covered(clusters: int, trials: int, by_scan: bool = False) -> float:
    """Share of 95 % intervals that hold the true mean: 1 to 5 scans a subject, who share an effect.

    The trials share their weights, so that all of them are two matrix products.
    """
    rng = np.random.default_rng(clusters)
    cluster = np.repeat(np.arange(clusters), np.resize([1, 2, 3, 4, 5], clusters))
    values = rng.normal(0, 1, (clusters, trials))[cluster] + rng.normal(0, 0.3, (len(cluster), trials))
    units, count = (np.arange(len(cluster)), len(cluster)) if by_scan else (cluster, clusters)
    weights = s.resampled(units, count, 2000, rng)
    low, high = s.percentile_bounds(weights @ values / weights.sum(axis=1, keepdims=True))
    return float(((low <= 0) & (high >= 0)).mean())


def test_subjects_are_drawn_and_not_their_scans() -> None:
    assert 0.93 <= covered(50, 4000) <= 0.97
    assert covered(50, 4000, by_scan=True) < 0.85


def test_seeded_and_independent_of_row_order() -> None:
    rng = np.random.default_rng(0)
    values, subjects = rng.normal(size=30), np.repeat([f"sub-{i}" for i in range(10)], 3)
    order = rng.permutation(30)
    for statistic in (s.mean, s.median):
        first = s.interval(values, subjects, statistic, 500, seed=3)
        again = s.interval(values[order], subjects[order], statistic, 500, seed=3)
        assert (again.low, again.high) == pytest.approx((first.low, first.high), abs=1e-12)
    assert s.interval(values, subjects, s.median, 500, seed=4).low != first.low


def test_auc_with_ties_and_weights_equals_sklearn() -> None:
    rng = np.random.default_rng(0)
    score, label = rng.integers(0, 8, 80).astype(float), rng.integers(0, 2, 80).astype(float)
    weights = rng.integers(0, 4, (5, 80)).astype(float)
    ours = s.auc(np.c_[score, label], weights)
    theirs = [roc_auc_score(label, score, sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("statistic", ["median", "correlation"])
def test_whole_number_weights_repeat_rows(statistic: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(21, 2)) + np.array([1e3, -5])
    weights = rng.integers(0, 4, (30, 21))
    ours = getattr(s, statistic)(values, weights.astype(float))
    for weight, own in zip(weights, ours, strict=True):
        repeated = np.repeat(values, weight, axis=0)
        wanted = np.median(repeated[:, 0]) if statistic == "median" else np.corrcoef(repeated.T)[0, 1]
        assert own == pytest.approx(wanted, abs=1e-9)


def test_constant_values_have_no_correlation() -> None:
    estimate = s.interval(np.c_[np.arange(5.0), np.ones(5)], list("abcde"), s.correlation, 50, 0)
    assert estimate.value is None and "do not vary" in estimate.note


def either_class(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """An area under the ROC curve that does not know its scale: bootstrapped."""
    return s.auc(values, weights)


def test_replicates_without_a_class_are_drawn_again_and_counted() -> None:
    values = np.c_[[0.1, 0.4, 0.3, 0.9], [0, 0, 0, 1]].astype(float)
    estimate = s.interval(values, list("abcd"), either_class, 400, seed=0)
    expected = 400 * 0.75**4 / (1 - 0.75**4)  # the positive subject is absent from a draw with probability 0.75^4
    assert estimate.n_replicates == 400
    assert estimate.redrawn == pytest.approx(expected, rel=0.35)
    assert estimate.value == 1 and estimate.low == 1


def test_replicates_that_stay_undefined_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "_REDRAWS", 0)
    values = np.c_[[0.1, 0.4, 0.3, 0.9], [0, 0, 0, 1]].astype(float)
    estimate = s.interval(values, list("abcd"), either_class, 4000, seed=0)
    lacking = 0.75**4 + 0.25**4  # no draw of the one positive subject, or nothing but draws of it
    assert estimate.redrawn == 0
    assert estimate.n_replicates == pytest.approx(4000 * (1 - lacking), rel=0.03)
    assert estimate.value == estimate.low == estimate.high == 1


def test_one_class_is_not_available_with_a_reason() -> None:
    estimate = s.interval(np.c_[[0.1, 0.4], [1, 1]], ["a", "b"], s.auc, 50, 0)
    assert estimate.value is None and "class" in estimate.note


def test_missing_rows_one_subject_and_few_subjects() -> None:
    assert s.interval([np.nan], ["a"], s.mean, 10, 0).note == "no scan"
    single = s.interval([1.0, 3.0, np.nan], ["a", "a", "b"], s.mean, 10, 0)
    assert (single.value, single.low, single.n_subjects, single.n_rows) == (2.0, None, 1, 2)
    assert s.interval(np.arange(19.0), np.arange(19).astype(str), s.mean, 10, 0).note == "too few"
    assert s.interval(np.arange(20.0), np.arange(20).astype(str), s.mean, 10, 0).note is None


def test_paired_differences_pair_the_same_scans() -> None:
    keys = pd.DataFrame({"participant_id": list("aabb"), "session_id": list("1212")})
    table = pd.concat([keys.assign(method="x", m=[1.0, 2, 3, 4]), keys.iloc[::-1].assign(method="y", m=[3.0, 3, 1, 1])])
    result = s.paired_differences(table, [("x", "y"), ("x", "z")], ["m"], 50, 0)
    assert result["method"].tolist() == ["x-y", "x-z"]
    assert result["value"][0] == pytest.approx(0.5)  # (1-1, 2-1, 3-3, 4-3)
    assert np.isnan(result["value"][1]) and result["note"][1] == "no rows of z"
