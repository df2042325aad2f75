"""Intervals on the scale of their statistic: closed forms, published examples, and coverage with few subjects."""

import math

import numpy as np
import pytest
from scipy import stats

from ldae.studies.common import statistics as s
from ldae.studies.common.scales import Difference, Ranks, Spread
from ldae.studies.probes import estimates


def people(n: int, visits: int = 1) -> np.ndarray:
    return np.repeat([f"sub-{i:03d}" for i in range(n)], visits)


def called(right: int, wrong: int) -> np.ndarray:
    """(right + wrong, 2) prediction and target: half of them AD."""
    target = np.arange(right + wrong) % 2
    hit = np.arange(right + wrong) < right
    return np.column_stack([np.where(hit, 2 * target - 1, 1 - 2 * target), target]).astype(float)


def test_a_share_of_all_or_none_has_wilsons_interval() -> None:
    for right, wrong in ((12, 0), (0, 12)):
        ours = s.interval(called(right, wrong), people(12), estimates.accuracy, 0, 0)
        theirs = stats.binomtest(right, 12).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert ours.note == s.FEW_NOTE


def test_a_share_of_one_scan_a_subject_has_nearly_wilsons_interval() -> None:
    ours = s.interval(called(31, 9), people(40), estimates.accuracy, 0, 0)
    theirs = stats.binomtest(31, 40).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)  # 39 free subjects of 40


def test_scans_of_one_subject_are_not_as_good_as_subjects() -> None:
    """Three copies of every scan change nothing; three subjects with these scans make it narrower."""
    values = np.column_stack([np.random.default_rng(0).normal(size=40), np.arange(40) % 2])
    values[:, 0] += values[:, 1]
    for statistic in (s.auc, estimates.accuracy, s.mae, s.correlation):
        once = s.interval(values, people(40), statistic, 0, 0)
        copied = s.interval(np.repeat(values, 3, axis=0), people(40, 3), statistic, 0, 0)
        more = s.interval(np.repeat(values, 3, axis=0), people(120), statistic, 0, 0)
        assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-9)
        assert more.high - more.low < 0.7 * (once.high - once.low)


def test_the_variance_of_an_area_is_that_of_hanley_and_mcneil() -> None:
    """Their example (1982): an area of 0.893 of 51 abnormal and 58 normal patients has a standard error of 0.032."""
    assert math.sqrt(Ranks.variance(0.893, 51, 58)) == pytest.approx(0.032, abs=0.0005)


def test_a_perfect_reader_of_few_has_an_interval() -> None:
    values = np.column_stack([np.arange(20), np.arange(20) >= 10]).astype(float)
    found = s.interval(values, people(20), s.auc, 0, 0)
    assert (found.value, found.high) == (1.0, 1.0) and 0.75 < found.low < 0.9
    low = found.low  # Newcombe's equation holds at the end of the interval
    assert (1 - low) ** 2 == pytest.approx(stats.norm.ppf(0.975) ** 2 * Ranks.variance(low, 10, 10), rel=1e-6)
    turned = s.interval(values * [-1, 1], people(20), s.auc, 0, 0)
    assert (turned.value, turned.low) == (0.0, 0.0) and turned.high == pytest.approx(1 - low)


@pytest.mark.parametrize("subjects", [5, 20])
def test_a_correlation_close_to_one_is_covered(subjects: int) -> None:
    """Of 20 subjects, 58 of 100 intervals held .99 when no correlation above 1 - 1 / (2n) was believed."""
    rng, held, r = np.random.default_rng(1), 0, 0.99
    for _ in range(200):
        x = rng.normal(size=subjects)
        values = np.column_stack([x, r * x + math.sqrt(1 - r**2) * rng.normal(size=subjects)])
        found = s.interval(values, people(subjects), s.correlation, 0, 0)
        held += found.low <= r <= found.high
    assert 0.91 * 200 <= held < 200


@pytest.mark.parametrize(("metric", "most"), [("ssim_w11_brain", 1), ("ventricle_ml_spearman_mean", 1), ("psnr", 9)])
def test_no_interval_of_a_similarity_reaches_beyond_one(metric: str, most: float) -> None:
    found = s.interval(np.array([0.99, 0.6, 0.98]), people(3), s.mean_of(metric), 0, 0)
    free = s.interval(np.array([0.99, 0.6, 0.98]), people(3), s.mean, 0, 0)
    assert free.high > 1 and found.high == min(free.high, most) and found.low == free.low


def test_three_on_a_line_are_not_believed() -> None:
    found = s.interval(np.array([[0, 0], [1, 1.001], [2, 2]], dtype=float), people(3), s.correlation, 0, 0)
    assert found.value > 0.999 and found.low < 0


def test_a_score_that_is_the_same_for_everybody_adds_no_width() -> None:
    label = np.arange(40) % 2
    score = label + np.random.default_rng(0).normal(size=40)
    constant = np.column_stack([np.zeros(40), label])
    assert [getattr(s.interval(constant, people(40), s.auc, 0, 0), end) for end in ("low", "high")] == [0.5, 0.5]
    ours = s.interval(np.column_stack([score, label]), people(40), s.auc, 0, 0)
    gap = s.interval(np.column_stack([score, label, constant]), people(40), s.difference_of(s.auc, 2), 0, 0)
    assert (gap.low, gap.high) == pytest.approx((ours.low - 0.5, ours.high - 0.5))


@pytest.mark.parametrize("statistic", [s.auc, estimates.balanced_accuracy, estimates.mcc, estimates.sensitivity])
def test_too_few_of_one_class_is_said(statistic: s.Statistic) -> None:
    rng = np.random.default_rng(0)
    for positive, note in ((9, s.FEW_NOTE), (10, None)):
        label = np.r_[np.ones(positive), np.zeros(50)]
        values = np.column_stack([rng.normal(size=len(label)) + label, label])
        assert s.interval(values, people(len(label)), statistic, 0, 0).note == note


def test_recall_rests_on_the_subjects_of_its_class() -> None:
    """All of 3 subjects with AD called rightly: Wilson's interval of 3 of 3, however many controls there are; and the
    same for the recall of CN as of AD with the classes exchanged."""
    label = np.r_[np.ones(3), np.zeros(60)]
    values = np.column_stack([2 * label - 1, label])
    found = s.interval(values, people(63), estimates.sensitivity, 0, 0)
    assert found.low == pytest.approx(stats.binomtest(3, 3).proportion_ci(method="wilson").low)
    turned = s.interval(values * [-1, 1] + [0, 0], people(63), estimates.CN_METRICS["specificity_cn_positive"], 0, 0)
    assert turned.value == 0 and turned.high == pytest.approx(1 - found.low)


def test_precision_rests_on_the_subjects_that_are_called() -> None:
    """Three calls that are right, among 40 with AD: Wilson's interval of 3 of 3, said to be too few; CN alike."""
    label = np.r_[np.ones(40), np.zeros(40)]
    values = np.column_stack([np.where(np.arange(80) < 3, 1.0, -1.0), label])
    found = s.interval(values, people(80), estimates.precision, 0, 0)
    wilson = stats.binomtest(3, 3).proportion_ci(method="wilson")
    assert (found.value, found.low, found.note) == (1.0, pytest.approx(wilson.low), s.FEW_NOTE)
    mirrored = np.column_stack([-values[:, 0], 1 - label])
    turned = s.interval(mirrored, people(80), estimates.CN_METRICS["precision_cn_positive"], 0, 0)
    assert (turned.value, turned.low, turned.note) == (found.value, found.low, found.note)


def test_the_p_of_a_difference_is_the_level_at_which_its_interval_ends_at_zero() -> None:
    rng = np.random.default_rng(1)
    label = (np.arange(60) % 2).astype(float)
    better, worse = rng.normal(size=60) + 2 * label, rng.normal(size=60) + 0.5 * label
    values, gap = np.column_stack([better, label, worse, label]), s.difference_of(s.auc, 2)
    assert isinstance(gap, Difference)
    p = s.two_sided_p(values, people(60), gap)
    ends = s.interval(values, people(60), gap, 0, 0, level=1 - p)
    assert 0 < p < 0.05 and ends.low == pytest.approx(0, abs=1e-6)
    swapped = s.two_sided_p(values[:, [2, 3, 0, 1]], people(60), gap)
    assert swapped == pytest.approx(p, rel=1e-6)
    alike = np.column_stack([better, label, better, label])
    assert s.two_sided_p(alike, people(60), gap) == pytest.approx(1)
    same = s.interval(alike, people(60), gap, 0, 0)
    assert (same.low, same.high) == pytest.approx((0, 0), abs=1e-9)
    with pytest.raises(TypeError, match="difference of a statistic on a scale"):
        s.two_sided_p(values[:, :2], people(60), s.median)


def test_holms_p_values() -> None:
    import pandas as pd

    p = pd.Series([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(s.holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])


def test_widening_is_that_of_the_folds() -> None:
    """Five folds: sqrt(1 + 5/4). The interval of a mean grows by exactly so much, that of an area does so at first
    order."""
    assert s.cv_widening([0, 1, 2, 3, 4, 0]) == pytest.approx(1.5)
    assert s.cv_widening([np.nan, np.nan]) == s.cv_widening([]) == 1
    values = np.random.default_rng(0).normal(size=30)
    once, wide = (s.interval(values, people(30), s.mean, 0, 0, widen=by) for by in (1, 1.5))
    assert wide.high - wide.low == pytest.approx(1.5 * (once.high - once.low))
    medians = [s.interval(values, people(30), s.median, 400, 0, widen=by) for by in (1, 1.5)]
    assert medians[1].high - medians[1].low == pytest.approx(1.5 * (medians[0].high - medians[0].low))
    many = np.column_stack([np.random.default_rng(1).normal(size=2000) + np.arange(2000) % 2, np.arange(2000) % 2])
    once, wide = (s.interval(many, people(2000), s.auc, 0, 0, widen=by) for by in (1, 1.5))
    assert wide.high - wide.low == pytest.approx(1.5 * (once.high - once.low), rel=0.01)


def test_more_subjects_than_groups_give_the_same_spread() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    found = s.interval(values, people(4000), s.mean, 0, 0)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert found.n_replicates == 400
    assert found.high - found.low == pytest.approx(theirs.high - theirs.low, rel=0.1)


def test_a_perfect_correlation_of_few_is_not_certain() -> None:
    line = np.arange(6.0)
    found = s.interval(np.column_stack([line, line]), people(6), s.correlation, 0, 0)
    assert found.value == pytest.approx(1) and found.low < 0.8 and found.high == pytest.approx(1)


def test_an_error_in_years_stays_above_zero() -> None:
    spread = Spread(2.0, np.array([1.5, 2.5, 2.0, 1.8, 2.2, 1.9, 2.1]), (7,))
    low, high = s.mae.scale.bounds(spread, 0.95)
    assert 0 < low < 2 < high and low * high == pytest.approx(4)


def test_an_error_of_two_subjects_has_an_interval_that_can_be_printed() -> None:
    """Student's t of one degree of freedom is 12.7: on the logarithm the interval would end at 10 to the 20."""
    found = s.interval(np.array([[1.0, 0.0], [9.0, 0.0]]), people(2), s.mae, 0, 0)
    assert (found.value, found.low) == (5.0, 0.0) and found.high == pytest.approx(5 + 12.706 * 4, rel=1e-3)
    found = s.interval(np.array([1.0, 9.0]), people(2), s.mean, 0, 0)
    assert found.low == 0 and found.high < 60


@pytest.mark.parametrize(("positive", "negative", "area"), [(11, 12, 0.9), (11, 12, 0.97), (5, 55, 0.9)])
def test_intervals_of_areas_cover_with_few_subjects(positive: int, negative: int, area: float) -> None:
    """Nominal 95 % intervals on 400 cohorts of two scans a subject; the percentile bootstrap covers 0.87, 0.77, 0.81
    (benchmarks/coverage.py)."""
    rng, held = np.random.default_rng(1), 0
    label = np.repeat(np.r_[np.ones(positive), np.zeros(negative)], 2)
    subjects, apart = people(positive + negative, 2), stats.norm.ppf(area) * math.sqrt(2)
    for _ in range(400):
        own = np.repeat(rng.standard_normal(positive + negative), 2)
        score = math.sqrt(0.8) * own + math.sqrt(0.2) * rng.standard_normal(len(label)) + apart * label
        found = s.interval(np.column_stack([score, label]), subjects, s.auc, 0, 0)
        held += found.low <= area <= found.high
    assert held / 400 >= 0.93
