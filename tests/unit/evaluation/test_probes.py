"""What the probes see, and what they may not see."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from ldae.evaluation import probe_metrics, probes
from ldae.evaluation.features import fixed, true_factors
from ldae.files import read_json, read_tsv


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


def value(summary: pd.DataFrame, method: str, metric: str) -> float:
    return summary[(summary["method"] == method) & (summary["metric"] == metric)]["value"].item()


def test_signal_is_found_and_permuted_labels_are_not() -> None:
    scans, codes = signal_cohort()
    predictions = probes.predict_all(scans, {"ldae": fixed(codes)}, 5, seed=0)
    summary = probes.summary(predictions, 200, 0)
    assert value(summary, "ldae", "auc_ad_cv") > 0.95 and value(summary, "ldae", "auc_ad_test") > 0.9
    control = summary[(summary["method"] == "permuted_labels") & (summary["metric"] == "auc_ad_cv")].iloc[0]
    assert control["low"] < 0.5 < control["high"]


def test_labels_are_permuted_between_subjects_of_a_fold() -> None:
    scans, _ = signal_cohort()
    rows, target = probes.task_rows(scans, "ad")
    subjects, fold = scans["participant_id"].to_numpy()[rows], probes.outer_folds(scans, 5, 0)[rows]
    shuffled = probes.permuted(subjects, target, fold, seed=0)
    assert (shuffled != target).any()
    assert all(len(set(shuffled[subjects == name])) == 1 for name in subjects)
    assert all(shuffled[fold == k].sum() == target[fold == k].sum() for k in range(5))


def test_subject_fingerprints_do_not_leak() -> None:
    """Codes that name the subject and nothing else: folds by scan would give an AUC near 1."""
    scans, _ = signal_cohort()
    codes = np.repeat(np.random.default_rng(1).normal(size=(60, 40)), 2, axis=0)
    summary = probes.summary(probes.predict_all(scans, {"ldae": fixed(codes)}, 5, seed=0), 50, 0)
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
        predictions.append(probes.tested(table, "ad", "ldae", fixed(codes), rows, target, 0)["prediction"])
    pd.testing.assert_series_equal(*predictions)
    assert first != json.dumps(probes.manipulation_probe(scans.assign(split="train"), fixed(codes), 0), sort_keys=True)


def test_features_are_shaped_by_the_fitted_rows_alone() -> None:
    scans, codes = signal_cohort()
    seen = []

    def spy(fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(set(scans["participant_id"].iloc[fit_rows]) & set(scans["participant_id"].iloc[rows]))
        return codes[fit_rows], codes[rows]

    probes.predict_all(scans, {"ldae": spy}, 5, seed=0)
    assert len(seen) > 10 and not any(seen)


def test_a_missing_class_is_not_available_with_its_reason() -> None:
    scans, codes = signal_cohort()
    scans = scans[(scans["diagnosis"] != "AD") | (scans["split"] != "test")].reset_index(drop=True)
    summary = probes.summary(probes.predict_all(scans, {"ldae": fixed(codes[: len(scans)])}, 5, 0), 50, 0)
    row = summary[(summary["method"] == "ldae") & (summary["metric"] == "auc_ad_test")].iloc[0]
    assert np.isnan(row["value"]) and row["note"].startswith("no AD scan")
    no_train = scans.assign(diagnosis="CN")
    assert "lacks AD" in probes.manipulation_probe(no_train, fixed(codes), 0)["reason"]


def test_mean_predictor_does_not_see_its_own_fold() -> None:
    scans, codes = signal_cohort()
    predictions = probes.predict_all(scans, {"ldae": fixed(codes)}, 5, seed=0)
    own = predictions[(predictions["features"] == "mean_predictor") & (predictions["protocol"] == "cv")]
    for fold, group in own.groupby("fold"):
        assert group["prediction"].unique() == pytest.approx(own.loc[own["fold"] != fold, "target"].mean())


def test_oracle_has_no_label_in_it(cohort: tuple) -> None:
    _, inputs = cohort
    factors = true_factors(inputs)
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
    assert expected.keys() == probe_metrics.AD_METRICS.keys()
    for name, statistic in probe_metrics.AD_METRICS.items():
        assert statistic(values, weight[None])[0] == pytest.approx(expected[name]), name
    truth = 70 + 5 * rng.normal(size=60)
    values = np.c_[truth + score, truth]
    expected = {
        "age_mae": sk.mean_absolute_error(truth, values[:, 0], sample_weight=weight),
        "age_rmse": sk.root_mean_squared_error(truth, values[:, 0], sample_weight=weight),
        "age_r2": sk.r2_score(truth, values[:, 0], sample_weight=weight),
    }
    for name, wanted in expected.items():
        assert probe_metrics.AGE_METRICS[name](values, weight[None])[0] == pytest.approx(wanted), name


def test_files(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "probes" / "summary.tsv")
    methods = {"ldae", "dae", "untrained_encoder", "pca_voxels", "oracle", "permuted_labels", "mean_predictor"}
    assert set(summary["method"]) == methods | {"supervised"}
    own = summary[summary["method"] == "supervised"]
    assert all(metric.endswith("_test") for metric in own["metric"])  # its training has seen the other labels
    assert value(summary, "supervised", "age_mae_test") == pytest.approx(2)
    predictions = read_tsv(evaluated / "probes" / "predictions.tsv")
    keys = ["participant_id", "session_id", "task", "protocol", "features"]
    assert not predictions.duplicated(keys).any()
    assert (predictions.loc[predictions["protocol"] == "test", "split"] == "test").all()
    differences = read_tsv(evaluated / "probes" / "differences.tsv").set_index(["method", "metric"])["value"]
    gap = value(summary, "ldae", "auc_ad_cv") - value(summary, "untrained_encoder", "auc_ad_cv")
    assert differences["ldae-untrained_encoder", "auc_ad_cv"] == pytest.approx(gap, abs=1e-5)
    assert read_json(evaluated / "probes" / "probe_ad.json")["positive"] == "AD"
