"""The counterfactual benchmark: every axiom on edits whose answer is known, and the study on a world in closed form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from toy_cohort import LinearLDAE, brain

from ldae.config import Counterfactual, Evaluation
from ldae.core.files import read_tsv, write_json, write_tsv
from ldae.studies.common.by_diagnosis import chosen
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.statistics import ALPHA
from ldae.studies.common.study import ReportSources
from ldae.studies.counterfactual.axioms import against_truth, cosine, left_over, mean_change, true_region
from ldae.studies.counterfactual.directions import responses, whole_steps
from ldae.studies.counterfactual.estimates import NO_TRUTH, differences, slope
from ldae.studies.counterfactual.figure import figure_counterfactual
from ldae.studies.counterfactual.measure import run_counterfactual
from ldae.studies.counterfactual.names import AGAINST_TRUTH, CONTROLS, EDITS
from ldae.studies.counterfactual.table import difference_table
from ldae.studies.counterfactual.words import findings

BRAIN = np.ones((6, 7, 8), dtype=bool)
TRUE_CHANGE = np.zeros(BRAIN.shape)
TRUE_CHANGE[2:4, 2:4, 2:4] = 0.5
ELSEWHERE = np.roll(TRUE_CHANGE, 3, axis=0)
ORACLES = {  # edit -> image_error, image_cosine, image_amount, outside_share
    "the truth": (TRUE_CHANGE, 0, 1, 1, 0),
    "half of it": (TRUE_CHANGE / 2, 0.5, 1, 0.5, 0),
    "no edit": (0 * TRUE_CHANGE, 1, np.nan, 0, np.nan),
    "the wrong way": (-TRUE_CHANGE, 2, -1, -1, 0),
    "as large, elsewhere": (ELSEWHERE, np.sqrt(2), 0, 0, 1),
    "as much again elsewhere": (TRUE_CHANGE + ELSEWHERE, 1, np.sqrt(0.5), 1, 0.5),
}


@pytest.mark.parametrize("edit", ORACLES)
def test_every_measure_of_an_edit_whose_answer_is_known(edit: str) -> None:
    change, *expected = ORACLES[edit]
    found = against_truth(change, TRUE_CHANGE, BRAIN)
    assert list(found.values()) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_noise_as_large_as_the_truth_fails_every_measure() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 40, 40))
    truth = np.zeros(noise.shape)
    truth[:10] = 1.0
    noise *= np.linalg.norm(truth) / np.linalg.norm(noise)
    found = against_truth(noise, truth, np.ones(noise.shape, dtype=bool))
    assert found["image_error"] == pytest.approx(np.sqrt(2), abs=0.02)
    assert abs(found["image_cosine"]) < 0.02 and abs(found["image_amount"]) < 0.02
    assert found["outside_share"] == pytest.approx(1 - 0.9 * 0.25, abs=0.01)  # the complement of the region


def test_the_region_is_the_fewest_voxels_with_nine_tenths_of_the_change() -> None:
    truth = np.array([[4.0, -3, 2, 0.5, 0.5], [0, 0, 0, 0, 0]])
    assert true_region(truth).tolist() == [[True, True, True, False, False], [False] * 5]
    assert not true_region(np.zeros(3)).any()
    only = against_truth(truth, truth, np.ones(truth.shape, dtype=bool))
    assert only["outside_share"] == pytest.approx(0.1)


def test_outside_the_brain_nothing_counts() -> None:
    inside = np.zeros(BRAIN.shape, dtype=bool)
    inside[:, :4] = True
    stained = np.where(inside, TRUE_CHANGE, 9.0)
    assert against_truth(stained, TRUE_CHANGE, inside)["image_error"] == 0
    assert mean_change(stained, TRUE_CHANGE, inside) == 0 and np.isnan(mean_change(stained, stained, ~BRAIN))


@pytest.mark.parametrize(("left", "share"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_what_is_left_of_an_edit_that_was_taken_back(left: float, share: float) -> None:
    """What two ways through the networks lose without an edit does not count."""
    lost = np.random.default_rng(1).normal(size=BRAIN.shape)
    start = np.zeros(BRAIN.shape)
    back = lost + left * TRUE_CHANGE
    assert left_over(start, start + TRUE_CHANGE, back, lost, BRAIN) == pytest.approx(share)
    assert np.isnan(left_over(start, start, back, lost, BRAIN))  # nothing was edited


def test_cosine_of_codes() -> None:
    assert cosine(np.array([1.0, 0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan(cosine(np.zeros(2), np.ones(2)))


def coded(rng: np.random.Generator, noise: float) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Codes in which a diagnosis adds (1, 0, 0, 0), ten years (0, 1, 0, 0), male sex (0, 0, 1, 0); patients are ten
    years older. The noise of entries 0 and 3 is the same: a probe listens to their difference."""
    severity = np.tile([0.0, 0.5, 1.0], 200)
    scans = pd.DataFrame({"diagnosis": np.tile(["CN", "MCI", "AD"], 200)})
    scans["age"] = 70 + 10 * severity + 5 * rng.normal(size=600)
    scans["sex"] = np.where(rng.random(600) < 0.5, "M", "F")
    shared = noise * rng.normal(size=600)
    columns = [severity + shared, (scans["age"] - 70) / 10, (scans["sex"] == "M") * 1.0, shared]
    return np.column_stack(columns) + 0.01 * noise * rng.normal(size=(600, 4)), scans, np.array([1.0, 0, 0, -1])


def test_the_regression_is_what_the_encoder_answers_to_the_diagnosis_alone() -> None:
    codes, scans, _ = coded(np.random.default_rng(0), 0.0)
    found = responses(codes, scans)
    np.testing.assert_allclose(found["diagnosis"], [1, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found["age"], [0, 0.1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(found["sex"], [0, 0, 1, 0], atol=1e-9)


def test_every_edit_is_as_wrong_as_it_must_be() -> None:
    """The means bring age with them, the weights what they have to cancel; the regression does neither."""
    codes, scans, weight = coded(np.random.default_rng(0), 0.3)
    steps = whole_steps(codes, scans, weight)
    true = np.array([1.0, 0, 0, 0])
    alike = {name: cosine(np.asarray(steps[name]), true) for name in EDITS}
    assert alike["ldae_regression"] > 0.99
    assert alike["ldae_mean_difference"] == pytest.approx(np.sqrt(0.5), abs=0.03)  # ten years of age beside it
    assert alike["ldae_probe"] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert abs(alike["ldae_lda"]) < 0.75 < alike["ldae_regression"]
    gap = np.asarray(steps["ldae_mean_difference"])
    for name in ("ldae_probe", "ldae_lda"):  # as far as the means lie apart along it
        step = np.asarray(steps[name])
        assert step @ step == pytest.approx(step @ gap)
    for name in ("age", "sex"):
        assert np.linalg.norm(np.asarray(steps[name])) == pytest.approx(np.linalg.norm(gap))
    assert isinstance(whole_steps(codes, scans.assign(sex="F"), weight)["sex"], str)
    assert isinstance(whole_steps(codes, scans.assign(age=np.nan), weight)["age"], str)


def test_scans_are_chosen_from_each_diagnosis_in_turn() -> None:
    scans = pd.DataFrame({"diagnosis": ["CN"] * 6 + ["AD"] * 4 + ["MCI"] * 2 + ["other", None]})
    taken = chosen(scans, range(14), 7, np.random.default_rng(0))
    assert scans.loc[taken, "diagnosis"].value_counts().to_dict() == {"CN": 3, "AD": 2, "MCI": 2} or (
        scans.loc[taken, "diagnosis"].value_counts().to_dict() == {"CN": 2, "AD": 3, "MCI": 2}
    )
    assert chosen(scans, range(14), 100, np.random.default_rng(0)) == list(range(12))
    assert chosen(scans, [12, 13], 5, np.random.default_rng(0)) == []


def test_the_slope_is_the_part_of_the_truth_that_is_there() -> None:
    values = np.column_stack([[1.0, -2, 3], [2.0, -4, 6]])
    assert slope(values, np.ones((1, 3))) == pytest.approx([0.5])
    assert np.isnan(slope(np.zeros((2, 2)), np.ones((1, 2))))[0]


def test_a_gain_counts_after_holm_and_a_loss_without() -> None:
    rng = np.random.default_rng(0)
    errors = {"ldae_probe": 1.1, "ldae_lda": 0.9, "ldae_regression": 0.5, "random": 1.0}
    rows = [
        {"participant_id": f"sub-{i:02d}", "method": method, "image_error": error + 0.1 * rng.normal()}
        for method, error in errors.items()
        for i in range(24)
    ]
    measures = ["image_cosine", "outside_share", "ventricle_ml_change_mapped_error_truth", "independent_effect"]
    found = differences(pd.DataFrame(rows).reindex(columns=[*rows[0], *measures]), 10, 0).set_index("method")
    against_nothing = found[found.index.str.endswith("-no_edit")]
    assert (against_nothing["p_holm"] >= against_nothing["p"]).all()
    assert against_nothing.loc["ldae_regression-no_edit", "value"] == pytest.approx(-0.5, abs=0.05)
    p = against_nothing["p"].sort_values()
    assert against_nothing["p_holm"][p.index[0]] == pytest.approx(4 * p.iloc[0])  # four were compared with no edit
    assert found.loc["ldae_regression-ldae_probe", "p_holm"] < ALPHA


class ToyTruth:
    """The toy's brains with other ventricles: what nobody decoded."""

    def __init__(self, inputs: Inputs):
        self.inputs = inputs

    def pictures(self, row: int, request: float) -> tuple[np.ndarray, np.ndarray]:
        shape = self.inputs.grid.shape
        now, then = (brain(size, np.zeros(shape)) for size in (0.15, 0.15 + 0.08 * request))
        return now.astype(np.float32), then.astype(np.float32)

    def ventricle_change(self, row: int, request: float) -> float:
        return 80.0 * request * (1 + 0.01 * row)


class Untrained(LinearLDAE):
    """What is decoded does not follow the code."""

    def expected(self, y: torch.Tensor | None) -> torch.Tensor:
        return super().expected(None)


Run = Callable[[str, ToyTruth | None, int], Path]


@pytest.fixture(scope="module")
def run(cohort: tuple[LinearLDAE, Inputs], tmp_path_factory: pytest.TempPathFactory) -> Run:
    ldae, inputs = cohort
    out, evaluation = tmp_path_factory.mktemp("results"), Evaluation(bootstrap=50, calibration_scans=8)
    evaluation = evaluation.model_copy(update={"sampling": ldae.sampling, "volumes": 8})
    rows = np.flatnonzero(inputs.scans["split"] != "test")
    codes, labels = inputs.code("y_sem", rows).astype(float), inputs.scans.loc[rows, "diagnosis"]
    weight = codes[labels == "AD"].mean(0) - codes[labels == "CN"].mean(0)
    probe = {"mean": codes.mean(0).tolist(), "std": codes.std(0).tolist(), "weight": weight.tolist(), "bias": 0.0}
    write_json(out / "probe.json", probe | {"penalty": 1.0, "codes": inputs.code_store("y_sem").digest})
    write_json(out / "none.json", {"reason": "one class", "codes": inputs.code_store("y_sem").digest})

    def made(name: str, truth: ToyTruth | None, subjects: int, probe: str = "probe") -> Path:
        folder = out / name / "evaluate" / "counterfactual"
        given = (ldae, Untrained if truth else None, inputs, out / f"{probe}.json", Counterfactual(subjects=subjects))
        run_counterfactual(*given, evaluation, 0, folder, truth)
        return folder

    return made


@pytest.fixture(scope="module")
def known(run: Run, cohort: tuple[LinearLDAE, Inputs]) -> Path:
    return run("known", ToyTruth(cohort[1]), 6)


def table_of(folder: Path, name: str = "summary") -> pd.DataFrame:
    return read_tsv(folder / f"{name}.tsv").set_index(["method", "metric"])


def test_what_has_the_truth_in_it_passes_and_what_has_none_fails(known: Path, cohort: tuple) -> None:
    ldae, inputs = cohort
    found = table_of(known)["value"]
    assert found["truth", "image_error"] == 0 and found["truth", "image_cosine"] == pytest.approx(1)
    assert found["truth", "outside_share"] == pytest.approx(0.1, abs=0.01)
    assert found["true_ae", "image_error"] < 1e-5  # the toy's autoencoder loses nothing
    assert found["noise", "image_error"] == pytest.approx(np.sqrt(2), abs=0.02)
    assert abs(found["noise", "image_cosine"]) < 0.02
    assert found["untrained", "image_error"] == 1 and found["untrained", "ventricle_ml_amount"] == 0
    assert read_tsv(known / "summary.tsv").query("method == 'untrained' and metric == 'image_cosine'")["note"].item()
    for name in ("random", "untrained", "noise"):
        assert found[name, "image_error"] >= 1 - 0.02, name
    # The code holds the part of the true change that lies in its basis, and the decoder gives exactly that.
    errors = []
    people = set(read_tsv(known / "scans.tsv")["participant_id"])
    for row in inputs.first_scans("test"):
        if inputs.scans.loc[row, "participant_id"] not in people:
            continue
        request = {"CN": 1.0, "MCI": 0.5, "AD": -1.0}[inputs.scans.loc[row, "diagnosis"]]
        now, then = ToyTruth(inputs).pictures(int(row), request)
        inside, true = inputs.volumes.volumes(row) > 0, (then - now).ravel()
        held = (ldae.basis.numpy() @ (ldae.basis.numpy().T @ true)).reshape(inside.shape)
        errors.append(against_truth(held, true.reshape(inside.shape), inside)["image_error"])
    assert found["true_code", "image_error"] == pytest.approx(np.mean(errors), abs=1e-3)
    assert found["true_code", "code_cosine"] == pytest.approx(1)


def test_nothing_is_lost_where_the_networks_lose_nothing(known: Path) -> None:
    """The toy's inversion is exact: no edit gives the scan, and every edit is taken back."""
    found = table_of(known)["value"]
    assert found["null", "composition_mae"] < 1e-5 and found["null", "composition_mae_ae"] < 1e-5
    for name in EDITS:
        assert found[name, "back_share"] < 1e-3 and found[name, "back_mae"] < 1e-5, name
        assert found[name, "own_effect"] > 0.5 > abs(found["random", "own_effect"]), name
    assert found["ldae_probe", "own_effect"] == pytest.approx(1, abs=1e-3)
    assert found["ldae_mean_difference", "independent_effect"] > 3 * abs(found["random", "independent_effect"])
    assert 0.5 < found["independent_probe", "auc_ad_test"] <= 1


def test_the_tables_and_the_words_say_it(known: Path, tmp_path: Path) -> None:
    evaluate = known.parent
    judged = difference_table(evaluate).set_index(["edit", "compared_with", "metric"])["verdict"]
    assert judged["noise", "no_edit", "image_error"] == "worse"
    assert judged["true_ae", "no_edit", "image_error"] == "better"
    assert judged["untrained", "no_edit", "image_error"] == "not told apart"
    assert judged["random", "ldae_mean_difference", "independent_effect"] == "worse"
    sources = ReportSources(tmp_path, evaluate, tmp_path, tmp_path, tmp_path, {})
    said = str(findings(sources, False))
    assert "what the autoencoder leaves of it 0.00, no edit 1)" in said and "than a step along age does:" in said
    assert "Least wrong by its point estimate" in said and "The controls did as they must" in said


def test_a_control_that_does_not_behave_is_named(known: Path, tmp_path: Path) -> None:
    table = read_tsv(known / "differences.tsv")
    swapped = {"noise-no_edit": "true_ae-no_edit", "true_ae-no_edit": "noise-no_edit"}
    write_tsv(tmp_path / "counterfactual" / "differences.tsv", table.replace({"method": swapped}))
    write_tsv(tmp_path / "counterfactual" / "summary.tsv", read_tsv(known / "summary.tsv"))
    said = str(findings(ReportSources(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {}), False))
    assert "did not do as it must: Noise as an edit (must fail), True change, through the autoencoder" in said


def test_without_a_truth_the_rest_is_measured(run: Run) -> None:
    folder = run("unknown", None, 3)
    everything = read_tsv(folder / "summary.tsv")
    table = everything[everything["method"] != "sex"]  # the toy has women alone
    assert everything.loc[everything["method"] == "sex", "note"].str.contains("the same in all").all()
    against = table["metric"].isin(AGAINST_TRUTH)
    assert table.loc[against, "value"].isna().all() and set(table.loc[against, "note"]) == {NO_TRUTH}
    assert set(table.loc[against, "method"]) == {*EDITS, *CONTROLS} - {"sex"}
    rest = table[~against]
    assert rest["value"].notna().all() and {"null", "independent_probe"} <= set(rest["method"])
    compared = read_tsv(folder / "differences.tsv")
    assert set(compared["metric"]) == {"independent_effect"} and len(compared) == len(EDITS)


def test_a_probe_that_could_not_be_fitted_says_why(run: Run, tmp_path: Path) -> None:
    folder = run("none", None, 3, "none")
    table = read_tsv(folder / "summary.tsv")
    assert set(table["note"]) == {"one class"} and set(table["method"]) == set(EDITS)
    figure_counterfactual(folder / "summary.tsv", tmp_path / "figure")
    assert "one class" in read_tsv(tmp_path / "figure.tsv")["reason"].item()
    assert len(difference_table(folder.parent)) == 1
    assert findings(ReportSources(tmp_path, folder.parent, tmp_path, tmp_path, tmp_path, {}), False) is None
