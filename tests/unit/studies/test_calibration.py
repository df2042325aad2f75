"""Calibration, decision curves and subgroups: closed forms, scikit-learn, and gaps that are planted or are not."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ldae.config import Evaluation
from ldae.core.files import read_tsv
from ldae.inference.conformal import level_of
from ldae.studies.calibration import measure
from ldae.studies.calibration import subgroups as g
from ldae.studies.calibration.age_interval import coverage_of_others
from ldae.studies.calibration.figure import figure_calibration, figure_subgroups
from ldae.studies.calibration.table import calibration_table, gap_table, subgroup_table
from ldae.studies.calibration.words import findings
from ldae.studies.common.probability_scores import brier, in_the_large, net_benefit, slope

ONE = Evaluation(bootstrap=20)


def told(scans: int = 400, seed: int = 0) -> np.ndarray:
    """(scans, 2) logits that may be taken at their word, and labels."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, scans)
    return np.column_stack([logit, (rng.random(scans) < expit(logit)).astype(float)])


def once(statistic, values: np.ndarray) -> float:
    return float(statistic(values, np.ones((1, len(values))))[0])


def test_each_statistic_is_the_one_of_the_books() -> None:
    values = told()
    logit, label = values.T
    assert once(brier, values) == pytest.approx(sk.brier_score_loss(label, expit(logit)))
    assert once(in_the_large, values) == pytest.approx(expit(logit).mean() - label.mean())
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], label)
    assert once(slope, values) == pytest.approx(reference.coef_[0, 0], rel=1e-6)
    assert once(slope, values * [3, 1]) == pytest.approx(once(slope, values) / 3)  # logits that are too extreme
    called = expit(logit) >= 0.2
    expected = (called & (label == 1)).mean() - (called & (label == 0)).mean() * 0.25
    assert once(net_benefit(0.2), values) == pytest.approx(expected)


def test_weights_are_repeated_scans() -> None:
    values, times = told(60), np.random.default_rng(1).integers(0, 3, 60)
    for statistic in (brier, in_the_large, slope, net_benefit(0.3)):
        weighted = float(statistic(values, times[None].astype(float))[0])
        assert weighted == pytest.approx(once(statistic, np.repeat(values, times, axis=0)), rel=1e-6)


@pytest.mark.parametrize("logit", [[-2, -1, 1, 2], [2, 1, -1, -2], [1, 1, 1, 1], [-1, 0, 0, 1]])
def test_no_slope_where_no_regression_ends(logit: list[float]) -> None:
    """The classes are parted, the other way round, there is one logit for all, or they touch in one point."""
    assert np.isnan(once(slope, np.column_stack([logit, [0, 0, 1, 1]]).astype(float)))


def test_nobody_is_better_off_by_calling_everybody_than_the_share_of_ad_says() -> None:
    groups = {("ldae", "test"): predictions(200).query("protocol == 'test' and task == 'ad'")}
    worth = measure.decisions(groups, 0, 0).set_index(["method", "threshold"])["value"]
    share = groups["ldae", "test"]["target"].mean()
    for threshold in measure.THRESHOLDS:
        expected = share - (1 - share) * threshold / (1 - threshold)
        assert worth[(measure.CALL_ALL, threshold)] == pytest.approx(expected)
        assert worth[("ldae", threshold)] >= expected - 0.15


def test_parts_of_a_curve_hold_every_scan_once_and_lie_in_order() -> None:
    group = predictions(120).query("protocol == 'test' and task == 'ad'")
    parts = measure.curve(group, 0, 0)
    assert [number for number, *_ in parts] == [1, 2, 3, 4, 5]
    assert sum(said.n_rows for _, said, _ in parts) == len(group) == sum(seen.n_rows for *_, seen in parts)
    said = [one.value for _, one, _ in parts]
    assert said == sorted(said)
    few = group[group["participant_id"].isin(sorted(set(group["participant_id"]))[:25])]
    assert len(measure.curve(few, 0, 0)) == 2  # ten subjects to each


def cohort(subjects: int) -> pd.DataFrame:
    """A manifest: two scans a subject; sex and field strength by turns, four sites of unequal size."""
    rng = np.random.default_rng(3)
    names = [f"sub-ADNI{rng.integers(2, 900):03d}S{number:05d}" for number in range(subjects)]
    table = pd.DataFrame(
        {
            "participant_id": names,
            "sex": np.where(np.arange(subjects) % 2, "M", "F"),
            "site": rng.choice(["941", "002", "137", "018"], subjects, p=[0.1, 0.4, 0.3, 0.2]),
            "diagnosis": np.where(rng.random(subjects) < 0.5, "AD", "CN"),
            "field_strength": rng.choice([1.5, 3.0], subjects),
            "study_phase": None,
            "age": rng.uniform(55, 90, subjects),
            "status": "included",
        }
    )
    table = pd.concat([table.assign(session_id="ses-M000"), table.assign(session_id="ses-M012", age=table["age"] + 1)])
    return table.sort_values(["participant_id", "session_id"], ignore_index=True)


def predictions(subjects: int, women: float = 1.0) -> pd.DataFrame:
    """What a probe says of the cohort's scans, as fit_probes writes it; of women ``women`` times as much."""
    scans = cohort(subjects)
    rng = np.random.default_rng(4)
    own = pd.Series(rng.normal(size=subjects), index=scans["participant_id"].unique())
    label = (scans["diagnosis"] == "AD").to_numpy(float)
    strength = np.where(scans["sex"] == "F", women, 1.0)
    logit = 3 * strength * (label - 0.5) + scans["participant_id"].map(own).to_numpy() + rng.normal(0, 0.3, len(scans))
    said = scans[["participant_id", "session_id", "diagnosis", "age"]].assign(split="test", features="ldae")
    ad = said.assign(task="ad", target=label, prediction=logit, corrected=np.nan, probability=expit(logit))
    error = rng.normal(0, 5, len(scans))
    age = said.assign(task="age", target=scans["age"], prediction=scans["age"] + error, probability=np.nan)
    both = pd.concat([ad, age])
    fold = scans.groupby("participant_id").ngroup() % 5
    turns = pd.concat([fold, fold]).to_numpy()
    return pd.concat([both.assign(protocol="test", fold=np.nan), both.assign(protocol="cv", fold=turns)])


def gaps_of(table: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    levels = g.levels_of(scans, g.lettered_sites(scans))
    return g.subgroups(table, levels, ("ldae",), 0, 0)[1].set_index(["metric", "grouping"])


def test_a_planted_gap_is_found_where_it_is_and_no_other() -> None:
    scans = cohort(160)
    found = gaps_of(predictions(160, women=0.1), scans)
    planted = found.loc[("auc_ad_test", "sex")]
    assert planted["p_holm"] < 0.05 and planted["value"] > planted["chance_high"] and planted["low"] > 0
    assert (found.drop(index="sex", level="grouping")["p_holm"].dropna() > 0.05).all()
    even = gaps_of(predictions(160), scans)
    assert (even["p_holm"].dropna() > 0.05).all()
    assert even.loc[("auc_ad_test", "study_phase"), "note"] == "fewer than two groups of 10 subjects of each class"


def test_a_gap_is_largest_less_smallest_and_counts_its_smaller_end() -> None:
    scans, table = cohort(160), predictions(160)
    levels = g.levels_of(scans, g.lettered_sites(scans))
    groups, gaps = g.subgroups(table, levels, ("ldae",), 0, 0)
    sites = groups.query("metric == 'specificity_ad_cv' and grouping == 'site'")
    line = gaps.query("metric == 'specificity_ad_cv' and grouping == 'site'").iloc[0]
    used = sites[sites["level"].isin(line["levels"].split(", "))]
    assert line["value"] == pytest.approx(used["value"].max() - used["value"].min())
    ends = used.loc[[used["value"].idxmax(), used["value"].idxmin()], "n_subjects"]
    assert line["n_subjects"] == ends.min() and len(used) < len(sites)  # the smallest site is too small


def test_the_order_of_rows_changes_nothing() -> None:
    scans, table = cohort(60), predictions(60)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(gaps_of(table, scans), gaps_of(shuffled, scans).reindex(gaps_of(table, scans).index))


def test_subjects_change_groups_with_another_of_their_class() -> None:
    subjects = np.repeat(["a", "b", "c", "d", "e"], [1, 3, 2, 2, 1])
    label = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], [1, 3, 2, 2, 1])
    for source in g.exchanges(subjects, label, 5, 0):
        np.testing.assert_array_equal(label[source], label)
        givers = {name: set(subjects[source[subjects == name]]) for name in "abcde"}
        assert all(len(one) == 1 for one in givers.values()) and set.union(*givers.values()) == set("abcde")
    draws = g.exchanges(subjects, None, 5, 0)
    assert len({tuple(draw) for draw in draws}) > 1


def test_thirds_hold_as_many_subjects_and_sites_have_no_names() -> None:
    scans = cohort(31)
    scans.loc[scans["participant_id"] == scans["participant_id"][0], "age"] = np.nan
    sites = g.lettered_sites(scans)
    levels = g.levels_of(scans, sites)
    first = levels.assign(age_years=scans["age"]).groupby("age", sort=False)["participant_id"].nunique()
    assert first.to_dict() == dict.fromkeys(g.THIRDS, 10)
    counts = scans.groupby("site")["participant_id"].nunique()
    assert counts[sites["site"]].is_monotonic_decreasing and sites["level"][0] == "site A"
    assert not set(sites["site"]) & set(levels["site"])


def test_tables_and_figures_of_a_run(tmp_path: Path) -> None:
    out = tmp_path / "calibration"
    measure.run_calibration(predictions(120), cohort(120), ONE, 0, out)
    assert set(read_tsv(out / "summary.tsv")["metric"]) == {
        f"{metric}_{protocol}" for metric in measure.CALIBRATION for protocol in ("cv", "test")
    }
    assert calibration_table(tmp_path)["subjects"].tolist() == [120, 120]
    assert (gap_table(tmp_path)["subjects"] <= subgroup_table(tmp_path)["subjects"].max()).all()
    figure_calibration(out / "curves.tsv", out / "decisions.tsv", tmp_path / "calibrated")
    figure_subgroups(out / "subgroups.tsv", tmp_path / "groups")
    assert (tmp_path / "calibrated.svg").stat().st_size > 10_000 and (tmp_path / "groups.svg").is_file()


def test_a_cohort_without_both_classes_says_why(tmp_path: Path) -> None:
    table = predictions(30)
    measure.run_calibration(table[table["task"] == "age"], cohort(30), ONE, 0, tmp_path / "calibration")
    figure_calibration(
        tmp_path / "calibration/curves.tsv", tmp_path / "calibration/decisions.tsv", tmp_path / "calibrated"
    )
    assert calibration_table(tmp_path).empty and (tmp_path / "calibrated.svg").is_file()


def test_the_report_says_who_is_better_and_where_a_decision_is_of_no_use(tmp_path: Path) -> None:
    """A probe whose logits are ten times too large: behind its right ones, too extreme, and useless at the ends."""
    right = predictions(160)
    ours = right.assign(prediction=right["prediction"].where(right["task"] != "ad", 10 * right["prediction"] - 4))
    ours = ours.assign(probability=expit(ours["prediction"]))
    both = pd.concat([ours, right.assign(features="pca_voxels")])
    measure.run_calibration(both, cohort(160), ONE, 0, tmp_path / "calibration")
    said = str(findings(SimpleNamespace(evaluate=tmp_path), False))
    assert "smaller by the point estimates: PCA of voxels" in said and "the probabilities are too extreme" in said
    assert "worth less than calling everybody" in said and "No gap between groups" in said
    assert "interval of age" not in said
    scans = cohort(160)
    men = right["participant_id"].isin(scans.loc[scans["sex"] == "M", "participant_id"]) & (right["task"] == "age")
    odd = right.assign(prediction=right["target"] + (right["prediction"] - right["target"]) * np.where(men, 3, 1))
    measure.run_calibration(right.where(~men, odd), scans, ONE, 0, tmp_path / "calibration")
    assert "holds too few ages of men (" in str(findings(SimpleNamespace(evaluate=tmp_path), False))


def test_the_interval_of_age_is_set_by_others_and_misses_a_group_that_is_of_another_kind() -> None:
    """By hand: the level of the errors outside. Where the errors of one site are tripled its coverage falls, that of
    the others rises; where all are alike, each is near .9."""
    scans, table = cohort(400), predictions(400)
    levels = g.levels_of(scans, g.lettered_sites(scans))
    ages = table[(table["task"] == "age") & (table["protocol"] == "test")]
    known = ages.merge(levels, on=["participant_id", "session_id"], suffixes=("_years", ""))
    alike = {level: one for grouping, level, one in coverage_of_others(known, ["site"], 0, 0)}
    assert all(abs(one.value - 0.9) < 0.06 and one.low < 0.9 < one.high for one in alike.values())
    error = (known["prediction"] - known["target"]).abs()
    inside = known["site"] == "site A"
    width = level_of(error[~inside].to_numpy(), list(known.loc[~inside, "participant_id"]), 0.9).value
    assert alike["site A"].value == pytest.approx((error[inside] <= width).mean())
    assert alike["site A"].n_subjects == known.loc[inside, "participant_id"].nunique()
    other = known.assign(prediction=known["target"] + (known["prediction"] - known["target"]) * np.where(inside, 3, 1))
    odd = {level: one for grouping, level, one in coverage_of_others(other, ["site"], 0, 0)}
    assert odd["site A"].high < 0.9 and all(odd[f"site {letter}"].value > 0.9 for letter in "BCD")


def test_too_few_others_set_no_interval() -> None:
    known = predictions(12).query("task == 'age' and protocol == 'test'").reset_index(drop=True)
    known["site"] = np.where(known["participant_id"] <= sorted(set(known["participant_id"]))[3], "site A", "site B")
    found = {level: one for _, level, one in coverage_of_others(known, ["site"], 0, 0)}
    assert found["site B"].value is None
    assert found["site B"].note == "fewer than 9 subjects of other groups, which an interval of age needs"
    assert found["site A"].value is None  # 8 others


def ages_of(count: int, seed: int) -> pd.DataFrame:
    """Ages of two sexes that are told alike."""
    rng, place = np.random.default_rng(seed), np.arange(count)
    age = rng.normal(70, 8, count)
    table = pd.DataFrame({"participant_id": [f"sub-{i:03d}" for i in place], "target": age, "fold": np.nan})
    return table.assign(prediction=age + rng.normal(0, 4, count), sex=np.where(place % 2, "men", "women"))


def test_what_was_promised_lies_in_the_interval_of_its_coverage() -> None:
    """The others who set the interval of age are a sample, too: of two halves that are alike the promised .9 would be
    outside the interval over the subjects inside alone in one of five."""
    held = [
        one.low <= 0.9 <= one.high
        for seed in range(200)
        for _, _, one in coverage_of_others(ages_of(200, seed), ["sex"], 0, 0)
    ]
    assert np.mean(held) > 0.92


def test_a_scan_without_a_prediction_or_an_age_is_neither_covered_nor_missed() -> None:
    whole = ages_of(60, 0)
    lacking = whole.copy()
    lacking.loc[[1, 3, 5], "prediction"] = np.nan  # men
    lacking.loc[0, "target"] = np.nan  # a woman
    left = coverage_of_others(lacking.dropna(subset=["prediction", "target"]), ["sex"], 0, 0)
    assert list(coverage_of_others(lacking, ["sex"], 0, 0)) == list(left)
