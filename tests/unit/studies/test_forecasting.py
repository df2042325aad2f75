"""Forecasts of the next visit: who is asked, what is learnt, and a world in which the brain goes on along a line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_cohort import LinearLDAE, cohort_table, write_cohort

from ldae.config import Evaluation, Forecasting
from ldae.core.files import read_tsv, write_tsv
from ldae.inference.decoder import Decoder
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs, open_inputs
from ldae.studies.common.study import ReportSources
from ldae.studies.forecasting.cases import APART, Case, courses, find_cases, partners
from ldae.studies.forecasting.estimates import NO_CASES, NO_TRUTH, UNKNOWN
from ldae.studies.forecasting.figure import figure_forecasting
from ldae.studies.forecasting.fitted import Fitted, Volumes
from ldae.studies.forecasting.measure import run_forecasting
from ldae.studies.forecasting.names import CODE, FUTURE_AD, FUTURE_MMSE, METHODS, STEPS_TRUTH, VENTRICLES
from ldae.studies.forecasting.predictors import forecast
from ldae.studies.forecasting.table import difference_table
from ldae.studies.forecasting.training_course import CourseRidge, change_per_year
from ldae.studies.forecasting.words import drawn, findings

RATES = {"CN": 0.2, "MCI": 0.7, "AD": 1.2}  # stages a year


def visits_of(*subjects: tuple[str, list[float], str]) -> pd.DataFrame:
    rows = [
        (name, f"s{place}", 12 * year, 70 + year + 0.01, split, "CN")
        for name, years, split in subjects
        for place, year in enumerate(years)
    ]
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "age", "split", "diagnosis"])


def test_a_next_visit_is_forecast_from_those_right_before_it() -> None:
    scans = visits_of(("a", [0, 0.1, 1, 2.5], "test"), ("b", [0], "test"), ("c", [0, 1], "train"))
    one, two = (find_cases(scans, known) for known in (1, 2))
    # The scan a tenth of a year after the first is no next visit of it, but the last one before the third.
    assert [(case.last, case.target) for case in one] == [(1, 2), (2, 3)]
    assert [case.gap for case in one] == pytest.approx([0.9, 1.5])
    assert two == [Case(2, 3, pytest.approx(1.5), 1, pytest.approx(0.9))] and two[0].span >= APART
    untimed = scans.assign(age=np.nan, months=np.nan)
    assert find_cases(untimed, 1) == []
    assert [case.gap for case in find_cases(scans.assign(age=70.5), 1)] == pytest.approx([0.9, 1.5])  # by months


def test_a_limit_draws_visits_of_all_subjects_whatever_the_order_of_rows() -> None:
    scans = visits_of(*((f"sub-{i:02d}", [0, 1, 2, 3], "test") for i in range(40)))
    few, more = (find_cases(scans, 1, limit) for limit in (20, 60))
    assert len(few) == 20 and set(few) < set(more) and len(find_cases(scans, 1)) == 120
    assert scans.loc[[case.last for case in few], "participant_id"].iloc[-1] > "sub-30"
    turned = scans.iloc[::-1].reset_index(drop=True)

    def named(table: pd.DataFrame, cases: list[Case]) -> set[tuple]:
        return {tuple(table.loc[case.target, ["participant_id", "session_id"]]) for case in cases}

    assert named(turned, find_cases(turned, 1, 20)) == named(scans, few)


def test_a_borrowed_slope_is_another_subject_s() -> None:
    scans = visits_of(("a", [0, 1, 2, 3], "test"), ("b", [0, 1, 2], "test"))
    cases = find_cases(scans, 2)
    people = scans["participant_id"]
    assert len(cases) == 3
    for case, other in partners(scans, cases).items():
        assert people[case.last] != people[other.last]
    assert partners(scans, cases[:2]) == {}  # one subject alone


def test_the_mean_change_is_the_slope_within_subjects() -> None:
    """Who starts higher, or is seen once, does not bend it."""
    scans = visits_of(("a", [0, 1, 4], "train"), ("b", [0, 2], "train"), ("c", [0], "train"))
    start, years = scans["participant_id"].map({"a": 0, "b": 100, "c": -50}), scans["months"] / 12
    values = np.column_stack([start + 3 * years, start - years]).astype(float)
    found = change_per_year(courses(scans, "train"), lambda rows: values[rows])
    np.testing.assert_allclose(found, [3, -1], atol=1e-9)
    assert change_per_year(courses(scans[scans["participant_id"] == "c"], "train"), lambda rows: values[rows]) is None


def test_the_ridge_knows_the_diagnosis_the_gap_and_the_code() -> None:
    rng = np.random.default_rng(0)
    years = [[0, gap] for gap in rng.uniform(0.5, 3, 120)]
    scans = visits_of(*((f"sub-{i:03d}", own, "train") for i, own in enumerate(years)))
    scans["diagnosis"] = np.repeat(np.tile(["CN", "MCI", "AD"], 40), 2)
    rate = scans["diagnosis"].map(RATES).to_numpy()
    start = np.repeat(rng.normal(size=120), 2)
    values = np.column_stack([start + rate * scans["months"] / 12, np.repeat(rng.normal(size=120), 2)])
    ridge = CourseRidge.fit(values, scans, courses(scans, "train"), 0)
    cases = [Case(row, row + 1, gap) for row in (0, 2, 4) for gap in (1.0, 2.0)]
    found = ridge.changes(values, scans, cases)
    expected = [RATES[scans.loc[case.last, "diagnosis"]] * case.gap for case in cases]
    np.testing.assert_allclose(found[:, 0], expected, atol=0.15)
    assert np.abs(found[:, 1]).max() < 0.05  # nothing was to be learnt
    assert CourseRidge.fit(values, scans, courses(scans[:2], "train"), 0) is None  # one subject


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[LinearLDAE, Inputs]:
    """The toy cohort with ventricles that grow by the diagnosis and the subject, and three visits of test subjects."""
    table = cohort_table()
    own = table["participant_id"].str[4:].astype(int)
    table = pd.concat([table, table[(table["split"] == "test") & (table["months"] == 12)].assign(months=24)])
    table = table.drop_duplicates(["participant_id", "months"]).sort_values(["participant_id", "months"])
    table = table.assign(
        session_id=table["months"].map("ses-M{:03d}".format), age=65 + own[table.index] / 2 + table["months"] / 12
    ).reset_index(drop=True)
    own = table["participant_id"].str[4:].astype(int)
    pace = table["diagnosis"].map(RATES) * (0.2 + own % 4 / 8)
    stage = table["diagnosis"].map({"CN": 0.0, "MCI": 0.5, "AD": 1.0}) + pace * table["months"] / 12
    store = tmp_path_factory.mktemp("line") / "store"
    ldae, splits, truth = write_cohort(store, table.assign(mmse=np.round(29 - 4 * stage)), stage, texture=0.0)
    return ldae, open_inputs(store, splits, truth)


@pytest.fixture(scope="module")
def known(world: tuple[LinearLDAE, Inputs], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "forecasting"
    run(world, folder, 200)
    return folder


def run(world: tuple[LinearLDAE, Inputs], folder: Path, visits: int) -> None:
    evaluation = Evaluation(bootstrap=50, calibration_scans=8)
    evaluation = evaluation.model_copy(update={"sampling": world[0].sampling, "volumes": 8})
    run_forecasting(*world, Forecasting(visits=visits), evaluation, 0, folder)


def sources(folder: Path) -> ReportSources:
    return ReportSources(folder, folder.parent, folder, folder, folder, {})


def test_every_forecast_is_the_line_that_it_says(world: tuple[LinearLDAE, Inputs]) -> None:
    ldae, inputs = world
    decoder, volumes = Decoder(ldae, 4), Volumes.of(inputs.grid)
    fitted = Fitted.fit(decoder, inputs, volumes, 100, 4, 0)
    cases = find_cases(inputs.scans, 2)[:2]
    other = {case: find_cases(inputs.scans, 2)[-1] for case in cases}
    made = forecast(decoder, Reads(inputs, [(ldae, True)]), fitted, cases, other)
    (case, _), (far, *_) = cases, other.values()
    e, x, t = (inputs.volumes.volumes(row) for row in (case.earlier, case.last, case.target))
    y_e, y, y_t = (inputs.code("y_sem", [row])[0] for row in (case.earlier, case.last, case.target))
    steps = case.gap / case.span
    pictures = {name: volume[0, 0] for name, volume in made.pictures.items()}
    codes = {name: code[0] for name, code in made.codes.items()}
    np.testing.assert_allclose(pictures["voxel_slope"], np.clip(x + steps * (x - e), 0, 1), atol=1e-6)
    np.testing.assert_allclose(pictures["latent_slope"], x + steps * (x - e), atol=1e-5)  # the toy AE is linear
    np.testing.assert_allclose(
        pictures["voxel_mean_change"], np.clip(x + case.gap * fitted.voxel_rate, 0, 1), atol=1e-6
    )
    np.testing.assert_allclose(pictures["latent_mean_change"], x + case.gap * fitted.voxel_rate, atol=1e-5)
    np.testing.assert_allclose(pictures["ldae_copy"], x, atol=1e-5)  # the toy inverts without loss
    np.testing.assert_allclose(pictures["ae"], t, atol=1e-5)
    np.testing.assert_allclose(codes["ldae_slope"], y + steps * (y - y_e), atol=1e-5)
    np.testing.assert_allclose(codes["ldae_reversed"], y - steps * (y - y_e), atol=1e-5)
    np.testing.assert_allclose(codes["ldae_mean_slope"], y + case.gap * fitted.code_rate, atol=1e-5)
    np.testing.assert_allclose(codes["true_code"], y_t, atol=1e-6)
    borrowed = (fitted.codes[far.last] - fitted.codes[far.earlier]) / far.span
    np.testing.assert_allclose(codes["ldae_shuffled"], y + case.gap * borrowed, atol=1e-5)
    moved = (ldae.basis.numpy() @ (codes["ldae_slope"] - y)).reshape(x.shape)
    np.testing.assert_allclose(pictures["ldae_slope"], x + moved, atol=1e-5)  # x_T of the last visit is kept
    for name in ("latent_slope", "voxel_slope"):  # what the encoder sees in the forecast picture
        seen = np.clip(pictures[name], 0, 1).ravel() @ ldae.basis.numpy()
        np.testing.assert_allclose(codes[name], seen, atol=1e-4)


def test_nothing_is_learnt_from_a_test_subject(world: tuple[LinearLDAE, Inputs]) -> None:
    ldae, inputs = world
    other = Inputs(inputs.store, inputs.volumes, inputs.scans.copy(), inputs.grid)
    test = other.scans["split"] == "test"
    other.scans.loc[test, ["age", "months"]] *= 3
    other.scans.loc[test, "diagnosis"] = "AD"
    other.scans.loc[test, [name for name in other.scans if name.startswith("truth_")]] *= 7
    volumes = Volumes.of(inputs.grid)
    own, others = (Fitted.fit(Decoder(ldae, 4), one, volumes, 100, 4, 0) for one in (inputs, other))
    np.testing.assert_array_equal(own.code_rate, others.code_rate)
    np.testing.assert_array_equal(own.voxel_rate, others.voxel_rate)
    np.testing.assert_array_equal(own.ridge.model.coef_, others.ridge.model.coef_)
    np.testing.assert_array_equal(own.ad.weight, others.ad.weight)
    assert own.ventricles == others.ventricles and own.hippocampus == others.hippocampus


def test_on_a_line_the_line_wins_the_future_is_best_and_the_controls_fail(known: Path) -> None:
    one, two = (
        read_tsv(known / f"{name}.tsv").set_index(["method", "metric"])["value"] for name in ("one_visit", "two_visits")
    )
    for table in (one, two):
        assert table["true_code", CODE] == 0 and table["ae", VENTRICLES] < 1e-3
        assert table["true_code", VENTRICLES] < 0.6 * table["copy_last", VENTRICLES]
        assert table["ldae_ridge", VENTRICLES] < table["copy_last", VENTRICLES]
        assert table["ldae_reversed", VENTRICLES] > table["copy_last", VENTRICLES]
        assert table["carried_forward", FUTURE_AD] == 1 and table["ldae_ridge", FUTURE_AD] > 0.8
    for metric in (CODE, VENTRICLES, STEPS_TRUTH[0]):
        best = two["ldae_slope", metric]
        assert best < min(two["copy_last", metric], two["ldae_mean_slope", metric])
        assert min(two["ldae_reversed", metric], two["ldae_shuffled", metric]) > 1.3 * best
    assert two["ldae_slope", FUTURE_MMSE] < two["copy_last", FUTURE_MMSE]
    assert two["ldae_slope", "ventricle_ml_step_r"] > 0.8 > two["ldae_reversed", "ventricle_ml_step_r"]
    assert set(two.index.get_level_values(0)) == set(METHODS)


def test_the_words_say_losses_first_and_name_a_control_that_misbehaves(known: Path, tmp_path: Path) -> None:
    said = str(findings(sources(known), False))
    assert "did not do as it must" not in said and "better in" in said
    judged = difference_table(known.parent).set_index(["visits_known", "forecast", "compared_with", "metric"])[
        "verdict"
    ]
    assert judged["one", "ldae_reversed", "ldae_mean_slope", VENTRICLES] == "worse"
    assert judged["one", "true_code", "ldae_copy", VENTRICLES] == "better"
    table = read_tsv(known / "differences.tsv")
    assert (table["p_holm"] >= table["p"]).all()
    for _, own in table.groupby(["visits_known", "question"]):  # each counts its own comparisons
        assert own["p_holm"].min() == pytest.approx(min(1, own["p"].notna().sum() * own["p"].min()), rel=1e-4)
    folder = tmp_path / "forecasting"
    for name in ("one_visit", "two_visits"):
        write_tsv(folder / f"{name}.tsv", read_tsv(known / f"{name}.tsv"))
    turned = table["method"] == "ldae_slope-copy_last"
    table.loc[turned & (table["metric"] == VENTRICLES), ["low", "high"]] = [1.0, 2.0]
    table.loc[table["method"] == "ldae_shuffled-ldae_slope", ["value", "low", "high", "p_holm"]] = [-1, -2, -0.5, 0.01]
    write_tsv(folder / "differences.tsv", table)
    said = str(findings(sources(folder), False))
    line = next(part for part in said.split("<li>") if "two visits, against a copy" in part)
    assert line.index("worse in change of the ventricles") < line.index("not told apart in")
    assert "did not do as it must" in said and "another's slope" in said.replace("&#39;", "'")


def test_groups_are_gaps_and_diagnoses(known: Path) -> None:
    groups = read_tsv(known / "by_group.tsv", dtype={"level": str})
    levels = groups.groupby("grouping")["level"].unique().map(set).to_dict()
    assert levels == {"gap_years": {"1"}, "diagnosis": {"CN", "MCI", "AD"}}
    assert drawn(sources(known), False) is None  # all were forecast


def test_what_is_left_out_or_cannot_be_known_is_said(world: tuple[LinearLDAE, Inputs], tmp_path: Path) -> None:
    ldae, inputs = world
    hidden = [name for name in inputs.scans if name.startswith("truth_")]
    bare = inputs.scans.drop(columns=hidden).assign(diagnosis=None)
    run((ldae, Inputs(inputs.store, inputs.volumes, bare, inputs.grid)), tmp_path / "bare" / "forecasting", 3)
    said = str(drawn(sources(tmp_path / "bare" / "forecasting"), False))
    assert "3 of 18 from one visit; 3 of 9 from two visits" in said
    table = read_tsv(tmp_path / "bare/forecasting/one_visit.tsv")
    assert set(table.loc[table["metric"].isin(STEPS_TRUTH), "note"]) == {NO_TRUTH}
    assert set(table.loc[table["metric"] == FUTURE_AD, "note"]) == {UNKNOWN[FUTURE_AD]}
    single = bare.assign(months=0.0, age=70.5)
    run((ldae, Inputs(inputs.store, inputs.volumes, single, inputs.grid)), tmp_path / "none" / "forecasting", 4)
    folder = tmp_path / "none" / "forecasting"
    for known, name in ((1, "one_visit"), (2, "two_visits")):
        assert set(read_tsv(folder / f"{name}.tsv")["note"]) == {NO_CASES[known]}
    names = [folder / f"{name}.tsv" for name in ("one_visit", "two_visits", "by_group")]
    figure_forecasting(*names, tmp_path / "figure")
    assert NO_CASES[1] in read_tsv(tmp_path / "figure.tsv")["reason"].item()
    assert len(difference_table(folder.parent)) == 1 and findings(sources(folder), False) is None
