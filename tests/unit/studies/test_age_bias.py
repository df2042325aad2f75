"""The pull of predicted ages towards the mean: told as a slope, and undone without any age of a test subject."""

import numpy as np
import pandas as pd
import pytest

from ldae.core.keyed import study_stream
from ldae.studies.common.feature_sets import fixed
from ldae.studies.common.linear_probes import choose, choose_and_score, fit, subject_folds
from ldae.studies.common.statistics import interval
from ldae.studies.probes import measure
from ldae.studies.probes.estimates import bias_slope, r2, summary
from ldae.studies.probes.measure import fit_chosen, pull, undone

NOISE = 1.5  # of a feature that is the age in units of its spread: half of the prediction's slope is lost


@pytest.mark.parametrize(("slope", "offset"), [(0.4, 40.0), (1.0, -3.0), (1.3, 0.0)])
def test_the_slope_is_that_of_the_error(slope: float, offset: float) -> None:
    age = np.linspace(60, 90, 31)
    values, weights = np.column_stack([slope * age + offset, age]), np.ones((2, 31))
    weights[1] = np.random.default_rng(0).integers(0, 4, 31)
    assert bias_slope(values, weights) == pytest.approx(slope - 1)


def test_the_mean_age_for_everybody_has_a_slope_of_minus_one() -> None:
    age = np.linspace(60, 90, 31)
    assert bias_slope(np.column_stack([np.full(31, 75.0), age]), np.ones((1, 31))) == pytest.approx(-1)
    assert np.isnan(bias_slope(np.column_stack([age, np.full(31, 75.0)]), np.ones((1, 31))))


def test_a_pull_is_found_and_undone_exactly() -> None:
    age = np.linspace(60, 90, 31)
    said = 0.4 * age + 45
    line = pull(np.where(np.arange(31) == 4, np.nan, said), age)
    assert line == pytest.approx((0.4, 45))
    np.testing.assert_allclose(undone(said, line), age)
    assert pull(np.full(31, 75.0), age) is None and pull(said, np.full(31, 75.0)) is None
    assert np.isnan(undone(said, None)).all()


def cohort(subjects: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    age = rng.normal(75, 8, subjects)
    scans = pd.DataFrame({"participant_id": [f"sub-{i:03d}" for i in range(subjects)], "session_id": "ses-M000"})
    scans = scans.assign(age=age, diagnosis=np.where(np.arange(subjects) % 2, "AD", "CN"), months=0)
    scans["split"] = np.where(np.arange(subjects) < subjects // 2, "train", "test")
    return scans, ((age - 75) / 8 + NOISE * rng.standard_normal(subjects))[:, None]


def test_test_subjects_are_corrected_by_the_others_alone() -> None:
    scans, feature = cohort()
    rows, age = np.arange(len(scans)), scans["age"].to_numpy()
    table, _ = measure.tested(scans, "age", {"ldae": fixed(feature)}, rows, age, 1)
    found = summary(table, 50, 1).set_index("metric")
    raw, corrected = (found.loc[f"age_bias_slope{kind}_test"] for kind in ("", "_corrected"))
    assert raw["high"] < -0.5 and corrected["low"] < 0 < corrected["high"]
    assert found.loc["age_mae_corrected_test", "value"] > found.loc["age_mae_test", "value"]  # what the pull was for
    other = scans.assign(age=np.where(scans["split"] == "test", scans["age"].to_numpy()[::-1], scans["age"]))
    again, _ = measure.tested(other, "age", {"ldae": fixed(feature)}, rows, other["age"].to_numpy(), 1)
    np.testing.assert_array_equal(again["corrected"], table["corrected"])


def test_intervals_of_what_can_be_negative_hold_it() -> None:
    """Ages are positive, and yet their bias slope and R2 may be below zero."""
    rng, age = np.random.default_rng(2), np.linspace(60, 90, 40)
    values = np.column_stack([75 + 12 * rng.standard_normal(40), age])
    for statistic in (bias_slope, r2):
        found = interval(values, [str(i) for i in range(40)], statistic, 50, 1)
        assert found.low < found.value < 0 and found.value < found.high


def test_diagnoses_and_features_that_know_no_age_are_not_corrected() -> None:
    scans, feature = cohort(60)
    nothing = study_stream(1, "noise").standard_normal(feature.shape)
    rows, target = np.arange(60), (scans["diagnosis"] == "AD").to_numpy(float)
    sets = {"ldae": fixed(nothing)}
    parts = [
        measure.tested(scans, "age", sets, rows, scans["age"].to_numpy(), 1)[0],
        measure.tested(scans, "ad", sets, rows, target, 1)[0],
    ]
    table = pd.concat(parts)
    assert table["corrected"].isna().all()
    found = summary(table, 50, 1)
    corrected = found[found["metric"].str.contains("_corrected_test$")]
    assert len(corrected) == 2 and corrected["value"].isna().all()
    assert corrected["note"].str.contains("hardly follows the age").all()


def test_all_folds_are_corrected_or_none() -> None:
    """Of the other folds alone the numbers would be those of other subjects, chosen by how well they were predicted."""
    scans, feature = cohort(120)
    age, fold = scans["age"].to_numpy(), np.arange(120) % 3
    whole = measure.cross_validated(scans, "age", "ldae", fixed(feature), np.arange(120), age, fold, 1)
    assert whole["corrected"].notna().all()
    torn = whole.assign(corrected=whole["corrected"].where(whole["fold"] != 1))
    for table, known in ((whole, True), (torn, False)):
        found = summary(table, 50, 1).set_index("metric")
        for metric in ("age_bias_slope_corrected_cv", "age_mae_corrected_cv"):
            assert np.isfinite(found.loc[metric, "value"]) == known
            assert known or "in 1 of 3 folds" in found.loc[metric, "note"]
        assert np.isfinite(found.loc["age_bias_slope_cv", "value"])


def test_what_the_inner_folds_say_is_out_of_fold() -> None:
    scans, feature = cohort(80)
    rows, age, groups = np.arange(80), scans["age"].to_numpy(), scans["participant_id"].to_numpy()
    strata = scans["diagnosis"].to_numpy()
    penalty, width, said = choose_and_score("age", fixed(feature), rows, age, groups, strata, 3)
    assert (penalty, width) == choose("age", fixed(feature), rows, age, groups, strata, 3)
    fold = subject_folds(groups, strata, 4, 3)
    for held_out in range(4):
        probe = fit("age", feature[fold != held_out], age[fold != held_out], penalty)
        np.testing.assert_allclose(said[fold == held_out], probe.score(feature[fold == held_out]))
    probe, asked, _ = fit_chosen(scans, "age", fixed(feature), rows[:60], age[:60], rows[60:], 3)
    assert asked.shape == (20, 1) and probe.weight[0] > 0
