"""The table's rows: who they are compared with, and that each does what its name says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Evaluation
from ldae.core.files import read_tsv
from ldae.core.store import open_store
from ldae.inference.decoder import DaeDecoder
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.references import derangement, example_rows, mean_volume, nearest_volumes, scans_of_dae
from ldae.studies.common.ventricle_truth import VentricleCalibration, VolumeLine
from ldae.studies.reconstruction.measure import (
    METHODS,
    OWN_GRID,
    code_sizes,
    run_reconstruction,
    ventricle_agreement,
    with_mapped,
)
from ldae.studies.reconstruction.table import reconstruction_table


@pytest.mark.parametrize("count", [2, 3, 27])
@pytest.mark.parametrize("seed", [0, 1])
def test_derangement_gives_everyone_another(count: int, seed: int) -> None:
    names = [f"sub-{i}" for i in range(count)]
    partner = derangement(np.array(names), seed)
    assert sorted(partner) == sorted(partner.values()) == sorted(names)
    assert all(name != other for name, other in partner.items())
    assert partner == derangement(np.array(names[::-1]), seed)


def test_one_subject_has_no_partner() -> None:
    assert derangement(np.array(["sub-0"]), 0) == {}


def test_mean_volume_is_that_of_the_training_split(cohort: tuple) -> None:
    _, inputs = cohort
    expected = inputs.volumes.volumes(inputs.rows("train")).mean(axis=0)
    np.testing.assert_allclose(mean_volume(inputs, 7), expected, atol=1e-6)


def test_every_test_scan_has_every_method(evaluated: Path, cohort: tuple) -> None:
    _, inputs = cohort
    table = read_tsv(evaluated / "reconstruction" / "scans.tsv")
    assert table["method"].unique().tolist() == METHODS
    assert (table.groupby("method").size() == len(inputs.first_scans("test", 2))).all()
    assert table[["ssim_w11_brain", "mse"]].notna().all(axis=None)
    own = table["method"].str.endswith(OWN_GRID)
    assert table.loc[~own, ["ventricle_ml", "truth_ventricle_ml"]].notna().all(axis=None)
    assert table.loc[own, "ssim_w11"].isna().all() and table.loc[~own, "ssim_w11"].notna().all()  # the box is too small


def test_what_each_code_carries(evaluated: Path) -> None:
    """The toy's inversion is exact, its y_sem carries the ventricles, and another subject's y_sem the wrong ones."""
    error = read_tsv(evaluated / "reconstruction" / "summary.tsv").query("metric == 'mse'").set_index("method")["value"]
    assert error["ldae_encoded"] < 1e-10 and error["lddim_encoded"] < 1e-10 and error["ae"] < 1e-10
    assert error["ae"] < error["ldae_noise"] < error["ldae_shuffled_y"]
    differences = read_tsv(evaluated / "reconstruction" / "differences.tsv").query("metric == 'mse'")
    gap = differences.set_index("method").loc["ldae_noise-ldae_shuffled_y"]
    assert gap["value"] == pytest.approx(error["ldae_noise"] - error["ldae_shuffled_y"], rel=1e-3) and gap["high"] < 0


def test_x_T_statistics(evaluated: Path) -> None:
    table = read_tsv(evaluated / "reconstruction" / "x_T.tsv")
    noise = table[table["code"] == "noise"]
    assert set(table["code"]) == {"x_T", "x_T_unconditional", "noise", "x_T_dae"}
    assert noise["std"].between(0.95, 1.05).all() and noise["kurtosis"].abs().max() < 0.3


def test_examples_hold_original_and_every_method(evaluated: Path) -> None:
    store = open_store(evaluated / "reconstruction" / "examples")
    groups = store.index.groupby("participant_id")["method"].apply(list)
    fine = {method for method in METHODS if not method.endswith(OWN_GRID)}
    assert len(groups) == 2 and all(methods[0] == "original" and set(methods[1:]) == fine for methods in groups)
    assert set(store.index["diagnosis"]) == {"AD", "CN"}


def test_ventricle_agreement() -> None:
    rows = [(f"sub-{i}", "ae", 2.0 * i + 1, 5.0 - i, np.nan) for i in range(6)]
    names = ["participant_id", "method", "ventricle_ml", "original_ventricle_ml", "truth_ventricle_ml"]
    table = with_mapped(pd.DataFrame(rows, columns=names), VentricleCalibration(None, None))
    result = ventricle_agreement(table, 50, 0).set_index("metric")
    assert "no training scans" in result.loc["ventricle_ml_error_mapped", "note"]
    assert result.loc["ventricle_ml_error", "value"] == pytest.approx(np.mean([abs(3.0 * i - 4) for i in range(6)]))
    assert result.loc["r_original", "value"] == pytest.approx(-1)
    assert np.isnan(result.loc["r_truth", "value"]) and "phantom" in result.loc["r_truth", "note"]


def test_decoded_ventricles_are_mapped_and_those_of_voxels_are_not() -> None:
    """Every decoded volume here is measured at half of the scan's and 5 ml less."""
    methods = ["mean_volume", "nearest_age", "ae", "ldae_noise", "dae_encoded", f"dae_encoded{OWN_GRID}"]
    rows = [(f"sub-{i}", name, 10.0 + i, 2 * (10.0 + i) + 10, np.nan) for i in range(6) for name in methods]
    names = ["participant_id", "method", "ventricle_ml", "original_ventricle_ml", "truth_ventricle_ml"]
    line = VentricleCalibration(None, None, VolumeLine(2.0, 10.0, 9, 9, 1.0, 0.0))
    table = with_mapped(pd.DataFrame(rows, columns=names), line)
    found = ventricle_agreement(table, 50, 0).set_index(["method", "metric"])["value"]
    for name, error in (("mean_volume", 22.5), ("nearest_age", 22.5), ("ae", 0), ("ldae_noise", 0)):
        assert found[name, "ventricle_ml_error"] == pytest.approx(22.5)
        assert found[name, "ventricle_ml_error_mapped"] == pytest.approx(error)
    assert np.isnan(found["dae_encoded", "ventricle_ml_error_mapped"])
    assert (f"dae_encoded{OWN_GRID}", "ventricle_ml_error") not in found


def test_batch_size_changes_nothing(
    evaluated: Path, cohort: tuple, dae: DaeDecoder, settings: Evaluation, tmp_path: Path
) -> None:
    run_reconstruction(cohort[0], dae, cohort[1], settings.model_copy(update={"batch": 5}), 1, tmp_path)
    first, again = (read_tsv(folder / "scans.tsv") for folder in (evaluated / "reconstruction", tmp_path))
    pd.testing.assert_frame_equal(first, again, rtol=1e-4, atol=1e-6)


def test_a_second_run_is_byte_identical(
    evaluated: Path, cohort: tuple, dae: DaeDecoder, settings: Evaluation, tmp_path: Path
) -> None:
    run_reconstruction(cohort[0], dae, cohort[1], settings, 1, tmp_path)
    for path in sorted((evaluated / "reconstruction").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(evaluated / "reconstruction")).read_bytes(), path.name


def test_nearest_age_is_a_training_scan_of_the_same_sex(cohort: tuple) -> None:
    _, inputs = cohort
    row = inputs.rows("test")[0]
    training = inputs.scans.loc[inputs.rows("train")]
    ages = (training["age"] - inputs.scans.loc[row, "age"]).abs()
    expected = inputs.volumes.volumes(ages.idxmin())
    np.testing.assert_array_equal(nearest_volumes(inputs, np.array([row]))[0, 0], expected)
    other = inputs.scans.assign(sex=inputs.scans["sex"].where(inputs.scans.index != row, "M"))
    alone = Inputs(inputs.store, inputs.volumes, other, inputs.grid)
    assert np.isnan(nearest_volumes(alone, np.array([row]))).all()  # nobody of that sex in training


def test_lpips_without_weights_says_so(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "reconstruction" / "summary.tsv")
    lpips = summary[summary["metric"].str.startswith("lpips")]
    small = summary[(summary["metric"] == "ssim_w11") & summary["method"].str.endswith(OWN_GRID)]
    assert small["value"].isna().all() and small["note"].str.contains("too small").all() and len(small) == 2
    assert len(lpips) == 2 * len(METHODS) and lpips["value"].isna().all()
    assert lpips["note"].str.contains("no weights given").all()


def test_the_table_says_how_many_values_a_code_has_beside_the_papers_count(evaluated: Path) -> None:
    table = reconstruction_table(evaluated).set_index("method")
    assert list(table.index) == METHODS
    assert table.loc["ldae_encoded", "values_in_code"] == "5,126"  # 16 x 20 x 16 and 6
    assert table.loc["ldae_encoded", "values_in_code_published"].startswith("5,888")
    assert table.loc["ldae_encoded", "ssim_w3_paper_published"] == "0.962"


def test_the_costly_baseline_takes_shown_scans_and_then_one_of_each_subject(cohort: tuple) -> None:
    _, inputs = cohort
    rows, first = inputs.first_scans("test", 2), inputs.first_scans("test")
    chosen = scans_of_dae(inputs, rows, 5, 0)
    assert len(chosen) == len(set(chosen)) == 5 and set(example_rows(inputs, 2)) <= set(chosen) <= set(first)
    assert set(first) < set(scans_of_dae(inputs, rows, len(first) + 2, 0)) < set(rows)
    assert set(chosen) != set(scans_of_dae(inputs, rows, 5, 1))
    np.testing.assert_array_equal(scans_of_dae(inputs, rows, len(rows), 0), rows)


def test_code_sizes_count_every_channel() -> None:
    """The paper's shapes: its Table 6 says 5,120 and 5,888, a third of the latent's values."""
    values = code_sizes((3, 16, 20, 16), 768, (112, 128, 112), 512).set_index("method")["values"]
    assert values["ae"] == values["lddim_encoded"] == 15_360 and values["ldae_encoded"] == 16_128
    assert values["ldae_noise"] == 768 and values["dae_noise"] == 512
    assert values["dae_encoded"] == values["dae_encoded_own_grid"] == 1_605_632 + 512
