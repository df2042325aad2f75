"""Calibrated steps, their control, and what is measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Evaluation
from ldae.errors import UserError
from ldae.evaluation.directions import Directions, moved, random_direction, step_to, without
from ldae.evaluation.inputs import Inputs
from ldae.evaluation.linear import Probe, sigmoid
from ldae.evaluation.manipulation import SWEEP, dose_response, run_manipulation, ssim_outside
from ldae.files import read_tsv, write_json
from ldae.store import open_store


@pytest.fixture
def probe() -> Probe:
    rng = np.random.default_rng(0)
    return Probe(rng.normal(size=8), rng.uniform(0.5, 2, 8), rng.normal(size=8), 0.7, 1.0)


@pytest.mark.parametrize("probability", [0.02, 0.5, 0.98])
def test_step_hits_the_probability(probe: Probe, probability: float) -> None:
    code = np.random.default_rng(1).normal(size=8)
    alpha = step_to(probe, code, probability)
    unit = probe.weight / np.linalg.norm(probe.weight)
    there = moved(probe, code, unit, alpha)
    assert sigmoid(probe.score(there[None]))[0] == pytest.approx(probability, abs=1e-12)
    length = np.linalg.norm(probe.standardise(there[None]) - probe.standardise(code[None]))
    assert length == pytest.approx(abs(alpha))


def test_random_direction_is_a_unit_vector_across_the_probe(probe: Probe) -> None:
    direction = random_direction(probe, 0, "sub-1_ses-1")
    assert np.linalg.norm(direction) == pytest.approx(1) and direction @ probe.weight == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(direction, random_direction(probe, 0, "sub-1_ses-1"))
    assert (direction != random_direction(probe, 0, "sub-2_ses-1")).any()


def test_moves_along_the_probe_reach_their_probability_again(evaluated: Path) -> None:
    """In the toy, encoding inverts decoding, so the encoder sees exactly the code that was asked for."""
    table = read_tsv(evaluated / "manipulation" / "scans.tsv")
    along = table[table["direction"].isin(["probe", "adjusted"])]
    np.testing.assert_allclose(along["probability_code"], along["target_probability"], atol=1e-5)
    np.testing.assert_allclose(along["probability_reencoded"], along["target_probability"], atol=2e-3)
    across = table[table["direction"] == "random"]
    np.testing.assert_allclose(across["probability_reencoded"], across["probability_before"], atol=2e-3)
    assert set(across["target_probability"]) == {0.1, 0.9} and set(along["target_probability"]) == {0.1, 0.5, 0.9}
    assert set(table["direction"]) == {"none", "probe", "adjusted", "age", "random"}


def test_equal_lengths_and_changes_against_the_unmoved_decoding(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv")
    lengths = table.pivot_table(index=["participant_id", "target_probability"], columns="direction", values="alpha")
    both = lengths.dropna()
    np.testing.assert_allclose(both["probe"], both["random"])
    np.testing.assert_allclose(both["probe"], both["age"])
    assert (both["adjusted"].abs() > both["probe"].abs()).all()  # a detour to the same probability
    for _, scan in table.groupby("participant_id"):
        unmoved = scan.loc[scan["direction"] == "none", "ventricle_ml"].item()
        np.testing.assert_allclose(scan["ventricle_ml_change"], scan["ventricle_ml"] - unmoved, atol=2e-3)


def test_towards_ad_the_ventricles_grow(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "manipulation" / "summary.tsv").set_index(["method", "metric"])["value"]
    change = summary["probe", "ventricle_ml_change_plus_minus_ad"]
    assert change > 0 and abs(summary["random", "ventricle_ml_change_plus_minus_ad"]) < change / 2
    table = read_tsv(evaluated / "manipulation" / "scans.tsv")
    towards = table.query("direction == 'probe' and target_probability == 0.9")["ventricle_ml_change"].median()
    assert summary["probe", "ventricle_ml_change_plus_ad"] == pytest.approx(towards, rel=1e-4)


def test_the_dose_response_is_one_for_volumes_that_rise_with_alpha() -> None:
    table = pd.DataFrame(
        {"participant_id": list("aaabbb"), "alpha": [0, -1, 2, 0, -1, 2], "ventricle_ml": [20, 10, 90, 3, 2, 1]}
    )
    assert dose_response(table).to_dict() == {"a": 1.0, "b": pytest.approx(-0.5)}


def test_an_edit_that_darkens_everything_shows_outside_the_regions(cohort: tuple) -> None:
    _, inputs = cohort
    volume, region = inputs.volumes.volumes(0), np.zeros(inputs.grid.shape, dtype=bool)
    inside = volume.copy()
    inside[inputs.grid.box()] *= 0.9
    brain = volume > 0
    assert ssim_outside(volume, volume, brain, region, inputs.grid) == pytest.approx(1)
    local, whole = (ssim_outside(volume, edit, brain, region, inputs.grid) for edit in (inside, 0.5 * volume))
    assert whole < 0.9 < local


def test_without_takes_out_the_span_of_the_confounds() -> None:
    confounds = [np.array([1.0, 0, 0, 0]), np.array([1.0, 1.0, 0, 0]) / np.sqrt(2)]
    rest = without(np.full(4, 0.5), confounds)
    np.testing.assert_allclose(rest, [0, 0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-12)
    np.testing.assert_array_equal(without(confounds[0], confounds), confounds[0])  # nothing would remain


def test_age_and_sex_are_found_where_they_lie_in_the_code(cohort: tuple) -> None:
    """Codes made so that entry 1 is age and entry 2 is sex: the fitted directions are those axes."""
    _, inputs = cohort
    rng = np.random.default_rng(0)
    scans = inputs.scans.assign(sex=np.where(rng.random(len(inputs.scans)) < 0.5, "M", "F"))
    codes = rng.normal(size=(len(scans), 4)).astype(np.float32)
    codes[:, 1], codes[:, 2] = scans["age"] - scans["age"].mean(), np.where(scans["sex"] == "M", 1, -1)

    class Coded(Inputs):
        def code(self, name: str, rows: np.ndarray) -> np.ndarray:
            return codes[list(rows)]

    probe = Probe(codes.mean(0), codes.std(0), np.array([1.0, 1, 1, 0]), 0.0, 1.0)
    found = Directions(Coded(inputs.store, inputs.volumes, scans, inputs.grid), probe, 0)
    assert found.age[1] > 0.99
    assert abs(found.adjusted[1]) < 0.15 and abs(found.adjusted[2]) < 0.15 and found.adjusted[0] > 0.97


def test_sweep_and_examples(evaluated: Path) -> None:
    sweep = read_tsv(evaluated / "manipulation" / "sweep.tsv")
    assert sweep.groupby("participant_id")["probability"].apply(list).apply(np.allclose, args=(SWEEP,)).all()
    index = open_store(evaluated / "manipulation" / "examples").index
    counts = index.groupby("participant_id")["kind"].value_counts().unstack()
    assert (counts["sweep"] == len(SWEEP)).all() and (counts[["original", "reconstruction"]] == 1).all(axis=None)


def test_no_probe_is_said(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    write_json(tmp_path / "probe.json", {"reason": "the training split lacks AD or CN scans"})
    run_manipulation(*cohort, tmp_path / "probe.json", settings, 1, tmp_path)
    summary = read_tsv(tmp_path / "summary.tsv")
    assert summary["value"].isna().all() and summary["note"].str.contains("lacks AD").all()
    assert read_tsv(tmp_path / "scans.tsv").empty


def test_impossible_probability_is_refused(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    impossible = settings.model_copy(update={"probabilities": [0.5, 1.0]})
    with pytest.raises(UserError, match="probabilities"):
        run_manipulation(*cohort, tmp_path / "probe.json", impossible, 1, tmp_path)
