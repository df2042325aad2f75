"""What a study reads is what it states: x_T of its own model, solver, steps and mode, counted."""

from pathlib import Path

import numpy as np
import pytest
from toy_cohort import LinearLDAE

from ldae.config import Evaluation, Method, Sampling
from ldae.config.switches import method_of
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json
from ldae.inference.pipeline import SWITCHES
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.interpolation.predictors import find_triplets
from ldae.studies.manipulation.measure import run_manipulation

Cohort = tuple[LinearLDAE, Inputs]
STALE = {
    "model": {"digest": "another"},
    "steps": {"sampling": Sampling(steps=7)},
    "solver": {"sampling": Sampling(solver="dpmpp_2m", steps=20)},
    "mode": {"method": Method(clamp_z0=True)},
}


@pytest.mark.parametrize("changed", STALE)
def test_x_T_of_another_key_are_refused_by_every_study(
    cohort: Cohort, settings: Evaluation, tmp_path: Path, changed: str
) -> None:
    ldae, inputs = LinearLDAE(), cohort[1]
    for name, value in STALE[changed].items():
        setattr(ldae, name, value)
    write_json(tmp_path / "probe.json", {"reason": "none"})
    with pytest.raises(UserError, match=r"holds no x_T of model .* run encode_codes"):
        run_interpolation(ldae, inputs, settings, 1, tmp_path)
    with pytest.raises(UserError, match=r"holds no x_T of model .* run encode_codes"):
        run_manipulation(ldae, inputs, tmp_path / "probe.json", settings, 1, tmp_path)
    assert not list(tmp_path.glob("*.tsv"))


def test_only_what_was_stated_can_be_read(cohort: Cohort) -> None:
    ldae, inputs = cohort
    rows = inputs.rows("test")[:3]
    reads = Reads(inputs, [(ldae, True)])
    np.testing.assert_array_equal(reads.x_T(ldae, True, rows), inputs.code("x_T", rows))
    with pytest.raises(KeyError):
        reads.x_T(ldae, False, rows)


def test_an_inversion_counts_once_per_scan_however_often_it_is_used(cohort: Cohort) -> None:
    ldae, inputs = cohort
    fast, rows = ldae.with_sampling("dpmpp_2m", 5), inputs.rows("test")
    reads = Reads(inputs, [(ldae, True), (fast, False)])
    for chosen in (rows[:3], rows[1:4], rows[:1]):
        reads.x_T(ldae, True, chosen)
    table = reads.table().set_index("store")
    assert table.index.tolist() == ["x_T", "x_T_unconditional_dpmpp_2m-5"]
    counted = table[["steps", "scans", "uses", "network_calls", "network_calls_without_cache"]]
    assert counted.to_numpy().tolist() == [[20, 4, 7, 80, 140], [5, 0, 0, 0, 0]]
    assert table["model"].tolist() == ["linear", "linear, unconditional"]


def test_the_studies_write_what_they_read(cohort: Cohort, evaluated: Path) -> None:
    """Interpolation: both ends of every triplet. Manipulation: the first scan of each subject, at every move."""
    _, inputs = cohort
    triplets = find_triplets(inputs.scans, 2000)
    (row,) = read_tsv(evaluated / "interpolation" / "reads.tsv").to_dict("records")
    ends = {row for triplet in triplets for row in (triplet.start, triplet.end)}
    assert (row["store"], row["conditional"], row["scans"], row["uses"]) == ("x_T", True, len(ends), 2 * len(triplets))
    (row,) = read_tsv(evaluated / "manipulation" / "reads.tsv").to_dict("records")
    moves = read_tsv(evaluated / "manipulation" / "scans.tsv")
    assert (row["scans"], row["uses"]) == (moves["participant_id"].nunique(), len(moves))
    for study, stores in (("reconstruction", 2), ("solvers", 8)):
        table = read_tsv(evaluated / study / "reads.tsv")
        assert len(table) == stores and (table["uses"] == table["scans"]).all() and (table["scans"] > 0).all()


@pytest.mark.parametrize(
    "rule",
    [
        "eval_reconstruction",
        "eval_solvers",
        "eval_interpolation",
        "eval_manipulation",
        "eval_counterfactual",
        "eval_forecasting",
    ],
)
def test_a_rule_that_asks_by_key_is_told_every_switch_of_it(rule: str) -> None:
    settings = {"method": Method().model_dump(), "preprocessing": {}, "splits": {}}
    assert set(SWITCHES) <= set(method_of(rule, settings))
