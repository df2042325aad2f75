"""Our solvers against sklearn's, and the folds."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ldae.inference.probe import sigmoid
from ldae.studies.common import linear_probes as linear


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (90, 12))
    score = (x - 3) @ rng.normal(size=12) / 3 + rng.normal(size=90)
    return x, (score > 0).astype(float), 70 + score


@pytest.mark.parametrize("more", [0, 200])
@pytest.mark.parametrize("penalty", [0.1, 10.0, 1e4])
def test_logistic_equals_sklearn(data: tuple, penalty: float, more: int) -> None:
    """With fewer columns than rows, and with more, where it is fitted within the span of the rows."""
    x, label, _ = data
    x = np.c_[x, np.random.default_rng(1).normal(size=(len(x), more))]
    probe = linear.fit("ad", x, label, penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit((x - x.mean(0)) / x.std(0), label)
    np.testing.assert_allclose(probe.weight, theirs.coef_[0], atol=1e-5)
    assert probe.bias == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_separable_classes_converge() -> None:
    x = np.r_[-np.ones((5, 1)), np.ones((5, 1))] * 100
    probe = linear.fit("ad", x, (x[:, 0] > 0).astype(float), 0.1)
    assert np.isfinite(probe.weight).all() and (np.sign(probe.score(x)) == np.sign(x[:, 0])).all()


def test_ridge_equals_sklearn(data: tuple) -> None:
    x, _, years = data
    probe = linear.fit("age", x, years, 7.0)
    theirs = Ridge(alpha=7.0).fit((x - x.mean(0)) / x.std(0), years)
    np.testing.assert_allclose(probe.score(x), theirs.predict((x - x.mean(0)) / x.std(0)), atol=1e-8)


def test_constant_feature_is_harmless(data: tuple) -> None:
    x, label, _ = data
    x = np.c_[x, np.full(len(x), 5.0)]
    assert linear.fit("ad", x, label, 1.0).weight[-1] == 0


def test_penalty_is_strong_for_noise_and_weak_for_signal() -> None:
    rng = np.random.default_rng(0)
    subjects = np.array([f"sub-{i}" for i in range(100)])
    x, noise = rng.normal(size=(100, 8)), rng.normal(size=100)
    weak = linear.fit_with_penalty("age", x, x[:, 0] + 0.01 * noise, subjects, np.zeros(100), 0)
    strong = linear.fit_with_penalty("age", x, noise, subjects, np.zeros(100), 0)
    assert weak.penalty == linear.PENALTIES["age"].min() and strong.penalty >= 100


def test_probe_survives_json(data: tuple) -> None:
    x, label, _ = data
    probe = linear.fit("ad", x, label, 1.0)
    again = linear.Probe.from_json(json.loads(json.dumps(probe.as_json())))
    np.testing.assert_array_equal(again.score(x), probe.score(x))


def test_folds_keep_subjects_together_and_spread_classes() -> None:
    subjects = np.repeat([f"sub-{i:02d}" for i in range(30)], 2)
    strata = np.repeat(["AD", "CN", "MCI"] * 10, 2)
    fold = linear.subject_folds(subjects, strata, 5, seed=0)
    assert all(len(set(fold[subjects == name])) == 1 for name in subjects)
    for name in ("AD", "CN", "MCI"):
        assert np.bincount(fold[strata == name]).tolist() == [4] * 5
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(linear.subject_folds(subjects[order], strata[order], 5, 0), fold[order])
    assert (linear.subject_folds(subjects, strata, 5, seed=1) != fold).any()


def test_sigmoid_is_safe() -> None:
    assert sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
