"""Intervals against scipy and by coverage; weighted statistics against their textbook forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ldae.core.keyed import study_stream
from ldae.studies.common import statistics as s


def test_interval_of_independent_rows_equals_scipy() -> None:
    values = np.random.default_rng(0).gamma(2, size=60)
    ours = s.interval(values, [f"sub-{i}" for i in range(60)], s.mean, 20_000, seed=1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    spread = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * spread)


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


def test_coverage_on_simulated_clusters() -> None:
    """50 subjects: 95 % intervals cover 93 to 97 %. With fewer the percentile bootstrap is known to be short: printed,
    and the reason why tables mark fewer than 20 subjects."""
    for clusters in (10, 20):
        print(f"coverage of nominal 95 % with {clusters} subjects: {100 * covered(clusters, 4000):.1f} %")
    found = covered(50, 4000)
    print(f"coverage of nominal 95 % with 50 subjects: {100 * found:.1f} %")
    assert 0.93 <= found <= 0.97
    assert covered(50, 4000, by_scan=True) < 0.85  # drawing scans instead of subjects


def test_an_interval_is_made_of_what_coverage_was_measured_on() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(30), 3)
    values = rng.normal(size=90)
    names = np.array([f"sub-{i:02d}" for i in range(30)])[cluster]
    ours = s.interval(values, names, s.mean, 500, seed=9)
    replicates = s.mean(values[:, None], s.resampled(cluster, 30, 500, study_stream(9, "bootstrap")))
    assert (ours.low, ours.high) == pytest.approx(tuple(s.percentile_bounds(replicates)), abs=1e-15)
    assert ours.n_replicates == 500


def test_seeded_and_independent_of_row_order() -> None:
    rng = np.random.default_rng(0)
    values, subjects = rng.normal(size=30), np.repeat([f"sub-{i}" for i in range(10)], 3)
    order = rng.permutation(30)
    first = s.interval(values, subjects, s.mean, 500, seed=3)
    again = s.interval(values[order], subjects[order], s.mean, 500, seed=3)
    assert (again.low, again.high) == pytest.approx((first.low, first.high), abs=1e-12)
    assert s.interval(values, subjects, s.mean, 500, seed=4).low != first.low


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


def test_replicates_without_a_class_are_drawn_again_and_counted() -> None:
    values = np.c_[[0.1, 0.4, 0.3, 0.9], [0, 0, 0, 1]].astype(float)
    estimate = s.interval(values, list("abcd"), s.auc, 400, seed=0)
    expected = 400 * 0.75**4 / (1 - 0.75**4)  # the positive subject is absent from a draw with probability 0.75^4
    assert estimate.n_replicates == 400
    assert estimate.redrawn == pytest.approx(expected, rel=0.35)
    assert estimate.value == 1 and estimate.low == 1


def test_replicates_that_stay_undefined_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "_REDRAWS", 0)
    values = np.c_[[0.1, 0.4, 0.3, 0.9], [0, 0, 0, 1]].astype(float)
    estimate = s.interval(values, list("abcd"), s.auc, 4000, seed=0)
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
