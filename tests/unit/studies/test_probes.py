"""What the probes see, and what they may not see."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from ldae.config import Evaluation
from ldae.core.files import read_json, read_tsv
from ldae.studies.common.feature_sets import TASKS, TaskSets, VoxelPca, fixed, true_factors
from ldae.studies.common.linear_probes import Features, outer_folds
from ldae.studies.common.paper_tables import format_estimate
from ldae.studies.common.statistics import holm
from ldae.studies.probes import estimates
from ldae.studies.probes import measure as probes
from ldae.studies.probes.table import difference_table, lost_to, probe_table, protocol_words


def signal_cohort(subjects: int = 60, strength: float = 3.0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    scans = pd.DataFrame({"participant_id": np.repeat([f"sub-{i:02d}" for i in range(subjects)], 2)})
    scans["session_id"] = ["ses-M000", "ses-M012"] * subjects
    scans["months"] = [0, 12] * subjects
    scans["diagnosis"] = np.repeat(np.resize(["AD", "CN", "MCI"], subjects), 2)
    scans["age"] = np.repeat(rng.uniform(60, 85, subjects), 2) + scans["months"] / 12
    scans["split"] = np.repeat(np.where(np.arange(subjects) % 4 == 0, "test", "train"), 2)
    codes = rng.normal(size=(2 * subjects, 5))
    codes[:, 0] += strength * (scans["diagnosis"] == "AD")
    return scans, codes


def only_ldae(features: Features) -> TaskSets:
    return {task: {"ldae": features} for task in TASKS}


def predict(scans: pd.DataFrame, features: Features) -> pd.DataFrame:
    return probes.predict_all(scans, only_ldae(features), 5, seed=0)[0]


def value(summary: pd.DataFrame, method: str, metric: str) -> float:
    return summary[(summary["method"] == method) & (summary["metric"] == metric)]["value"].item()


def test_every_column_of_the_predictions_is_described(evaluated):
    predictions = read_tsv(evaluated / "probes" / "predictions.tsv")
    described = read_json(evaluated / "probes" / "predictions.json")
    assert list(predictions.columns) != [] and set(described) == set(predictions.columns)
    assert all(entry["Description"] for entry in described.values())
    logits = (predictions["task"] == "ad") & (predictions["features"] != "majority_class")
    odds = predictions.loc[logits, "probability"] / (1 - predictions.loc[logits, "probability"])
    usual = predictions.loc[logits, "prediction"].abs() < 5
    assert usual.any() and np.allclose(np.log(odds[usual]), predictions.loc[logits, "prediction"][usual], atol=1e-3)
    assert predictions.loc[~logits, "probability"].isna().all()


def test_signal_is_found_and_permuted_labels_are_not() -> None:
    scans, codes = signal_cohort()
    predictions = predict(scans, fixed(codes))
    summary = estimates.summary(predictions, 200, 0)
    assert value(summary, "ldae", "auc_ad_cv") > 0.95 and value(summary, "ldae", "auc_ad_test") > 0.9
    control = summary[(summary["method"] == "permuted_labels") & (summary["metric"] == "auc_ad_cv")].iloc[0]
    assert control["low"] < 0.5 < control["high"]


def test_labels_are_permuted_between_subjects_of_a_fold() -> None:
    scans, _ = signal_cohort()
    rows, target = probes.task_rows(scans, "ad")
    subjects, fold = scans["participant_id"].to_numpy()[rows], outer_folds(scans, 5, 0)[rows]
    shuffled = probes.permuted(subjects, target, fold, seed=0)
    assert (shuffled != target).any()
    assert all(len(set(shuffled[subjects == name])) == 1 for name in subjects)
    assert all(shuffled[fold == k].sum() == target[fold == k].sum() for k in range(5))


def test_subject_fingerprints_do_not_leak() -> None:
    """Codes that name the subject and nothing else: folds by scan would give an AUC near 1."""
    scans, _ = signal_cohort()
    codes = np.repeat(np.random.default_rng(1).normal(size=(60, 40)), 2, axis=0)
    summary = estimates.summary(predict(scans, fixed(codes)), 50, 0)
    assert 0.25 < value(summary, "ldae", "auc_ad_cv") < 0.75


def test_permuted_test_labels_change_no_fitted_artefact() -> None:
    scans, codes = signal_cohort()
    test = scans["split"] == "test"
    spoiled = scans.copy()
    spoiled.loc[test, "diagnosis"] = spoiled.loc[test, "diagnosis"].map({"AD": "CN", "CN": "AD", "MCI": "MCI"})
    spoiled.loc[test, "age"] = 99.0
    first, second = (
        json.dumps(probes.manipulation_probe(table, fixed(codes), 0), sort_keys=True) for table in (scans, spoiled)
    )
    assert first == second
    predictions = []
    for table in (scans, spoiled):
        rows, target = probes.task_rows(table, "ad")
        predictions.append(probes.tested(table, "ad", {"ldae": fixed(codes)}, rows, target, 0)[0]["prediction"])
    pd.testing.assert_series_equal(*predictions)
    assert first != json.dumps(probes.manipulation_probe(scans.assign(split="train"), fixed(codes), 0), sort_keys=True)


def test_who_is_held_out_is_in_no_fold_of_the_cross_validation() -> None:
    """Other codes and labels of held-out subjects change no number that was fitted without them."""
    scans, codes = signal_cohort()
    held = (scans["split"] == "test").to_numpy()
    other = scans.assign(diagnosis=np.where(held & scans["diagnosis"].isin(["AD", "CN"]), "AD", scans["diagnosis"]))
    other.loc[held, "age"] += 7.0
    tables = [
        probes.predict_all(table, only_ldae(fixed(values)), 5, seed=0, held_out=True)
        for table, values in ((scans, codes), (other, np.where(held[:, None], -codes, codes)))
    ]
    crossed = [table[table["protocol"] == "cv"] for table, _ in tables]
    assert not (crossed[0]["split"] == "test").any()
    assert {"ldae", "permuted_labels", "majority_class", "mean_predictor"} == set(crossed[0]["features"])
    known = [table.drop(columns=["target", "prediction", "fold"]) for table in crossed]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in known))
    assert tables[0][1] == tables[1][1], "the fitted probes"
    dealt = predict(scans, fixed(codes)).query("protocol == 'cv'")
    assert (dealt["split"] == "test").any(), "dealt test subjects are cross-validated like all others"


def test_features_are_shaped_by_the_fitted_rows_alone() -> None:
    scans, codes = signal_cohort()
    seen = []

    def spy(fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(set(scans["participant_id"].iloc[fit_rows]) & set(scans["participant_id"].iloc[rows]))
        return codes[fit_rows], codes[rows]

    predict(scans, spy)
    assert len(seen) > 10 and not any(seen)


def test_a_missing_class_is_not_available_with_its_reason() -> None:
    scans, codes = signal_cohort()
    scans = scans[(scans["diagnosis"] != "AD") | (scans["split"] != "test")].reset_index(drop=True)
    summary = estimates.summary(predict(scans, fixed(codes[: len(scans)])), 50, 0)
    row = summary[(summary["method"] == "ldae") & (summary["metric"] == "auc_ad_test")].iloc[0]
    assert np.isnan(row["value"]) and row["note"].startswith("no AD scan")
    no_train = scans.assign(diagnosis="CN")
    assert "lacks AD" in probes.manipulation_probe(no_train, fixed(codes), 0)["reason"]


def test_mean_predictor_does_not_see_its_own_fold() -> None:
    scans, codes = signal_cohort()
    predictions = predict(scans, fixed(codes))
    own = predictions[(predictions["features"] == "mean_predictor") & (predictions["protocol"] == "cv")]
    for fold, group in own.groupby("fold"):
        assert group["prediction"].unique() == pytest.approx(own.loc[own["fold"] != fold, "target"].mean())


def test_oracle_has_no_label_in_it(cohort: tuple) -> None:
    _, inputs = cohort
    factors = true_factors(inputs.scans)
    np.testing.assert_allclose(factors[:, 0], np.log(inputs.scans["truth_ventricle_ml"]))
    assert factors.shape[1] == 5  # ventricles, hippocampus, ICV, cortical loss, caps: what this truth has


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_equal_sklearn(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    score, label = rng.normal(size=60), rng.integers(0, 2, 60).astype(float)
    weight = rng.integers(0, 3, 60).astype(float) if weighted else np.ones(60)
    called, values = (score > 0).astype(float), np.c_[score, label]
    expected = {
        "auc_ad": sk.roc_auc_score(label, score, sample_weight=weight),
        "accuracy_ad": sk.accuracy_score(label, called, sample_weight=weight),
        "balanced_accuracy_ad": sk.balanced_accuracy_score(label, called, sample_weight=weight),
        "sensitivity_ad": sk.recall_score(label, called, sample_weight=weight),
        "specificity_ad": sk.recall_score(1 - label, 1 - called, sample_weight=weight),
        "precision_ad": sk.precision_score(label, called, sample_weight=weight),
        "f1_ad": sk.f1_score(label, called, sample_weight=weight),
        "mcc_ad": sk.matthews_corrcoef(label, called, sample_weight=weight),
    }
    assert expected.keys() == estimates.AD_METRICS.keys()
    for name, statistic in estimates.AD_METRICS.items():
        assert statistic(values, weight[None])[0] == pytest.approx(expected[name]), name
    truth = 70 + 5 * rng.normal(size=60)
    values = np.c_[truth + score, truth]
    expected = {
        "age_mae": sk.mean_absolute_error(truth, values[:, 0], sample_weight=weight),
        "age_rmse": sk.root_mean_squared_error(truth, values[:, 0], sample_weight=weight),
        "age_r2": sk.r2_score(truth, values[:, 0], sample_weight=weight),
    }
    for name, wanted in expected.items():
        assert estimates.AGE_METRICS[name](values, weight[None])[0] == pytest.approx(wanted), name


GOLDEN = np.array([[2.0, 1], [1.0, 1], [-0.5, 1], [0.5, 0], [-1.0, 0], [-2.0, 0], [-3.0, 0], [0.25, 0]])
"""Logit and label: 2 true and 2 false positives, 3 true and 1 false negative; 13 of 15 pairs in order."""
AGES = np.array([[70.0, 72], [75.0, 71], [80.0, 83], [66.0, 66]])


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("auc_ad", GOLDEN, 13 / 15),
        ("accuracy_ad", GOLDEN, 5 / 8),
        ("balanced_accuracy_ad", GOLDEN, (2 / 3 + 3 / 5) / 2),
        ("sensitivity_ad", GOLDEN, 2 / 3),
        ("specificity_ad", GOLDEN, 3 / 5),
        ("precision_ad", GOLDEN, 1 / 2),
        ("f1_ad", GOLDEN, 4 / 7),
        ("mcc_ad", GOLDEN, 0.2581988897),
        ("sensitivity_cn_positive", GOLDEN, 3 / 5),
        ("specificity_cn_positive", GOLDEN, 2 / 3),
        ("precision_cn_positive", GOLDEN, 3 / 4),
        ("f1_cn_positive", GOLDEN, 2 / 3),
        ("age_mae", AGES, 2.25),
        ("age_rmse", AGES, 2.6925824036),
        ("age_r", AGES, 0.9035478),
        ("age_r2", AGES, 1 - 29 / 154),
        ("age_bias_slope", AGES, -36 / 154),
    ],
)
def test_golden_values(name: str, values: np.ndarray, expected: float) -> None:
    known = estimates.AD_METRICS | estimates.CN_METRICS | estimates.AGE_METRICS
    assert known[name](values, np.ones((1, len(values))))[0] == pytest.approx(expected, abs=1e-5)


def test_golden_values_cover_every_metric() -> None:
    names = {case[0] for mark in test_golden_values.pytestmark for case in mark.args[1]}
    assert names == {*estimates.AD_METRICS, *estimates.CN_METRICS, *estimates.AGE_METRICS}


COMMON = {
    "ldae", "dae", "untrained_encoder", "pca_voxels", "pca_voxels_once", "tissue_volumes", "region_volumes",
    "demographics", "oracle",
}  # fmt: skip
SETS = {
    ("ad", "cv"): COMMON | {"majority_class", "permuted_labels"},
    ("age", "cv"): COMMON | {"mean_predictor"},
    ("ad", "test"): COMMON | {"majority_class", "supervised", "supervised_features"},
    ("age", "test"): COMMON | {"mean_predictor", "supervised", "supervised_features"},
    ("ad", "test_paper"): COMMON | {"supervised_features"},
    ("age", "test_paper"): COMMON | {"supervised_features"},
}


def test_files(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "probes" / "summary.tsv")
    assert set(summary["method"]) == set.union(*SETS.values())
    assert not summary.duplicated(["method", "metric"]).any()
    own = summary[summary["method"].str.startswith("supervised")]
    assert all("_test" in metric for metric in own["metric"])  # its training has seen the other labels
    assert value(summary, "supervised", "age_mae_test") == pytest.approx(2)
    predictions = read_tsv(evaluated / "probes" / "predictions.tsv")
    keys = ["participant_id", "session_id", "task", "protocol", "features"]
    assert not predictions.duplicated(keys).any()
    assert (predictions.loc[predictions["protocol"] != "cv", "split"] == "test").all()
    differences = read_tsv(evaluated / "probes" / "differences.tsv").set_index(["method", "metric"])["value"]
    gap = value(summary, "ldae", "auc_ad_cv") - value(summary, "untrained_encoder", "auc_ad_cv")
    assert differences["ldae-untrained_encoder", "auc_ad_cv"] == pytest.approx(gap, abs=1e-5)
    assert read_json(evaluated / "probes" / "probe_ad.json")["positive"] == "AD"


def test_every_feature_set_is_measured_on_the_same_scans(evaluated: Path) -> None:
    predictions = read_tsv(evaluated / "probes" / "predictions.tsv")
    differences = read_tsv(evaluated / "probes" / "differences.tsv")
    for (task, protocol), group in predictions.groupby(["task", "protocol"]):
        scans = {name: set(zip(own["participant_id"], own["session_id"], strict=True)) for name, own in
                 group.groupby("features")}  # fmt: skip
        assert scans.keys() == SETS[task, protocol]
        assert all(own == scans["ldae"] for own in scans.values()), (task, protocol)
        metric = ("auc_ad_" if task == "ad" else "age_mae_") + protocol
        compared = set(differences.loc[differences["metric"] == metric, "method"])
        assert compared == {f"ldae-{name}" for name in SETS[task, protocol] - {"ldae", "permuted_labels"}}


def test_permuted_test_labels_leave_every_fitted_file_byte_identical(
    cohort: tuple, settings: Evaluation, tmp_path: Path
) -> None:
    """splits.tsv is kept; diagnoses and ages of the test subjects are shuffled among them."""
    _, inputs = cohort
    test = np.flatnonzero(inputs.scans["split"] == "test")
    order = np.random.default_rng(5).permutation(test)
    spoiled = inputs.scans.copy()
    for column in ("diagnosis", "age"):
        spoiled.loc[test, column] = inputs.scans[column].to_numpy()[order]
    assert (spoiled["diagnosis"] != inputs.scans["diagnosis"]).sum() > 5
    files = []
    for name, scans in (("as it is", inputs.scans), ("spoiled", spoiled)):
        probes.run_probes(replace(inputs, scans=scans), settings, 1, tmp_path / name)
        files.append([(tmp_path / name / file).read_bytes() for file in ("fitted.json", "probe_ad.json")])
        lda = read_tsv(tmp_path / name / "lda.tsv").set_index(["participant_id", "session_id"])
        files[-1].append(lda.sort_index()[["axis_1", "axis_2", "axis_ad_cn"]].to_csv())
    assert files[0] == files[1]
    fitted = read_json(tmp_path / "spoiled" / "fitted.json")
    assert {tuple(name.split()) for name in fitted} == {
        (protocol, task, name) for protocol in ("test", "test_paper") for task in ("ad", "age")
        for name in SETS[task, "test_paper"]
    }  # fmt: skip


def test_permuted_training_labels_give_chance_on_the_test_subjects() -> None:
    """The interval of the AUC covers one half when training subjects swap labels, and does not when they keep them.

    Within each true class every label is given equally often: a permutation that has, by chance, something to do with
    the truth would be found by the probe, and rightly so.
    """
    scans, codes = signal_cohort(subjects=150)
    train = scans["split"] == "train"
    people = scans[train & (scans["diagnosis"] != "MCI")].drop_duplicates("participant_id")
    given = {}
    for _, group in people.groupby("diagnosis"):
        names = np.random.default_rng(3).permutation(group["participant_id"].to_numpy(str))
        given |= dict(zip(names, np.resize(["AD", "CN"], len(names)), strict=True))
    spoiled = scans.assign(diagnosis=scans["participant_id"].map(given).fillna(scans["diagnosis"]))
    for table, chance in ((spoiled, True), (scans, False)):
        rows, target = probes.task_rows(table, "ad")
        for fitted in (probes.tested, probes.tested_as_paper):
            predictions, _ = fitted(table, "ad", {"ldae": fixed(codes)}, rows, target, 0)
            estimate = estimates.estimate_of(predictions, "ad", estimates.AD_METRICS["auc_ad"], 1000, 0)
            assert (estimate.low <= 0.5 <= estimate.high) == chance


def test_a_loss_is_told_and_a_gain_has_to_survive_the_number_of_rivals() -> None:
    rows = [
        ("ldae-a", "auc_ad_cv", -0.1, -0.2, -0.01, 0.9), ("ldae-b", "auc_ad_cv", 0.1, -0.1, 0.2, 0.9),
        ("ldae-c", "auc_ad_cv", 0.1, 0.01, 0.2, 0.049), ("ldae-d", "auc_ad_cv", 0.1, 0.01, 0.2, 0.051),
        ("ldae-a", "age_mae_test", -1, -2, -0.5, 0.01), ("ldae-b", "age_mae_test", 1, 0.5, 2, 0.2),
        ("ldae-c", "age_mae_test", np.nan, np.nan, np.nan, np.nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high", "p_holm"]).assign(note="one class")
    words = [estimates.verdict(line) for _, line in table.iterrows()]
    assert words == [
        "ldae worse", "not told apart", "ldae better", "not told apart", "ldae better", "ldae worse", "n/a (one class)",
    ]  # fmt: skip
    assert lost_to(table) == {"auc_ad_cv": ["a"], "age_mae_test": ["b"]}


def test_p_values_are_adjusted_within_a_protocol(evaluated: Path) -> None:
    lines = read_tsv(evaluated / "probes" / "differences.tsv")
    assert ((lines["p"] < 0.05) == ((lines["low"] > 0) | (lines["high"] < 0))).all()
    for protocol in estimates.PROTOCOLS:
        own = lines[lines["metric"].isin([f"{metric}_{protocol}" for metric in estimates.COMPARED])]
        assert len(own) > 10
        np.testing.assert_allclose(own["p_holm"], holm(own["p"]), atol=1e-5)  # six digits in the file


def test_pca_fitted_once_sees_the_training_scans_alone() -> None:
    """Fixed axes: what is asked of does not depend on what a probe is fitted on; and they are those of the base."""
    voxels = np.random.default_rng(0).normal(size=(30, 50)) * np.arange(1, 51)
    base, other = np.arange(12), np.arange(5, 25)
    once = VoxelPca(voxels @ voxels.T, widths=(5,), base=base)
    np.testing.assert_array_equal(once(other, np.arange(30))[1], once(base, np.arange(30))[1])
    np.testing.assert_allclose(once(other, np.arange(30))[1], VoxelPca(voxels @ voxels.T, (5,))(base, np.arange(30))[1])
    changed = voxels.copy()
    changed[12:] *= 7
    again = VoxelPca(changed @ changed.T, widths=(5,), base=base)
    np.testing.assert_allclose(again(base, base)[1], once(base, base)[1])


def test_table_7_has_every_feature_set_and_protocol(evaluated: Path) -> None:
    table = probe_table(evaluated)
    summary = read_tsv(evaluated / "probes" / "summary.tsv")
    assert (table["n_training_seeds"] == 1).all()
    pairs = {(name, protocol) for (_, protocol), names in SETS.items() for name in names}
    assert len(table) == len(pairs) and not table.duplicated(["method", "protocol"]).any()
    rows = table.set_index(["method", "protocol"])
    ours = rows.loc[("ldae", "test subjects, the paper's gradient descent")]
    assert ours["auc_ad_published"] == "0.8948" and table["auc_ad_published"].notna().sum() == 3
    own = rows.loc[("supervised", "test subjects, own head")]
    assert own["age_mae_published"] == "4.34"
    chosen = "encoder of the diagnosis: best step of supervised_ad; encoder of age: best step of supervised_age"
    assert own["note"].endswith(chosen)
    assert rows.loc[("supervised_features", "test subjects, logistic / ridge")]["note"].endswith(chosen)
    assert not table.loc[~table["method"].str.startswith("supervised"), "note"].astype(str).str.contains("step").any()
    line = summary[(summary["method"] == "ldae") & (summary["metric"] == "auc_ad_test_paper")].iloc[0]
    assert ours["auc_ad"] == format_estimate(line)
    wanted = {"ldae better", "ldae worse", "not told apart"}
    assert set(table["auc_ad_verdict"].dropna()) <= wanted
    differences = difference_table(evaluated)
    assert differences["ldae_minus_rival"].str.match(r".+ \[.+, .+\]$").all()


def test_table_7_states_the_subjects_of_each_task(evaluated: Path) -> None:
    """Ages are known of subjects with MCI too, who are in no diagnosis task."""
    table = probe_table(evaluated)
    predictions = read_tsv(evaluated / "probes" / "predictions.tsv")
    predictions["words"] = [protocol_words(*names) for names in predictions[["features", "protocol"]].to_numpy()]
    known = predictions.groupby(["features", "words", "task"])["participant_id"].nunique()
    for row in table.itertuples():
        for task, stated in (("ad", row.subjects_ad), ("age", row.subjects_age)):
            assert stated == known.get((row.method, row.protocol, task), 0)
    assert ((table["subjects_ad"] > 0) & (table["subjects_ad"] < table["subjects_age"])).any()
