"""What a model knows of held-out scans: exact intervals and distances."""

import numpy as np
import pytest

from ldae.inference.reference import PROBABILITIES, Distances, Reference, fitted_normal, half_width

NONE = Distances(None, 0, 0)


def test_one_scan_a_subject_is_split_conformal_prediction():
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 31.0))
    assert half_width(errors, [str(i) for i in range(30)]) == 28  # the ceil(0.9 * 31)-th smallest
    assert half_width(errors[:9], [str(i) for i in range(9)]) == errors[:9].max()
    assert half_width(errors[:8], [str(i) for i in range(8)]) is None


def test_scans_of_a_subject_share_its_weight():
    errors, subjects = np.arange(1.0, 21.0), [str(i) for i in range(20)]
    assert half_width(errors, subjects) == 19
    many = np.concatenate([np.repeat(errors[:5], 50), errors[5:]])
    names = [name for name in subjects[:5] for _ in range(50)] + subjects[5:]
    assert half_width(many, names) == 19


@pytest.mark.parametrize("scans", [1, 4])
def test_the_interval_covers_as_often_as_it_says(scans):
    """Over many calibrations of 29 subjects, whose scans err alike, and 200 new subjects each: 27 of 30."""
    generator = np.random.default_rng(1)

    def errors(subjects: int) -> np.ndarray:
        own = generator.gamma(2, 2, subjects)
        return np.abs(own[:, None] * generator.normal(1, 0.3, (subjects, scans)))

    covered = []
    for _ in range(300):
        seen = errors(29)
        width = half_width(seen.ravel(), [str(i) for i in range(29) for _ in range(scans)])
        covered.append((errors(200)[:, 0] <= width).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.03)


def test_percentiles_are_those_of_the_held_out_scans():
    values = np.random.default_rng(0).normal(size=5000)
    known = Distances.of(values, [str(i // 2) for i in range(5000)])
    assert (known.scans, known.subjects) == (5000, 2500)
    for probability in PROBABILITIES:
        assert known.percentile(np.quantile(values, probability)) == pytest.approx(100 * probability)
    assert (known.percentile(-9), known.percentile(9)) == (1, 99)
    assert Distances.from_json(known.as_json()) == known
    assert Distances.of(values[:19], ["a"] * 19).percentile(0) is None  # quantiles of so few would be single scans


def test_the_distance_is_that_of_mahalanobis(tmp_path):
    from scipy.spatial.distance import mahalanobis

    generator = np.random.default_rng(0)
    codes = generator.normal(size=(4000, 3)) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 5]])
    reference = Reference(*fitted_normal(codes), NONE, NONE, None, 0)
    other = np.array([3.0, -2, 1])
    expected = mahalanobis(other, codes.mean(0), np.linalg.inv(np.cov(codes.T)))
    assert reference.distance(other) == pytest.approx(expected / np.sqrt(3), rel=0.02)
    assert np.mean([reference.distance(code) ** 2 for code in codes]) == pytest.approx(1, rel=0.02)
    reference.write(tmp_path)
    assert Reference.read(tmp_path).distance(other) == reference.distance(other)


def test_a_component_that_never_varies_does_no_harm():
    moments = fitted_normal(np.column_stack([np.arange(10.0), np.ones(10)]))
    assert np.isfinite(Reference(*moments, NONE, NONE, None, 0).distance(np.array([4.0, 1.0])))
