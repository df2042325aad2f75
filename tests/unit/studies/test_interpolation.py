"""Triplets and the methods that predict their middle."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import Evaluation
from ldae.core.files import read_tsv
from ldae.core.store import open_store
from ldae.inference.decoder import Decoder
from ldae.inference.paths import slerp
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.interpolation.measure import BY_KIND, GROUPED_METRICS, ONE_LINE, run_interpolation, ventricle_errors
from ldae.studies.interpolation.predictors import METHODS, Triplet, find_triplets, interpolate, longest

UNKNOWN = VentricleCalibration(None, None)


def test_triplets_in_time_order_with_alpha_from_age() -> None:
    scans = pd.DataFrame(
        {
            "participant_id": ["a"] * 4 + ["b"] * 3 + ["c"] * 3,
            "session_id": [f"s{i}" for i in range(10)],
            "months": [0, 6, 12, 24, 0, 12, 24, 0, 6, 12],
            "age": [70, 70.5, 71.1, 72, 80, np.nan, 82, 60, 60.5, 61],
            "split": ["test"] * 7 + ["train"] * 3,
        }
    )
    triplets = find_triplets(scans, 100)
    assert [(t.start, t.target, t.end) for t in triplets] == [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3), (4, 5, 6)]
    assert triplets[0].alpha == pytest.approx(0.5 / 1.1)
    assert triplets[-1].alpha == 0.5  # an age is missing: months
    two = find_triplets(scans, 2)
    assert len(two) == 2 and set(two) < set(triplets) and two == find_triplets(scans, 2)


def test_a_limit_takes_triplets_of_all_subjects_and_not_those_of_the_first() -> None:
    rows = [(f"sub-{i:02d}", f"s{k}", 6.0 * k, 70 + k / 2, "test") for i in range(40) for k in range(4)]
    scans = pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "age", "split"])
    few, more = (find_triplets(scans, limit) for limit in (20, 60))
    assert len(few) == 20 and set(few) < set(more)  # a higher limit keeps those of a lower one
    subjects = scans["participant_id"][[triplet.start for triplet in few]]
    assert subjects.nunique() > 10 and subjects.iloc[-1] > "sub-30" and list(subjects) == sorted(subjects)
    shuffled = scans.sample(frac=1, random_state=1).reset_index(drop=True)

    def named(table: pd.DataFrame, found: list[Triplet]) -> set[tuple[str, str]]:
        return {(table["participant_id"][t.start], table["session_id"][t.target]) for t in found}

    assert named(shuffled, find_triplets(shuffled, 20)) == named(scans, few)  # whatever the order of the rows


@pytest.mark.parametrize(
    ("ages", "months", "alpha", "nominal"),
    [
        ([70, 70, 71], [0, 6, 12], 0.5, 0.5),  # whole years that tie
        ([70, 71, 72], [0, 6, 24], 0.25, 0.25),  # whole years that do not: too coarse all the same
        ([70.3, 70.3, 71.2], [0, 6, 12], 0.5, 0.5),  # a table that repeats the age of baseline
        ([70.5, 70.2, 71.2], [0, 6, 12], 0.5, 0.5),  # ages that run backwards
        ([70.0, np.nan, 71.2], [0, 6, 12], 0.5, 0.5),
        ([70.0, 70.3, 71.2], [0, 6, 12], 0.25, 0.5),
        ([70.0, 70.3, 71.2], [0, 0, 12], 0.25, 0.25),  # months that tie say no place
        ([70.0, 70.3, 71.2], [np.nan] * 3, 0.25, 0.25),
        ([70, 71, 74], [np.nan] * 3, 0.25, 0.25),  # nothing better than whole years
        ([70.0, 70.0, 71.0], [0, 0, 12], None, None),  # two scans of one day
        ([70.0, 71.0, 71.0], [0, 12, 12], None, None),
        ([np.nan] * 3, [np.nan] * 3, None, None),
    ],
)
def test_the_place_of_a_visit_is_strictly_between_the_others(
    ages: list[float], months: list[float], alpha: float | None, nominal: float | None
) -> None:
    sessions = [f"s{i}" for i in range(3)]
    scans = pd.DataFrame({"participant_id": "a", "session_id": sessions, "split": "test", "age": ages})
    for column in (pd.Series(months, dtype=float), pd.Series(months).astype("Int64")):
        found = find_triplets(scans.assign(months=column), 10)
        places = [(triplet.alpha, triplet.nominal_alpha) for triplet in found]
        assert places == ([] if alpha is None else [pytest.approx((alpha, nominal))])


def test_nearest_is_the_closer_end() -> None:
    assert [Triplet(0, 1, 2, alpha).nearest for alpha in (0.4, 0.5, 0.6)] == [0, 0, 2]


def test_baselines_are_exact(cohort: tuple) -> None:
    ldae, inputs = cohort
    triplet = find_triplets(inputs.scans, 1)[0]
    skewed = Triplet(triplet.start, triplet.target, triplet.end, 0.75)
    first, target, last = (inputs.volumes.volumes(row) for row in (skewed.start, skewed.target, skewed.end))
    made = interpolate(Decoder(ldae, 4), Reads(inputs, [(ldae, True)]), [skewed])
    results = {name: volume[0, 0] for name, volume in made.items()}
    np.testing.assert_array_equal(results["copy_nearest"], last)
    np.testing.assert_allclose(results["voxel_lerp"], 0.25 * first + 0.75 * last, atol=1e-6)
    np.testing.assert_allclose(results["latent_lerp"], 0.25 * first + 0.75 * last, atol=1e-6)  # the toy AE is linear
    np.testing.assert_allclose(results["ae"], target, atol=1e-6)


def test_ldae_moves_both_codes_and_y_only_one(cohort: tuple) -> None:
    ldae, inputs = cohort
    found = find_triplets(inputs.scans, 1)[0]
    ends = [Triplet(found.start, found.target, found.end, alpha) for alpha in (0.0, 1.0, 0.3)]
    results = interpolate(Decoder(ldae, 4), Reads(inputs, [(ldae, True)]), ends)
    np.testing.assert_allclose(results["ldae"][0, 0], inputs.volumes.volumes(found.start), atol=1e-5)
    np.testing.assert_allclose(results["ldae"][1, 0], inputs.volumes.volumes(found.end), atol=1e-5)
    x_T, y = (inputs.code(name, [found.start, found.end]) for name in ("x_T", "y_sem"))
    expected = Decoder(ldae, 4).generate(x_T[:1], 0.7 * y[:1] + 0.3 * y[1:])
    np.testing.assert_allclose(results["y_only"][2], expected[0], atol=1e-5)
    mixed = slerp(*torch.from_numpy(x_T)[:, None], torch.tensor([0.3])).numpy()
    expected = Decoder(ldae, 4).generate(mixed, y[:1])  # the nearest scan's y_sem
    np.testing.assert_allclose(results["x_T_only"][2], expected[0], atol=1e-5)


def test_ventricle_errors_cancel_the_offset_of_the_estimator(cohort: tuple) -> None:
    _, inputs = cohort
    triplet = find_triplets(inputs.scans, 1)[0]
    start, target = (inputs.volumes.volumes(row) for row in (triplet.start, triplet.target))
    exact = ventricle_errors(inputs, triplet, target, target, UNKNOWN, decoded=False)
    truth = inputs.scans["truth_ventricle_ml_mni"]
    estimated = ventricle_ml(target, inputs.grid) - ventricle_ml(start, inputs.grid)
    assert exact["ventricle_ml_error"] == 0
    true_change = truth[triplet.target] - truth[triplet.start]
    assert exact["ventricle_change_ml_error_truth"] == pytest.approx(abs(estimated - true_change))
    copied = ventricle_errors(inputs, triplet, target, start, UNKNOWN, decoded=False)
    assert copied["ventricle_ml_error"] == pytest.approx(abs(estimated))
    assert copied["ventricle_change_ml_error_truth"] == pytest.approx(abs(true_change))


def test_rows_and_gaps(evaluated: Path) -> None:
    table = read_tsv(evaluated / "interpolation" / "triplets.tsv")
    assert table["method"].drop_duplicates().tolist() == METHODS
    assert (table["gap_months"] == 24).all() and (table["prediction_gap_months"] == 12).all()
    assert table["alpha"].to_numpy() == pytest.approx(0.5)
    assert table["alpha_months"].to_numpy() == pytest.approx(0.5) and (table["position"] == 0.5).all()
    groups = read_tsv(evaluated / "interpolation" / "by_group.tsv")
    levels = groups.groupby("grouping")["level"].unique().map(list).to_dict()
    assert levels == {"gap_months": [24], "prediction_gap_months": [12], "position": [0.5]}
    assert set(groups["metric"]) == {*GROUPED_METRICS, ONE_LINE, BY_KIND}
    shown = open_store(evaluated / "interpolation" / "examples").index
    assert shown["participant_id"].nunique() == 2
    for _, own in shown.groupby("participant_id"):
        assert own["method"].tolist() == ["start", "target", "end", *METHODS]


def test_the_papers_place_is_that_of_the_visits_names(cohort: tuple) -> None:
    ldae, inputs = cohort
    found = find_triplets(inputs.scans, 1)[0]
    assert found.nominal_alpha == 0.5
    ends = [Triplet(found.start, found.target, found.end, alpha, months) for alpha, months in ((0.2, 0.9), (0.9, None))]
    results = interpolate(Decoder(ldae, 4), Reads(inputs, [(ldae, True)]), ends)
    np.testing.assert_allclose(results["ldae_months"][0], results["ldae"][1], atol=1e-6)
    np.testing.assert_allclose(results["ldae_months"][1], results["ldae"][1], atol=1e-6)
    assert np.abs(results["ldae_months"][0] - results["ldae"][0]).max() > 1e-3


def test_the_longest_triplet_of_each_subject_is_shown() -> None:
    scans = pd.DataFrame({"participant_id": list("aaaabbb"), "months": [0, 6, 12, 24, 0, 6, 48]})
    triplets = [Triplet(0, 1, 2, 0.5), Triplet(0, 1, 3, 0.5), Triplet(0, 2, 3, 0.5), Triplet(4, 5, 6, 0.5)]
    assert longest(scans, triplets, 2) == [triplets[3], triplets[1]]
    assert longest(scans, triplets, 1) == [triplets[3]] and longest(scans, [], 2) == []


def test_the_line_to_true_volumes_is_fitted_on_training_scans_alone(cohort: tuple) -> None:
    """In training scans of the toy the truth is made 3 x measured + 7; test scans have a truth of their own."""
    ldae, inputs = cohort
    measured = np.array([ventricle_ml(inputs.volumes.volumes(row), inputs.grid) for row in inputs.scans.index])
    true = np.where(inputs.scans["split"] == "test", -1e4, 3 * measured + 7)
    known = Inputs(inputs.store, inputs.volumes, inputs.scans.assign(truth_ventricle_ml_mni=true), inputs.grid)
    calibration = VentricleCalibration.fit(Decoder(ldae, 4), known, 100, 1)
    assert calibration.true_ml(10.0, decoded=False) == pytest.approx(37)
    triplet = find_triplets(inputs.scans, 1)[0]
    target = inputs.volumes.volumes(triplet.target)
    error = ventricle_errors(known, triplet, target, target, calibration, decoded=False)["ventricle_ml_error_truth"]
    assert error == pytest.approx(1e4 + 3 * measured[triplet.target] + 7)
    unknown = Inputs(inputs.store, inputs.volumes, inputs.scans.drop(columns="truth_ventricle_ml_mni"), inputs.grid)
    nothing = VentricleCalibration.fit(Decoder(ldae, 4), unknown, 100, 1)
    assert nothing.table()["volumes"].tolist() == ["decoded_to_scans"]
    assert np.isnan(
        ventricle_errors(unknown, triplet, target, target, nothing, decoded=False)["ventricle_ml_error_truth"]
    )


def test_no_triplet_is_said(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    ldae, inputs = cohort
    early = inputs.scans.assign(split=inputs.scans["split"].where(inputs.scans["months"] < 24, "validation"))
    (tmp_path / "examples").mkdir()
    run_interpolation(ldae, Inputs(inputs.store, inputs.volumes, early, inputs.grid), settings, 1, tmp_path)
    summary = read_tsv(tmp_path / "summary.tsv")
    assert summary["value"].isna().all() and (summary["note"] == "no test subject has three scans").all()
    assert set(summary["method"]) == set(METHODS) and read_tsv(tmp_path / "triplets.tsv").empty
    assert not (tmp_path / "examples").exists()
