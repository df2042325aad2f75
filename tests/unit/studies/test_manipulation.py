"""Calibrated steps, their control, and what is measured."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_cohort import DIMENSION, brain

from ldae.config import Evaluation
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json
from ldae.core.store import open_store
from ldae.inference.probe import Probe, moved, sigmoid, step_to
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.ventricle_truth import VentricleCalibration, VolumeLine
from ldae.studies.manipulation.counterfactual import nifti_name, write_nifti
from ldae.studies.manipulation.directions import Directions, random_direction, without
from ldae.studies.manipulation.effects import (
    VOLUMES,
    Ruler,
    dose_response,
    individual,
    spearman_columns,
    with_calibrated,
)
from ldae.studies.manipulation.measure import run_manipulation

DOSES = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]


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
    along = table[table["direction"].isin(["probe", "adjusted"]) & (table["calibration"] == "probability")]
    np.testing.assert_allclose(along["probability_code"], along["target_probability"], atol=1e-5)
    np.testing.assert_allclose(along["probability_reencoded"], along["target_probability"], atol=2e-3)
    across = table[table["direction"] == "random"]
    np.testing.assert_allclose(across["probability_reencoded"], across["probability_before"], atol=2e-3)
    assert set(across["target_probability"]) == {0.1, 0.9} and sorted(set(along["target_probability"])) == DOSES
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
        {
            "participant_id": list("aaabbbcc"),
            "alpha": [0, -1, 2, 0, -1, 2, 0, 1],
            "ventricle_ml": [20, 10, 90, 3, 2, 1, 4, 5],
        }
    )
    rho = dose_response(table)
    assert rho["a"] == pytest.approx(1) and rho["b"] == pytest.approx(-0.5)
    assert np.isnan(rho["c"])  # two doses say nothing of a shape


def test_spearman_has_a_side_for_each_way() -> None:
    """One subject whose ventricles grow with |alpha|: up on both sides."""
    alphas = [0.0, -1, -2, 1, 2]
    table = pd.DataFrame(
        {
            "participant_id": "a",
            "direction": ["none", *["probe"] * 4],
            "calibration": ["none", *["probability"] * 4],
            "alpha": alphas,
            "ventricle_ml": [abs(alpha) for alpha in alphas],
            "hippocampus_region_ml": alphas,
            "probability_reencoded": alphas,
        }
    )
    columns = {name: values["a"] for name, values in spearman_columns(table, "probe").items()}
    assert columns["ventricle_ml_spearman_plus_ad"] == columns["ventricle_ml_spearman_minus_ad"] == pytest.approx(1)
    assert columns["hippocampus_region_ml_spearman"] == pytest.approx(1)
    assert columns["hippocampus_region_ml_spearman_minus_ad"] == pytest.approx(-1)


@pytest.mark.parametrize("left", [0.9, 0.5])
def test_an_edit_that_merely_darkens_the_image_fails(cohort: tuple, left: float) -> None:
    """It changes no volume, and what it did shows outside the regions."""
    _, inputs = cohort
    scan, ruler = inputs.volumes.volumes(0), Ruler(inputs.grid)
    same, dark = ruler.measure(*(np.stack([scan] * 2) for _ in range(3)), np.stack([scan, left * scan]))
    for name in VOLUMES:
        assert dark[name] == pytest.approx(same[name], rel=1e-3)
    assert same["intensity_outside_change"] == 0 and same["ssim_w11_outside_ae_gap"] < 1e-6
    assert dark["intensity_outside_change"] == pytest.approx(left - 1, abs=1e-5)
    if left == 0.5:
        assert dark["ssim_w11_outside_ae_gap"] > 0.05 and dark["ssim_w11_outside"] < 0.95


def test_an_edit_of_the_ventricles_alone_passes(cohort: tuple) -> None:
    _, inputs = cohort
    scan, ruler = inputs.volumes.volumes(0), Ruler(inputs.grid)
    edit = brain(0.2, np.zeros(inputs.grid.shape))
    small = brain(0.1, np.zeros(inputs.grid.shape))
    box = np.zeros(inputs.grid.shape, dtype=bool)
    box[inputs.grid.box()] = True
    before, after = (np.where(box, volume, scan) for volume in (small, edit))
    row = ruler.measure(scan[None], scan[None], before[None], after[None])[0]
    grown = row["ventricle_ml"] - ruler.volumes(before, scan)["ventricle_ml"]
    assert grown > 10 and row["intensity_outside_change"] == 0
    assert row["ssim_w11_outside"] > 0.95


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


def test_examples_of_every_kind_and_their_nifti_files(evaluated: Path, cohort: tuple) -> None:
    _, inputs = cohort
    store = open_store(evaluated / "manipulation" / "examples")
    counts = store.index.groupby("participant_id")["kind"].value_counts().unstack()
    assert (counts["sweep"] == 7).all() and (counts[["original", "reconstruction"]] == 1).all(axis=None)
    assert (counts["paper"] == 5).all() and "truth" not in counts  # no phantom of this cohort can be made again
    files = {path.name.removesuffix(".nii.gz"): path for path in (evaluated / "manipulation" / "nifti").glob("*")}
    assert len(files) == len(store.index)
    for place, row in store.index.iterrows():
        image = nib.load(files[nifti_name(row.to_dict())])
        np.testing.assert_allclose(image.affine, inputs.volumes.meta["affine"])
        assert image.header["sform_code"] == 4 and nib.aff2axcodes(image.affine) == ("R", "A", "S")
        clipped = np.clip(image.get_fdata(dtype=np.float32), 0, 1)
        np.testing.assert_allclose(clipped, store.volumes(place), atol=0.5 / 255 + 1e-6)
        if row["kind"] == "original":
            assert row["ventricle_ml"] == pytest.approx(ventricle_ml(image.get_fdata(), inputs.grid), abs=1e-3)


def test_nifti_files_are_byte_identical(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nifti(tmp_path / name / "x.nii.gz", np.ones((2, 3, 4)), np.diag([2.0, 2, 2, 1]))
    content = (tmp_path / "a/x.nii.gz").read_bytes()
    assert content == (tmp_path / "b/x.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # no time of writing in the header of gzip


def test_the_papers_fixed_steps_take_ad_to_cn_and_the_others_to_ad(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv").query("calibration == 'alpha'")
    towards = table.groupby("diagnosis")["alpha"].unique().map(sorted).to_dict()
    assert towards == {"AD": [-5, -4, -3, -2, -1], "CN": [1, 2, 3, 4, 5], "MCI": [1, 2, 3, 4, 5]}
    assert (table["direction"] == "probe").all()
    up = table["alpha"] > 0
    assert (table.loc[up, "probability_code"] > table.loc[up, "probability_before"]).all()
    assert (table.loc[~up, "probability_code"] < table.loc[~up, "probability_before"]).all()


def test_what_must_show_shows_in_the_summary(evaluated: Path) -> None:
    """The toy's decoder is linear and its encoder inverts it, so the anatomy follows the probe exactly."""
    summary = read_tsv(evaluated / "manipulation" / "summary.tsv").set_index(["method", "metric"])["value"]
    assert summary["probe", "ventricle_ml_spearman_plus_ad"] >= 0.9
    assert summary["probe", "ventricle_ml_spearman_minus_ad"] <= -0.9
    assert summary["probe", "probability_reencoded_spearman"] >= 0.9
    assert summary["probe", "probability_reencoded_plus_minus_ad"] == pytest.approx(0.8, abs=1e-3)
    assert abs(summary["random", "probability_reencoded_plus_minus_ad"]) < 1e-3
    assert summary["probe", "ventricle_ml_change_cn_to_ad"] > 0 > summary["probe", "ventricle_ml_change_ad_to_cn"]


def test_ends_and_subgroups_are_medians_of_their_scans(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv").query("direction == 'probe'")
    summary = read_tsv(evaluated / "manipulation" / "summary.tsv").set_index(["method", "metric"])
    for metric, rows in {
        "brain_ml_change_ad_to_cn": "target_probability == 0.1 and diagnosis == 'AD'",
        "hippocampus_region_ml_change_cn_to_ad": "target_probability == 0.9 and diagnosis == 'CN'",
        "ssim_w11_outside_ae_gap_plus_ad": "target_probability == 0.9",
    }.items():
        values = table.query(rows)[metric.split("_plus")[0].split("_ad_to")[0].split("_cn_to")[0]]
        assert summary.loc[("probe", metric), "value"] == pytest.approx(values.median(), rel=1e-3, abs=1e-5)
        assert summary.loc[("probe", metric), "n_subjects"] == len(values)


def test_whether_the_right_subjects_change_most_is_a_correlation_over_subjects() -> None:
    """Steps of many lengths, and one of none: the change per step falls with the own ventricles where it should rise;
    the changes themselves agree all the same, since those who are moved far change much."""
    rng = np.random.default_rng(0)
    own, far = 20 + 10 * rng.random(30), np.r_[0.001, 1 + 9 * rng.random(29)]
    rows = [
        {"participant_id": f"sub-{i:02d}", "alpha": sign * far[i], "target_probability": target,
         "scan_ventricle_ml": own[i], "ventricle_ml_change": sign * far[i] * (40 - own[i]) + 0.1 * (i == 0),
         "ventricle_ml_change_truth": sign * far[i] * own[i] / 2}
        for i in range(30) for target, sign in ((0.1, -1), (0.9, 1))
    ]  # fmt: skip
    found = individual(pd.DataFrame(rows), [0.1, 0.9])
    r = {name: pairs.corr().iloc[0, 1] for name, pairs in found.items()}
    for end in ("plus_ad", "minus_ad"):
        assert r[f"ventricle_ml_per_step_r_own_{end}"] == pytest.approx(-1)
        assert r[f"ventricle_ml_per_step_truth_r_own_{end}"] == pytest.approx(1)
        assert r[f"ventricle_ml_per_step_r_truth_{end}"] == pytest.approx(-1)
        assert r[f"ventricle_ml_change_r_truth_{end}"] > 0.7
        assert len(found[f"ventricle_ml_per_step_r_own_{end}"]) == 29
    without = pd.DataFrame(rows).assign(ventricle_ml_change_truth=np.nan)
    assert set(individual(without, [0.1, 0.9])) == {f"ventricle_ml_per_step_r_own_{e}" for e in ("plus_ad", "minus_ad")}


def test_changes_are_mapped_and_calibrated_by_the_lines_of_decoded_volumes(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv")
    lines = read_tsv(evaluated / "interpolation" / "ventricle_calibration.tsv").set_index("volumes")
    expected = lines.loc["decoded", "slope"] * table["ventricle_ml_change"]
    np.testing.assert_allclose(table["ventricle_ml_change_calibrated"], expected, rtol=1e-4, atol=1e-4)
    to_scans = lines.loc["decoded_to_scans"]
    expected = to_scans["slope"] * table["ventricle_ml"] + to_scans["offset"]
    np.testing.assert_allclose(table["ventricle_ml_mapped"], expected, rtol=1e-4, atol=1e-3)
    known = pd.DataFrame(
        {"ventricle_ml": [9.0, 6.0], "ventricle_ml_change": [1.0, -2.0], "ventricle_ml_change_truth": [3.0, -7.0]}
    )
    to_truth, to_scans = (VolumeLine(slope, 50.0, 9, 9, 1.0, 0.0) for slope in (3.0, 2.0))
    found = with_calibrated(known, VentricleCalibration(None, to_truth, to_scans))
    assert found["ventricle_ml_change_calibrated_error_truth"].tolist() == [0.0, 1.0]
    assert found["ventricle_ml_mapped"].tolist() == [68.0, 62.0]
    assert found["ventricle_ml_change_mapped"].tolist() == [2.0, -4.0]
    assert found["ventricle_ml_change_mapped_error_truth"].tolist() == [1.0, 3.0]
    nothing = with_calibrated(known, VentricleCalibration(None, None))
    assert nothing[["ventricle_ml_change_calibrated", "ventricle_ml_mapped"]].isna().all(axis=None)


def test_the_mapped_change_is_told_beside_the_raw_one(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "manipulation" / "summary.tsv").set_index(["method", "metric"])["value"]
    slope = (
        read_tsv(evaluated / "interpolation" / "ventricle_calibration.tsv")
        .set_index("volumes")
        .loc["decoded_to_scans", "slope"]
    )
    for end in ("plus_ad", "minus_ad", "plus_minus_ad", "cn_to_ad", "plus_ad_mean"):
        raw, mapped = (summary["probe", f"ventricle_ml_change{kind}_{end}"] for kind in ("", "_mapped"))
        assert mapped == pytest.approx(slope * raw, rel=1e-3)


def test_doses_are_medians_with_intervals(evaluated: Path) -> None:
    table = read_tsv(evaluated / "manipulation" / "scans.tsv").query("direction == 'probe'")
    doses = read_tsv(evaluated / "manipulation" / "doses.tsv")
    keys = {"direction": "probe", "group": "AD", "measure": "ventricle_ml_change"}
    curve = doses[(doses[list(keys)] == pd.Series(keys)).all(axis=1)].set_index(["calibration", "dose"])
    assert list(curve.loc["probability"].index) == DOSES
    assert list(curve.loc["alpha"].index) == [-5, -4, -3, -2, -1]
    own = table.query("diagnosis == 'AD' and target_probability == 0.25")["ventricle_ml_change"]
    assert curve.loc[("probability", 0.25), "value"] == pytest.approx(own.median(), rel=1e-4)
    assert (curve["low"] <= curve["value"]).all() and (curve["value"] <= curve["high"]).all()


def test_no_probe_is_said(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "nifti").mkdir()
    codes = cohort[1].code_store("y_sem").digest
    write_json(tmp_path / "probe.json", {"reason": "the training split lacks AD or CN scans", "codes": codes})
    run_manipulation(*cohort, tmp_path / "probe.json", settings, 1, tmp_path)
    summary = read_tsv(tmp_path / "summary.tsv")
    assert summary["value"].isna().all() and summary["note"].str.contains("lacks AD").all()
    assert read_tsv(tmp_path / "scans.tsv").empty and not (tmp_path / "nifti").exists()


def test_a_probe_that_leads_nowhere_is_said(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    codes, size = cohort[1].code_store("y_sem").digest, DIMENSION
    flat = Probe(np.zeros(size), np.ones(size), np.full(size, 1e-16), 0.3, 1.0)
    write_json(tmp_path / "probe.json", flat.as_json() | {"codes": codes})
    run_manipulation(*cohort, tmp_path / "probe.json", settings, 1, tmp_path)
    summary = read_tsv(tmp_path / "summary.tsv")
    assert summary["value"].isna().all() and summary["note"].str.contains("the same for every scan").all()


def test_impossible_probability_is_refused(cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    impossible = settings.model_copy(update={"probabilities": [0.5, 1.0]})
    with pytest.raises(UserError, match="probabilities"):
        run_manipulation(*cohort, tmp_path / "probe.json", impossible, 1, tmp_path)
