"""Confounds and label efficiency where the answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_files import estimates
from sklearn import metrics as sk
from test_probes import only_ldae, signal_cohort

from ldae.config import Evaluation, Method
from ldae.core.files import read_tsv, write_tsv
from ldae.studies.common.feature_sets import fixed
from ldae.studies.common.linear_probes import fit
from ldae.studies.common.statistics import mean_auc
from ldae.studies.probes import checks as c
from ldae.studies.probes import checks as e
from ldae.studies.probes import measure as probes
from ldae.studies.probes import reading
from ldae.studies.probes.checks import run_probe_checks
from ldae.studies.probes.table import check_table
from ldae.studies.probes.words import TOLD, behind_pca


def scanned() -> tuple[pd.DataFrame, np.ndarray]:
    """A cohort whose codes know the field strength and nothing of the three study phases."""
    scans, codes = signal_cohort(90)
    subject = np.repeat(np.arange(90), 2)
    scans["field_strength"] = np.where(subject % 2, 3.0, 1.5)
    scans["study_phase"] = np.resize(["ADNI1", "ADNI2", "ADNI3", "ADNI2"], 90)[subject // 3 % 90]
    codes[:, 1] += 4 * (subject % 2)
    return scans, codes


def found(scans: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    predictions, _ = probes.predict_all(scans, only_ldae(fixed(codes)), 5, 0)
    table = c.confounds(scans, {"ldae": fixed(codes)}, predictions, 5, 200, 0)
    return table.set_index(["method", "metric", "classes"]).sort_index()


def test_what_the_codes_know_is_found_and_what_they_do_not_is_not() -> None:
    scans, codes = scanned()
    table = found(scans, codes)
    strength, phases = "1.5 T, 3 T", "ADNI1, ADNI2, ADNI3"
    assert table.loc[("ldae", "auc_field_strength_cv", strength), "value"] > 0.97
    assert table.loc[("ldae", "balanced_accuracy_field_strength_cv", strength), "value"] > 0.9
    row = table.loc[("ldae", "auc_study_phase_cv", phases)]
    assert row["low"] < 0.5 < row["high"]
    assert table.loc[("ldae", "balanced_accuracy_study_phase_cv", phases), "value"] == pytest.approx(1 / 3, abs=0.15)


def uneven(subjects: int = 60) -> pd.DataFrame:
    """Field strengths and phases that no number of folds divides evenly, as those of a real cohort."""
    scans, _ = signal_cohort(subjects)
    phase = np.resize(["ADNI1"] * 9 + ["ADNI2"] * 13 + ["ADNI3"] * 6 + ["ADNI4"] * 3, subjects)
    phase = np.random.default_rng(2).permutation(phase)
    return scans.assign(
        study_phase=np.repeat(phase, 2), field_strength=np.where(np.repeat(phase, 2) == "ADNI1", 1.5, 3.0)
    )


def noise_codes(count: int, subjects: int = 60) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (subjects, 8)
    return [np.repeat(rng.normal(size=shape), 2, axis=0) + rng.normal(size=(120, 8)) / 2 for _ in range(count)]


@pytest.mark.parametrize("confound", ["field_strength", "study_phase"])
def test_a_code_that_knows_nothing_is_read_at_chance(confound: str) -> None:
    """Chance is what codes of other subjects are read at, and not 0.5: with the diagnosis' folds noise was at 0.4."""
    scans = uneven()
    labels = c.labels_of(scans, confound)
    found = [reading.read_from(scans, fixed(code), labels, 5, 0, 0, 39) for code in noise_codes(20)]
    for metric in ("auc", "balanced_accuracy"):
        read = [one[metric] for one in found]
        inside = [one.chance_low <= one.estimate.value <= one.chance_high for one in read]
        assert np.mean(inside) >= 0.85 and np.mean([one.chance_p for one in read]) == pytest.approx(0.5, abs=0.2)
        means = np.mean([(one.estimate.value, one.chance) for one in read], axis=0)
        assert means[0] == pytest.approx(means[1], abs=0.05)


def test_a_scanner_is_found_by_its_dose_and_not_at_dose_0() -> None:
    """The field strength added to one number of a code that else knows nothing: the more of it, the more is read."""
    scans = uneven()
    strong = (scans["field_strength"] == 3.0).to_numpy(float)
    labels, code = c.labels_of(scans, "field_strength"), noise_codes(2)[1]
    doses = [
        reading.read_from(scans, fixed(code + dose * strong[:, None] * np.eye(8)[0]), labels, 5, 0, 0, 39)["auc"]
        for dose in (0, 0.5, 1.5, 4)
    ]
    values = [one.estimate.value for one in doses]
    assert values == sorted(values) and values[-1] > 0.95
    assert doses[0].chance_low <= values[0] <= doses[0].chance_high and doses[0].chance_p > 0.05
    assert all(one.estimate.value > one.chance_high and one.chance_p == 1 / 40 for one in doses[2:])


@pytest.mark.parametrize("columns", [8, 40])
def test_ridge_for_every_penalty_is_scikit_learns(columns: int) -> None:
    """Of the sum of two sets of rows, with fewer and more features than rows; a constant column changes nothing."""
    rng = np.random.default_rng(0)
    seen, asked = rng.normal(2, 3, (30, columns)), rng.normal(2, 3, (7, columns))
    seen[:, 3] = 5.0
    target = rng.integers(0, 2, (30, 3)).astype(float)
    ours = reading.Sums.of(seen[:11], target[:11]) + reading.Sums.of(seen[11:], target[11:])
    for penalty, said in zip(reading.PENALTY, ours.ridge(asked, reading.PENALTY), strict=True):
        for column in range(3):
            probe = fit("age", np.delete(seen, 3, 1), target[:, column], penalty)
            np.testing.assert_allclose(said[:, column], probe.score(np.delete(asked, 3, 1)), rtol=1e-6, atol=1e-9)


def test_fixed_features_are_read_as_the_same_ones_that_are_asked_for_anew() -> None:
    scans, code = uneven(), (noise_codes(1)[0] + 100) * 1e-9
    labels = c.labels_of(scans, "study_phase")
    fast, plain = (
        reading.read_from(scans, features, labels, 5, 0, 0, 3)["auc"]
        for features in (fixed(code), lambda fit_rows, rows: (code[fit_rows], code[rows]))
    )
    assert fast.estimate.value == pytest.approx(plain.estimate.value, abs=1e-9)
    assert fast.chance == pytest.approx(plain.chance, abs=1e-9)


def test_codes_change_places_between_whole_subjects() -> None:
    """Every subject's rows get rows of one subject, everybody's first row is used, and nobody's place is in two."""
    subjects = np.repeat(["a", "b", "c", "d"], [1, 3, 2, 2])
    source = reading.exchanged(subjects, 0, 1)
    givers = [set(subjects[source[subjects == name]]) for name in "abcd"]
    assert all(len(names) == 1 for names in givers) and set.union(*givers) == set("abcd")
    assert any(name not in names for name, names in zip("abcd", givers, strict=True))
    np.testing.assert_array_equal(source, reading.exchanged(subjects, 0, 1))
    assert not np.array_equal(source, reading.exchanged(subjects, 0, 2))


def test_a_null_is_what_the_permutations_say() -> None:
    null = np.linspace(0.3, 0.6, 39)
    assert reading.beside(0.5999, null) == pytest.approx((0.45, 0.3, 0.6, 2 / 40))
    assert reading.beside(0.2, null)[3] == 1 and reading.beside(None, null) == reading.beside(0.5, []) == ()


def test_results_with_the_confound_held_fixed_are_those_of_the_scans_chosen_by_hand() -> None:
    scans, codes = scanned()
    table = found(scans, codes)
    predictions, _ = probes.predict_all(scans, only_ldae(fixed(codes)), 5, 0)
    own = predictions.query("features == 'ldae' and protocol == 'cv'").merge(
        scans[["participant_id", "session_id", "field_strength"]]
    )
    part = own.query("task == 'ad' and field_strength == 1.5")
    expected = sk.roc_auc_score(part["target"], part["prediction"])
    assert table.loc[("ldae", "auc_ad_cv_within_field_strength", "1.5 T"), "value"] == pytest.approx(expected)
    controls = own.query("task == 'age' and diagnosis == 'CN'")
    expected = (controls["prediction"] - controls["target"]).abs().mean()
    assert table.loc[("ldae", "age_mae_cv_cn", "CN"), "value"] == pytest.approx(expected)
    assert ("mean_predictor", "age_mae_test_cn", "CN") in table.index


def test_one_class_or_none_is_not_available_with_its_reason() -> None:
    scans, codes = scanned()
    table = found(scans.assign(field_strength=3.0).drop(columns="study_phase"), codes).reset_index()
    notes = table.set_index("metric")["note"]
    assert notes["auc_field_strength_cv"].endswith(": 3 T")
    assert notes["balanced_accuracy_study_phase_cv"].endswith(": unknown")


def test_class_metrics_equal_sklearn() -> None:
    rng = np.random.default_rng(0)
    scores, label = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    weights = rng.integers(0, 3, (4, 60)).astype(float)
    values = np.column_stack([scores, label])
    recalls = [sk.balanced_accuracy_score(label, scores.argmax(1), sample_weight=w) for w in weights]
    np.testing.assert_allclose(reading.mean_recall(3)(values, weights), recalls)
    aucs = [np.mean([sk.roc_auc_score(label == k, scores[:, k], sample_weight=w) for k in range(3)]) for w in weights]
    np.testing.assert_allclose(mean_auc(3)(values, weights), aucs)


def test_the_components_that_a_code_tells_are_those_it_was_made_of() -> None:
    """y_sem holds the first and third principal component of the voxels, mixed, and noise of its own."""
    scans, _ = signal_cohort(60)
    rng = np.random.default_rng(3)
    parts = np.repeat(rng.normal(size=(60, 6)), 2, axis=0) * [6, 5, 4, 3, 2, 1]
    voxels = parts @ np.linalg.qr(rng.normal(size=(40, 6)))[0].T
    code = parts[:, [0, 2]] @ rng.normal(size=(2, 8)) + rng.normal(size=(120, 8)) / 10
    table = reading.components_read(scans, code, voxels @ voxels.T, 0, 0)
    assert table["component"].tolist() == [1, 2, 3, 4, 5, 6] and (table["low"] < table["value"]).all()
    told = dict(zip(table["component"], table["value"] > TOLD, strict=True))
    assert [component for component, known in told.items() if known] == [1, 3]
    alone = reading.components_read(scans.assign(split="test"), code, voxels @ voxels.T, 0, 0)
    assert alone["value"].isna().all() and alone["note"].tolist() == ["too few training scans, or no test scan"]


def behind(folder: Path, ours: float, high: float = -0.01) -> str:
    values = {("ldae", "auc_ad_cv"): ours, ("pca_voxels", "auc_ad_cv"): 0.888, ("pca_voxels_once", "auc_ad_cv"): 0.814}
    write_tsv(folder / "probes/summary.tsv", estimates(values))
    apart = estimates({("ldae-pca_voxels", "auc_ad_cv"): ours - 0.888})
    write_tsv(folder / "probes/differences.tsv", apart.assign(low=-0.2, high=high))
    told = pd.concat([estimates({("ldae", reading.COMPONENT_R2): value}) for value in (0.86, 0.2, 0.75, -3)])
    write_tsv(folder / "probe_checks/components.tsv", told.assign(component=[1, 2, 3, 4]))
    return behind_pca(folder)


def test_the_report_says_where_y_sem_loses_what_pca_keeps_and_only_then(tmp_path: Path) -> None:
    assert behind_pca(tmp_path) == behind(tmp_path, 0.9) == ""
    words = behind(tmp_path, 0.854)
    assert words.startswith("<p>Why y<sub>sem</sub> stays behind the PCA of voxels. By its AUC")
    assert "(0.854, cross-validated) it is below" in words and "and above those" in words
    assert "(0.888; difference −0.03 [−0.20, −0.01])" in words
    assert "Of the 4 strongest components of the voxels y<sub>sem</sub> tells 2 (number 1, 3)" in words
    assert "and not above those" in behind(tmp_path, 0.8)


def test_a_difference_that_may_be_none_is_not_explained_as_one(tmp_path: Path) -> None:
    words = behind(tmp_path, 0.854, high=0.1)
    assert words.startswith("<p>Cross-validated, y<sub>sem</sub> and the PCA of voxels are not told apart in the AUC")
    assert "Why" not in words


SETTINGS = Evaluation(bootstrap=100, label_fractions=[0.02, 0.1, 0.5, 1.0], label_draws=3)


def test_subsets_are_nested_proportional_and_drawn_anew() -> None:
    scans, _ = signal_cohort(90)
    first, again, other = e.ranked(scans, 0, 1), e.ranked(scans, 0, 1), e.ranked(scans, 1, 1)
    assert first == again != other and sorted(first) == sorted(other) == sorted(scans["participant_id"].unique())
    diagnosis = scans.drop_duplicates("participant_id").set_index("participant_id")["diagnosis"]
    for count in (9, 30, 60):
        counts = diagnosis[first[:count]].value_counts()
        assert counts.max() - counts.min() <= 2 and len(counts) == 3


def test_more_labels_help_and_all_of_them_give_table_7() -> None:
    scans, codes = signal_cohort(150, strength=1.5)
    table = e.label_efficiency(scans, {"ldae": fixed(codes)}, SETTINGS, 0)
    auc = table[table["metric"] == "auc_ad_test"].set_index("fraction")
    assert auc.loc[1.0, "value"] > auc.loc[0.1, "value"] - 0.02 and auc.loc[1.0, "value"] > 0.8
    assert auc["n_train_subjects"].tolist() == [1, 7, 37, 74] and auc["n_draws"].tolist() == [3, 3, 3, 1]
    assert auc.loc[0.1, "sd_of_draws"] > auc.loc[0.5, "sd_of_draws"] > 0 and np.isnan(auc.loc[1.0, "sd_of_draws"])
    assert np.isnan(auc.loc[0.02, "value"]) and auc.loc[0.02, "n_draws_used"] == 0  # one subject, one class
    rows, target = probes.task_rows(scans, "ad")
    predictions, _ = probes.tested(scans, "ad", {"ldae": fixed(codes)}, rows, target, 0)
    expected = sk.roc_auc_score(predictions["target"], predictions["prediction"])
    assert auc.loc[1.0, "value"] == pytest.approx(expected)


def test_the_value_is_the_mean_over_draws() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=(40, 2)), rng.integers(0, 2, 40)])
    expected = np.mean([sk.roc_auc_score(values[:, 2], values[:, k]) for k in range(2)])
    ours = e.mean_over_draws(e.METRICS["ad"][1], 2)(values, np.ones((1, 40)))
    assert ours[0] == pytest.approx(expected)


def test_draws_that_disagree_widen_the_interval_of_their_mean() -> None:
    """The two errors add in quadrature: the jackknife's over subjects by hand, the other as two draws know it."""
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=(30, 2)), rng.normal(70, 8, 30)])
    subjects = np.array([f"s{row:02d}" for row in range(30)])
    statistic = e.mean_over_draws(e.METRICS["age"][1], 2)
    without = [np.abs(np.delete(values[:, :2] - values[:, 2:], row, axis=0)).mean() for row in range(30)]
    jackknife = np.sqrt(29 * np.var(without))
    assert e.widened_by_draws(statistic, values, subjects, 0.0, 2) == 1
    error = 0.5 / np.sqrt(2) * 12.7062 / 1.95996  # Student's t of one degree of freedom beside the normal quantile
    found = e.widened_by_draws(statistic, values, subjects, 0.5, 2)
    assert found == pytest.approx(np.hypot(1, error / jackknife), rel=1e-5)


def test_test_labels_fit_nothing() -> None:
    """The scores of the test scans do not depend on their labels."""
    scans, codes = signal_cohort(60)
    rows, target = probes.task_rows(scans, "ad")
    test = scans["split"].to_numpy()[rows] == "test"
    subset = e.ranked(scans.loc[rows[~test]], 0, 0)[:20]
    spoiled = np.where(test, 1 - target, target)
    found = [e._scores(scans, "ad", fixed(codes), rows, given, test, subset, 0) for given in (target, spoiled)]
    np.testing.assert_array_equal(*found)


def test_files_and_tables(evaluated: Path, cohort: tuple, settings: Evaluation, tmp_path: Path) -> None:
    _, inputs = cohort
    few = settings.model_copy(update={"label_draws": 2, "bootstrap": 50, "confound_permutations": 5})
    run_probe_checks(inputs, evaluated / "probes" / "predictions.tsv", few, 1, tmp_path, Method())
    efficiency, confounds = (check_table(tmp_path / f"{name}.tsv") for name in ("label_efficiency", "confounds"))
    assert set(efficiency["method"]) == {"ldae", "dae", "untrained_encoder", "pca_voxels"}
    assert set(efficiency["fraction"]) == {0.01, 0.05, 0.1, 0.5, 1} and (efficiency["n_training_seeds"] == 1).all()
    assert {"auc_field_strength_cv", "auc_study_phase_cv", "age_mae_cv_cn"} <= set(confounds["metric"])
    assert confounds.columns.tolist()[:5] == ["method", "metric", "classes", "estimate", "chance"]
    read = confounds["metric"].str.contains("field_strength_cv|study_phase_cv") & ~confounds["estimate"].str.contains(
        "n/a"
    )
    assert confounds["chance"].notna().equals(read) and "chance" not in efficiency
    for name in ("label_efficiency", "confounds", "components"):
        table = read_tsv(tmp_path / f"{name}.tsv")
        assert table.loc[table["value"].isna(), "note"].notna().all()
