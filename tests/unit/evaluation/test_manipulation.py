"""Calibrated steps, their control, and what is measured."""

from pathlib import Path

import numpy as np
import pytest

from ldae.config import Evaluation
from ldae.errors import UserError
from ldae.evaluation.linear import Probe, sigmoid
from ldae.evaluation.manipulation import SWEEP, moved, random_direction, run_manipulation, step_to
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
    along = table[table["direction"] == "probe"]
    np.testing.assert_allclose(along["probability_code"], along["target_probability"], atol=1e-5)
    np.testing.assert_allclose(along["probability_reencoded"], along["target_probability"], atol=2e-3)
    across = table[table["direction"] == "random"]
    np.testing.assert_allclose(across["probability_reencoded"], across["probability_before"], atol=2e-3)
    assert set(across["target_probability"]) == {0.1, 0.9} and set(along["target_probability"]) == {0.1, 0.5, 0.9}


def test_equal_lengths_and_changes_against_the_unmoved_decoding(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv")
    lengths = table.pivot_table(index=["participant_id", "target_probability"], columns="direction", values="alpha")
    both = lengths.dropna()
    np.testing.assert_allclose(both["probe"], both["random"])
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
