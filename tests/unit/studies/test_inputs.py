"""Joining volumes, splits and truth; and what is said when they do not fit."""

from pathlib import Path

import numpy as np
import pytest
from toy_cohort import CENTRE, SHAPE, SPACING, LinearLDAE, write_cohort

from ldae.core.errors import UserError
from ldae.core.store import open_store
from ldae.inference.pipeline import CodeKey
from ldae.studies.common.inputs import open_inputs, write_volumes


def test_rows_codes_and_truth_belong_to_the_same_scan(cohort: tuple) -> None:
    _, inputs = cohort
    rows = inputs.rows("test")[::-1]
    assert (inputs.scans.loc[rows, "split"] == "test").all()
    codes = open_store(inputs.store / "codes" / "x_T")
    place = {key: i for i, key in enumerate(codes.index.itertuples(index=False, name=None))}
    keys = inputs.scans.loc[rows, ["participant_id", "session_id"]].itertuples(index=False, name=None)
    np.testing.assert_array_equal(inputs.code("x_T", rows), codes.data[[place[key] for key in keys]])
    assert (inputs.scans["truth_ventricle_ml_mni"] == 2 * inputs.scans["truth_ventricle_ml"]).all()


def test_first_scans_are_the_earliest(cohort: tuple) -> None:
    _, inputs = cohort
    chosen = inputs.scans.loc[inputs.first_scans("test", 2)]
    assert set(chosen["months"]) == {0, 12}
    assert (inputs.scans.loc[inputs.first_scans("test"), "months"] == 0).all()


def test_grid_is_that_of_the_store(cohort: tuple) -> None:
    _, inputs = cohort
    assert (inputs.grid.shape, inputs.grid.spacing_mm, inputs.grid.centre_mm) == (SHAPE, SPACING, CENTRE)


def test_real_cohort_has_no_truth(tmp_path: Path) -> None:
    _, splits, _ = write_cohort(tmp_path / "store")
    assert not open_inputs(tmp_path / "store", splits).has_truth


def test_a_scan_without_split_or_truth_is_named(tmp_path: Path) -> None:
    _, splits, truth = write_cohort(tmp_path / "store")
    with pytest.raises(UserError, match=r"splits\.tsv has no row of sub-29_ses-M000"):
        open_inputs(tmp_path / "store", splits[:-1])
    with pytest.raises(UserError, match=r"truth\.tsv has no row of sub-29_ses-M012"):
        open_inputs(tmp_path / "store", splits, truth[:-1])


def test_a_missing_code_is_named(cohort: tuple) -> None:
    _, inputs = cohort
    train = inputs.rows("train")[:1]
    with pytest.raises(UserError, match=inputs.scan_id(train[0])):
        inputs.code("x_T", train)


def test_an_x_T_is_found_by_its_key_alone(cohort: tuple) -> None:
    ldae, inputs = cohort
    rows = inputs.rows("test")[:2]
    fast = ldae.with_sampling("dpmpp_2m", 5)
    for model, folder in ((ldae, "x_T"), (fast, "x_T_dpmpp_2m-5")):
        np.testing.assert_array_equal(inputs.x_T(CodeKey.of(model, True), rows), inputs.code(folder, rows))
    assert not np.array_equal(inputs.code("x_T", rows), inputs.code("x_T_dpmpp_2m-5", rows))
    with pytest.raises(UserError, match=r"ddim with 7 steps.*encode_solver_codes"):
        inputs.x_T(CodeKey.of(ldae.with_sampling("ddim", 7), True), rows)
    ldae = LinearLDAE()
    ldae.digest = "another model"
    with pytest.raises(UserError, match="another model"):
        inputs.x_T(CodeKey.of(ldae, True), rows)


def test_nothing_to_show_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    volume = np.full((2, 2, 2), 0.5)
    write_volumes(tmp_path / "examples", [volume, volume + 1], [{"participant_id": "a", "session_id": n} for n in "xy"])
    assert open_store(tmp_path / "examples").volumes([0, 1]).max() == 1
    write_volumes(tmp_path / "examples", [], [])
    assert not (tmp_path / "examples").exists()
