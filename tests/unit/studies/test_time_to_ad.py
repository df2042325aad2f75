"""Conversions: who is asked, statistics of the books, Cox's model, and a world in which the true course is known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from toy_cohort import write_cohort

from ldae.config import Evaluation, Phantom
from ldae.core.files import read_tsv
from ldae.phantom.population import CONVERSION_STAGE
from ldae.phantom.visit_schedule import plan_cohort
from ldae.studies.common.inputs import Inputs, open_inputs
from ldae.studies.conversion import course as c
from ldae.studies.conversion.cox import RidgeCox, Unfitted, baseline
from ldae.studies.conversion.estimates import differences, summary
from ldae.studies.conversion.features import described
from ldae.studies.conversion.figure import figure_conversion
from ldae.studies.conversion.measure import predict_all, run_conversion
from ldae.studies.conversion.names import METHODS, METRICS, OURS, PERMUTED
from ldae.studies.conversion.statistics import STATISTICS, not_converted, uno_c
from ldae.studies.conversion.table import difference_table
from ldae.studies.conversion.words import findings, subjects

SETTINGS = Evaluation(bootstrap=20, folds=3)
Course = dict[int, str | None]


def visits(**of: Course) -> pd.DataFrame:
    """A manifest: subject -> months -> diagnosis."""
    rows = [(f"sub-{name}", f"ses-M{m:03d}", m, 70 + m / 12, d) for name, own in of.items() for m, d in own.items()]
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "age", "diagnosis"])


def asked(manifest: pd.DataFrame) -> pd.DataFrame:
    found = c.conversions(manifest.assign(split="train"), manifest)
    return found.set_index(found["participant_id"].str.removeprefix("sub-"))[["row", "months", "converted"]]


def test_who_is_asked_and_for_how_long() -> None:
    manifest = visits(
        converts={0: "MCI", 12: "MCI", 24: "AD", 36: "AD"},
        stays={0: "MCI", 12: "CN", 48: "MCI"},
        later={0: "CN", 12: "MCI", 36: "AD"},
        returns={0: "MCI", 12: "AD", 24: "MCI"},
        patient={0: "AD", 12: "MCI", 24: "AD"},
        once={0: "MCI"},
        unknown={0: "MCI", 12: None},
        control={0: "CN", 24: "AD"},
    )
    found = asked(manifest)
    assert found[["months", "converted"]].T.to_dict("list") == {
        "converts": [24, 1],
        "later": [24, 1],
        "returns": [12, 1],
        "stays": [48, 0],
    }
    assert manifest.loc[found.loc["later", "row"], "months"] == 12  # the first scan with MCI, not the first scan
    untimed = manifest.assign(months=np.nan)
    assert asked(untimed)["months"].to_dict() == found["months"].to_dict()  # by age
    assert asked(untimed.assign(age=np.nan)).empty


def test_a_visit_whose_scan_was_lost_still_counts() -> None:
    manifest = visits(a={0: "MCI", 12: "MCI", 36: "AD"})
    kept = manifest[manifest["months"] == 0].assign(split="test")
    assert c.conversions(kept, manifest)["months"].tolist() == [36]


def sample(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Months (yearly visits, so that there are ties) and conversions."""
    rng = np.random.default_rng(seed)
    until, followed = rng.exponential(40, n), 12 * rng.integers(1, 6, n)
    seen = 12 * np.ceil(until / 12)
    return np.minimum(seen, followed).astype(float), (seen <= followed).astype(int)


def test_staying_is_kaplan_meier_with_conversions_before_the_end_of_a_follow_up() -> None:
    from lifelines import KaplanMeierFitter

    months, converted = sample()
    curve = KaplanMeierFitter().fit(months - 0.01 * converted, 1 - converted)
    at = np.array([1.0, 12, 13, 24, 36, 47])
    expected = curve.predict(at - 0.001).to_numpy()
    np.testing.assert_allclose(c.staying(months, converted, at), expected)


def test_not_converted_is_kaplan_meier() -> None:
    from lifelines import KaplanMeierFitter

    months, converted = sample()
    curve, values = KaplanMeierFitter().fit(months, converted), np.column_stack([months, converted])
    for month in (0, 6, 12, 24, 36):
        assert once(not_converted(month), values) == pytest.approx(float(curve.predict(month)))
    assert np.isnan(once(not_converted(72), values))  # nobody was followed for so long


def once(statistic, values: np.ndarray) -> float:
    return float(statistic(np.asarray(values, float), np.ones((1, len(values))))[0])


def test_uno_is_its_definition_and_harrell_where_nobody_is_lost() -> None:
    from lifelines.utils import concordance_index

    months, converted = sample()
    rng = np.random.default_rng(1)
    score, weight = np.round(rng.normal(size=60) - months / 30, 1), rng.uniform(1, 3, 60)
    right = total = 0.0
    for i in np.flatnonzero(converted):
        for j in range(60):
            if months[j] > months[i] or (months[j] == months[i] and not converted[j]):
                total += weight[i] ** 2
                right += weight[i] ** 2 * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    values = np.column_stack([score, months, weight, converted])
    assert once(uno_c, values) == pytest.approx(right / total)
    everyone = np.column_stack([score, months, np.ones(60), np.ones(60)])
    assert once(uno_c, everyone) == pytest.approx(concordance_index(months, -score))


def test_weights_are_repeated_subjects() -> None:
    months, converted = sample()
    times = np.random.default_rng(2).integers(0, 3, 60)
    values = np.column_stack([-months + np.random.default_rng(3).normal(0, 20, 60), months, np.ones(60), converted])
    table = {"uno": (uno_c, values), "free": (not_converted(24), values[:, [1, 3]])}
    for statistic, rows in table.values():
        weighted = float(statistic(rows, times[None].astype(float))[0])
        assert weighted == pytest.approx(once(statistic, np.repeat(rows, times, axis=0)), rel=1e-9)


def told(n: int, censored: bool, seed: int = 0) -> pd.DataFrame:
    """Subjects whose hazard is known, and their true risk of AD within 36 months; follow-up ends by chance."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    hazard = np.exp(score) / 60
    seen = 12 * np.ceil(rng.exponential(1 / hazard) / 12)
    followed = 12.0 * (rng.geometric(0.25, n) if censored else np.full(n, 60))
    table = pd.DataFrame({"months": np.minimum(seen, followed), "converted": (seen <= followed).astype(int)})
    risk = 1 - np.exp(-36 * hazard)
    by_then = ((table["converted"] == 1) & (table["months"] <= 36)).astype(float)
    return c.with_weights(table).assign(risk=risk, logit=np.log(risk / (1 - risk)), by_36m=by_then)


@pytest.mark.parametrize("metric", METRICS)
def test_a_short_follow_up_does_not_move_what_is_weighted(metric: str) -> None:
    statistic, columns = STATISTICS[metric]
    complete, lost = (told(3000, censored) for censored in (False, True))
    assert lost["converted_36m"].isna().mean() > 0.3 and complete["converted_36m"].notna().all()
    truth, found = (once(statistic, own[list(columns)].dropna()) for own in (complete, lost))
    assert found == pytest.approx(truth, abs=0.05 if metric.startswith("calibration_slope") else 0.025)
    if metric == "calibration_slope_36m":
        assert truth == pytest.approx(1, abs=0.1)  # the risk is the true one


def test_without_weights_risks_that_are_right_would_look_too_small() -> None:
    statistic, columns = STATISTICS["calibration_in_the_large_36m"]
    lost = told(3000, True).dropna(subset=["converted_36m"])
    assert once(statistic, lost.assign(weight_36m=1.0)[list(columns)]) < -0.05
    assert abs(once(statistic, lost[list(columns)])) < 0.025


def test_the_model_is_the_maximum_of_the_penalised_partial_likelihood() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)) * [1, 5, 0.1] + [0, 10, -3]
    months, converted = rng.permutation(40) + 1.0, (rng.random(40) < 0.6).astype(int)
    standard = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)  # as lifelines has it

    def loss(weight: np.ndarray) -> float:
        score, total = standard @ weight, 0.0
        for i in np.flatnonzero(converted):
            total += score[i] - np.log(np.exp(score[months >= months[i]]).sum())
        return -total / 40 + 0.1 / 2 * weight @ weight

    expected = minimize(loss, np.zeros(3), tol=1e-12).x
    fitted = RidgeCox.fit(x, months, converted, 0.1)
    weights = fitted.model.params_.to_numpy() * np.sqrt(40 / 39)  # on features of the other standard deviation
    np.testing.assert_allclose(weights, expected, rtol=1e-3)


def test_a_risk_is_a_probability_and_features_that_do_not_vary_say_nothing() -> None:
    table = told(1500, True)
    x = np.column_stack([np.log(-np.log(1 - table["risk"])), np.ones(len(table))])
    model = RidgeCox.choose(x, table["months"].to_numpy(), table["converted"].to_numpy(), 0)
    assert model.used.tolist() == [True, False]
    error = model.risk(x, 36) - table["risk"]
    assert np.abs(error).mean() < 0.03 and abs(error.mean()) < 0.02  # Breslow's baseline is too low by 0.05
    with pytest.raises(Unfitted, match="the same"):
        RidgeCox.fit(x[:, 1:], table["months"].to_numpy(), table["converted"].to_numpy(), 0.1)


def test_a_feature_that_varies_in_one_inner_fold_alone_does_not_end_the_study() -> None:
    x = (np.arange(40) == 3)[:, None].astype(float)  # one subject has another value than all others
    model = RidgeCox.choose(x, np.arange(1.0, 41), np.ones(40, dtype=int), 0)
    assert np.isfinite(model.risk(x, 36)).all()


def test_the_baseline_without_features_is_kaplan_meier() -> None:
    months, converted = sample()
    times, hazards = baseline(np.zeros(60), months, converted)
    for month in (12, 24, 36, 60):
        free = once(not_converted(month), np.column_stack([months, converted]))
        assert np.exp(-hazards[times <= month].sum()) == pytest.approx(free, rel=1e-6)
    everyone = baseline(np.array([0.0, 1.0]), np.array([12.0, 12.0]), np.array([1, 1]))
    assert np.exp(-everyone[1][0]) < 1e-6


def test_the_phantom_converts_when_its_true_course_says() -> None:
    plans = plan_cohort(Phantom(subjects={"MCI": 40}, visits=4, extra_visit_fraction=0, converter_fraction=0.4), 3)
    rows, left = [], {}
    for plan in plans:
        subject = plan.subject
        left[subject.participant_id] = (CONVERSION_STAGE - subject.stage) / subject.stage_rate
        rows += [(subject.participant_id, f"ses-{one.session}", one.months, plan.diagnosis(one)) for one in plan.visits]
    manifest = pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "diagnosis"])
    found = c.with_weights(c.conversions(manifest.assign(split="train", age=70.0), manifest))
    assert len(found) == 40 and found["converted"].sum() == 16
    score = -found["participant_id"].map(left)
    assert once(uno_c, np.column_stack([score, found[["months", "weight", "converted"]]])) == 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inputs, pd.DataFrame]:
    """90 subjects with MCI whose ventricles are as large as their stage says, and 30 controls. They convert at stage
    0.9, at a pace of their own, and are followed for two to five years."""
    rng = np.random.default_rng(5)
    n = 120
    stage, rate = rng.uniform(0.2, 0.85, n), rng.uniform(0.05, 0.2, n)
    diagnosis = np.where(np.arange(n) < 90, "MCI", "CN")
    names = [f"sub-{i:03d}" for i in range(n)]
    split = np.array(["train", "train", "test"], dtype=object)[np.arange(n) % 3]
    split[3] = "validation"
    table = pd.DataFrame({"participant_id": names, "session_id": "ses-M000", "months": 0, "diagnosis": diagnosis})
    table = table.assign(
        age=rng.uniform(60, 85, n), split=split, sex="F", mmse=np.round(29 - 3 * stage + rng.normal(0, 2, n))
    )
    store = tmp_path_factory.mktemp("conversion") / "store"
    _, splits, truth = write_cohort(store, table, pd.Series(2 * stage + rng.normal(0, 0.1, n)), texture=0.3)
    inputs = open_inputs(store, splits, truth.assign(stage=stage, stage_rate=rate))
    rows = []
    for i in range(n):
        for year in range(1 + rng.integers(2, 6)):
            ad = diagnosis[i] == "MCI" and stage[i] + rate[i] * year >= 0.9
            rows.append((names[i], f"ses-M{12 * year:03d}", 12 * year, 70 + year, "AD" if ad else diagnosis[i]))
    manifest = pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "age", "diagnosis"])
    return inputs, manifest


@pytest.fixture(scope="module")
def known(world: tuple[Inputs, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "conversion"
    run_conversion(*world, SETTINGS, 0, folder)
    return folder


def test_the_oracle_is_first_and_permuted_times_find_nothing(known: Path) -> None:
    table = read_tsv(known / "summary.tsv").set_index(["metric", "method"])
    assert len(table) == len(METRICS) * len(METHODS) * 2
    for protocol in ("cv", "test"):
        found = table.loc[f"uno_c_{protocol}"]["value"]
        assert found.idxmax() == "oracle" and found["oracle"] > 0.97
        assert found[OURS] > 0.7 and found[OURS] > found["untrained_encoder"] + 0.1
        control = table.loc[(f"uno_c_{protocol}", PERMUTED)]
        assert control["low"] < 0.5 < control["high"]


def test_differences_are_paired_and_counted(known: Path) -> None:
    table = read_tsv(known / "differences.tsv").set_index(["metric", "method"])
    values = read_tsv(known / "summary.tsv").set_index(["metric", "method"])["value"]
    line = table.loc[("uno_c_cv", "ldae-untrained_encoder")]
    assert line["value"] == pytest.approx(values["uno_c_cv", OURS] - values["uno_c_cv", "untrained_encoder"])
    assert line["p_holm"] >= line["p"] and line["p"] < 0.05
    shown = difference_table(known.parent)
    assert set(shown["verdict"]) <= {"better", "worse", "not told apart"} and len(shown) == len(table)


def risks(
    world: tuple[Inputs, pd.DataFrame], manifest: pd.DataFrame, *names: str, seed: int = 0
) -> tuple[pd.DataFrame, dict]:
    """Of the test subjects alone, by these feature sets."""
    inputs = world[0]
    course = c.with_weights(c.conversions(inputs.scans, manifest)).assign(fold=-1)
    sets = described(inputs, course["row"].to_numpy(), 8)
    nobody = np.full(len(inputs.scans), -1)
    chosen = {name: sets[name] for name in (OURS, *names)}
    found, failed = predict_all(inputs.scans, course, chosen, nobody, {"cv": "not asked"}, seed)
    return found.set_index(["participant_id", "features"]), failed


def test_nothing_is_learnt_from_a_test_subject(world: tuple[Inputs, pd.DataFrame]) -> None:
    inputs, manifest = world
    tested = set(inputs.scans.loc[inputs.scans["split"] == "test", "participant_id"])
    ill = manifest["participant_id"].isin(tested) & (manifest["months"] == 12) & (manifest["diagnosis"] == "MCI")
    before, _ = risks(world, manifest)
    after, _ = risks(world, manifest.assign(diagnosis=manifest["diagnosis"].mask(ill, "AD")))
    pd.testing.assert_series_equal(before["risk"], after["risk"])
    assert (before["months"] != after["months"]).any()


def test_permuted_times_read_a_half_on_average(world: tuple[Inputs, pd.DataFrame]) -> None:
    statistic, columns = STATISTICS["uno_c"]
    read: dict[str, list[float]] = {OURS: [], PERMUTED: []}
    for seed in range(8):
        for name, own in risks(world, world[1], seed=seed)[0].groupby("features"):
            read[str(name)].append(once(statistic, own[list(columns)]))
    assert abs(np.mean(read[PERMUTED]) - 0.5) < 0.08 < 0.2 < np.mean(read[OURS]) - 0.5


def test_the_order_of_rows_changes_nothing(world: tuple[Inputs, pd.DataFrame], known: Path) -> None:
    inputs, manifest = world
    turned = manifest.sample(frac=1, random_state=0)
    same = c.conversions(inputs.scans, manifest)
    pd.testing.assert_frame_equal(c.conversions(inputs.scans, turned), same)
    predictions = read_tsv(known / "predictions.tsv")
    for make in (summary, differences):
        one, two = (make(rows, {}, 0, 0) for rows in (predictions, predictions.sample(frac=1, random_state=1)))
        pd.testing.assert_frame_equal(one, two)


def test_thirds_part_the_subjects_by_their_risk(known: Path) -> None:
    table = read_tsv(known / "thirds.tsv").query("metric == 'converted_36m_cv'").set_index("part")
    assert table["n_subjects"].sum() == 90
    assert table.loc["lowest third", "high"] < table.loc["highest third", "low"]
    said = read_tsv(known / "thirds.tsv").query("metric == 'risk_36m_cv'").set_index("part")["value"]
    assert (said - table["value"]).abs().max() < 0.2 and said.is_monotonic_increasing


def sources(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(evaluate=folder.parent)


def test_the_report_says_it(known: Path, tmp_path: Path) -> None:
    figure_conversion(known / "summary.tsv", known / "thirds.tsv", tmp_path / "figure")
    assert (tmp_path / "figure.svg").stat().st_size > 10_000
    said = str(findings(sources(known), False))
    assert "Cross-validated, 90 subjects: concordance" in said and "To MMSE, age and volumes it" in said
    assert "<strong>" not in said  # the control did as it must
    assert subjects(sources(known), False)["subjects"].sum() == 90 and subjects(sources(known), True) is None


def test_too_few_conversions_are_na_with_the_reason_and_nothing_is_read(
    world: tuple[Inputs, pd.DataFrame], tmp_path: Path
) -> None:
    inputs, manifest = world
    ill = sorted(set(manifest.loc[manifest["diagnosis"] == "AD", "participant_id"]))
    few = manifest[~manifest["participant_id"].isin(ill[4:])]
    bare = Inputs(tmp_path / "no_store", inputs.volumes, inputs.scans, inputs.grid)  # whose codes cannot be opened
    run_conversion(bare, few, SETTINGS, 0, tmp_path / "conversion")
    table = read_tsv(tmp_path / "conversion/summary.tsv")
    assert table["value"].isna().all()
    assert table["note"].str.contains("conversions to AD within 36 months are known").all()
    figure_conversion(*(tmp_path / f"conversion/{name}.tsv" for name in ("summary", "thirds")), tmp_path / "figure")
    assert difference_table(tmp_path)["verdict"].str.startswith("n/a").all()
    assert "n/a" in str(findings(sources(tmp_path / "conversion"), False))


def test_without_mmse_its_row_says_why(world: tuple[Inputs, pd.DataFrame]) -> None:
    inputs, manifest = world
    volumes = inputs.volumes
    blind = type(volumes)(**{**vars(volumes), "index": volumes.index.drop(columns="mmse")})
    known = Inputs(inputs.store, blind, inputs.scans, inputs.grid)
    found, failed = risks((known, manifest), manifest, "mmse", "clinical")
    assert failed == {"mmse": "it is not known, or the same, of all subjects to fit on"}
    assert set(found.index.get_level_values("features")) == {OURS, "clinical", PERMUTED}  # age and volumes are known
    assert (
        summary(found.reset_index(), failed, 0, 0).set_index(["metric", "method"]).loc[("uno_c_test", "mmse"), "note"]
        == failed["mmse"]
    )
