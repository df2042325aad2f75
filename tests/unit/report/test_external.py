"""External validation: differences of independent cohorts, and numbers at another prevalence."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from ldae.core.files import write_json, write_tsv
from ldae.report.external import ADJUSTED, OWN, comparison, readable, results_of
from ldae.studies.common.statistics import Estimate, independent_difference, not_available
from ldae.studies.probes.estimates import AD_METRICS, at_prevalence


def test_two_symmetric_intervals_give_that_of_two_normal_means() -> None:
    gap = independent_difference(Estimate(0.8, 0.7, 0.9, 30), Estimate(0.6, 0.4, 0.8, 20))
    assert gap.value == pytest.approx(0.2)
    assert (gap.low, gap.high) == pytest.approx((0.2 - np.hypot(0.1, 0.2), 0.2 + np.hypot(0.1, 0.2)))


def test_each_bound_is_made_of_the_sides_that_face_it() -> None:
    """Zou & Donner 2008, equation 4: L = a - b - sqrt((a - la)^2 + (ub - b)^2), U with the other two."""
    gap = independent_difference(Estimate(0.9, 0.5, 0.95, 9), Estimate(0.6, 0.58, 0.9, 9))
    assert gap.low == pytest.approx(0.3 - np.hypot(0.4, 0.3)) and gap.high == pytest.approx(0.3 + np.hypot(0.05, 0.02))


def test_a_side_without_number_or_interval_says_so() -> None:
    assert independent_difference(not_available("no AD"), Estimate(1.0)).note == "no AD"
    gap = independent_difference(Estimate(0.5, None, None, 1), Estimate(0.4, 0.3, 0.5, 9))
    assert gap.value == pytest.approx(0.1) and gap.low is None and "no interval" in str(gap.note)


def test_the_difference_of_two_cohorts_is_covered() -> None:
    """Means of skewed samples of two sizes: nominal 95 % intervals of the difference hold the true one."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        sides = []
        for size, shape in ((60, 2.0), (40, 3.0)):
            values = rng.gamma(shape, size=size)
            means = values[rng.integers(0, size, (400, size))].mean(axis=1)
            low, high = np.percentile(means, [2.5, 97.5])
            sides.append(Estimate(values.mean(), low, high, size))
        gap = independent_difference(*sides)
        held += gap.low <= -1.0 <= gap.high
    assert 0.90 <= held / 400 <= 0.98


CALLS = np.array(
    [[1, 1], [1, 1], [-1, 1], [1, 0], [-1, 0], [-1, 0], [-1, 0], [-1, 0]], dtype=float
)  # sens 2/3, spec 4/5


@pytest.mark.parametrize("share", [0.1, 0.375, 0.5, 0.8])
def test_numbers_at_a_prevalence_follow_from_sensitivity_and_specificity(share: float) -> None:
    sensitivity, specificity = 2 / 3, 4 / 5
    found = {name: at_prevalence(AD_METRICS[name], share)(CALLS, np.ones((1, 8)))[0] for name in AD_METRICS}
    assert found["accuracy_ad"] == pytest.approx(share * sensitivity + (1 - share) * specificity)
    called = share * sensitivity + (1 - share) * (1 - specificity)
    assert found["precision_ad"] == pytest.approx(share * sensitivity / called)
    assert found["f1_ad"] == pytest.approx(2 * share * sensitivity / (called + share))
    for name, expected in (("sensitivity_ad", sensitivity), ("specificity_ad", specificity)):
        assert found[name] == pytest.approx(expected)
    unweighted = AD_METRICS["auc_ad"](CALLS, np.ones((1, 8)))[0]
    assert found["auc_ad"] == pytest.approx(unweighted), "needs no adjustment"


def test_its_own_prevalence_changes_nothing_and_a_missing_class_is_undefined() -> None:
    weights = np.vstack([np.ones(8), [0, 0, 0, 1, 1, 1, 1, 1]])
    found = at_prevalence(AD_METRICS["f1_ad"], 3 / 8)(CALLS, weights)
    assert found[0] == pytest.approx(sk.f1_score(CALLS[:, 1], CALLS[:, 0] > 0)) and np.isnan(found[1])


@pytest.fixture
def run(tmp_path):
    """A finished run's headline and predictions: 3 of 8 scans have AD."""
    names = [f"s{place}" for place in range(len(CALLS))]
    table = pd.DataFrame({"participant_id": names, "session_id": "ses-M000", "prediction": CALLS[:, 0]})
    table = table.assign(target=CALLS[:, 1], protocol="test", features="ldae", task="ad")
    write_tsv(tmp_path / "evaluate/probes/predictions.tsv", table)
    number = {"low": 0.5, "high": 0.9, "n_subjects": 8}
    headline = {"accuracy_ad_test": {"value": 0.75} | number, "auc_ad_cv": {"value": 0.9} | number}
    headline |= {"age_mae_test": {"value": None, "reason": "no ages"}, "data": "phantom", "config_digest": "d"}
    write_json(tmp_path / "paper/headline.json", headline)
    return tmp_path, headline


def test_a_model_remembers_its_test_results_alone(run) -> None:
    folder, _ = run
    found = results_of(folder)
    assert list(found["numbers"]) == ["accuracy_ad_test"], "neither the cross-validation nor what is n/a"
    assert found["prevalence_ad"] == pytest.approx(3 / 8) and found["subjects_ad_cn"] == 8
    assert results_of(folder / "elsewhere") is None


def test_the_comparison_stands_as_it_is_and_at_the_models_prevalence(run) -> None:
    folder, headline = run
    model = {"numbers": {"accuracy_ad_test": {"value": 0.9, "low": 0.8, "high": 1.0, "n_subjects": 20}}}
    table = comparison(headline, model | {"prevalence_ad": 0.5}, folder / "evaluate/probes/predictions.tsv", 200, 0)
    rows = table.set_index(["quantity", "basis"])
    own = rows.loc[("accuracy_ad_test", OWN)]
    assert own["difference_value"] == pytest.approx(-0.15)
    assert own["difference_low"] == pytest.approx(-0.15 - np.hypot(0.25, 0.1))
    adjusted = rows.loc[("accuracy_ad_test", ADJUSTED)]
    assert adjusted["ours_value"] == pytest.approx(0.5 * 2 / 3 + 0.5 * 4 / 5)
    assert adjusted["ours_low"] <= adjusted["ours_value"] <= adjusted["ours_high"]
    assert adjusted["difference_value"] == pytest.approx(adjusted["ours_value"] - 0.9)
    assert "auc_ad_cv" not in table["quantity"].tolist()
    words = readable(table).set_index("quantity")
    assert words.loc["accuracy ad test", "difference"].startswith("-0.150 [")
    assert "accuracy ad test (at the model's prevalence)" in words.index


def test_a_model_that_knows_nothing_of_its_test_stands_beside_no_number(run) -> None:
    folder, headline = run
    table = comparison(headline, None, folder / "evaluate/probes/predictions.tsv", 50, 0)
    assert table["quantity"].tolist() == ["accuracy_ad_test"] and table["model_value"].isna().all()
    assert "the model's folder does not say it" in table["note"].item()
