"""What a model knows of held-out scans: exact distances, and how often a scan of their kind is called unusual."""

import numpy as np
import pytest

from ldae.core.files import read_json, write_json
from ldae.inference.conformal import AgeError
from ldae.inference.discriminant import Plane
from ldae.inference.model import Likeness
from ldae.inference.normal import fitted_normal
from ldae.inference.reference import FEWEST, PROBABILITIES, UNMEASURED, Distances, Oddity, Reference


def test_percentiles_are_those_of_the_held_out_scans():
    values = np.random.default_rng(0).normal(size=5000)
    known = Distances.of(values, [str(i // 2) for i in range(5000)])
    assert (known.scans, known.subjects) == (5000, 2500)
    for probability in PROBABILITIES:
        assert known.percentile(np.quantile(values, probability)) == pytest.approx(100 * probability)
    assert (known.percentile(-9), known.percentile(9)) == (1, 99)
    assert Distances.from_json(known.as_json()) == known
    assert Distances.of(values[:19], ["a"] * 19).percentile(0) is None  # quantiles of so few would be single scans


def test_an_excess_is_one_at_the_95th_percentile_and_both_ends_can_count():
    known = Distances.of(np.arange(101.0), [str(i) for i in range(101)])
    assert [known.excess(value) for value in (50, 95, 140)] == pytest.approx([0, 1, 2])
    assert known.excess(5) == pytest.approx(-1) and known.excess(5, both=True) == pytest.approx(1)
    assert UNMEASURED.excess(9) == 0


def test_the_distance_is_that_of_mahalanobis(tmp_path):
    from scipy.spatial.distance import mahalanobis

    generator = np.random.default_rng(0)
    codes = generator.normal(size=(4000, 3)) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 500]])
    reference = Reference(*fitted_normal(codes), UNMEASURED, UNMEASURED)
    other = np.array([3.0, -2, 100])
    expected = mahalanobis(other, codes.mean(0), np.linalg.inv(np.cov(codes.T)))
    assert reference.distance(other) == pytest.approx(expected / np.sqrt(3), rel=0.02)
    assert np.mean([reference.distance(code) ** 2 for code in codes]) == pytest.approx(1, rel=0.02)
    reference.write(tmp_path)
    assert Reference.read(tmp_path).distance(other) == reference.distance(other)


def test_a_component_that_never_varies_does_no_harm():
    moments = fitted_normal(np.column_stack([np.arange(10.0), np.ones(10)]))
    assert np.isfinite(Reference(*moments, UNMEASURED, UNMEASURED).distance(np.array([4.0, 1.0])))


def oddities(count: int, generator: np.random.Generator) -> list[Oddity]:
    """Of healthy scans: three distances that are skewed, and not independent, and a deviation of either sign."""
    shared = generator.normal(size=count)
    code, image, look = (np.exp(0.3 * (shared + generator.normal(size=count))) for _ in range(3))
    return [Oddity(*values) for values in zip(code, image, look, generator.normal(size=count), strict=True)]


def test_healthy_scans_are_called_unusual_at_most_once_in_twenty_times():
    """Over many calibrations by 60 subjects, 200 new scans each."""
    generator, base = np.random.default_rng(0), Reference(np.zeros(1), np.eye(1), UNMEASURED, UNMEASURED)
    alarms = []
    for _ in range(80):
        known = base.calibrated(oddities(60, generator), [str(i) for i in range(60)])
        alarms.append(np.mean([known.oddness(one) > known.alarm for one in oddities(200, generator)]))
    assert 0.03 < np.mean(alarms) < 0.055


def test_each_of_the_four_is_enough_and_an_image_counts_on_both_sides():
    generator, base = np.random.default_rng(0), Reference(np.zeros(1), np.eye(1), UNMEASURED, UNMEASURED)
    known = base.calibrated(oddities(60, generator), [str(i) for i in range(60)])
    usual = Oddity(1, 1, 1, 0)
    odd = [Oddity(9, 1, 1, 0), Oddity(1, 9, 1, 0), Oddity(1, 0.01, 1, 0), Oddity(1, 1, 9, 0), Oddity(1, 1, 1, 9)]
    assert known.oddness(usual) <= known.alarm
    assert all(known.oddness(one) > known.alarm and known.whole.percentile(known.oddness(one)) == 99 for one in odd[:2])
    assert all(known.oddness(one) > known.alarm for one in odd[2:])
    assert known.oddness(Oddity(0.01, 1, 0.01, -9)) <= known.alarm  # nearer than others is not odd


def test_too_few_held_out_scans_raise_no_alarm():
    base = Reference(np.zeros(1), np.eye(1), UNMEASURED, UNMEASURED)
    few = oddities(FEWEST, np.random.default_rng(0))
    assert base.calibrated(few, [str(i) for i in range(len(few))]).alarm is None
    many = oddities(40, np.random.default_rng(0))  # of two subjects
    assert base.calibrated(many, [str(i % 2) for i in range(40)]).alarm is None


def test_scans_whose_looks_are_unknown_are_compared_by_code_and_image():
    base, found = Reference(np.zeros(1), np.eye(1), UNMEASURED, UNMEASURED), oddities(40, np.random.default_rng(0))
    known = base.calibrated([Oddity(one.code, one.image) for one in found], [str(i) for i in range(40)])
    assert known.look == UNMEASURED and known.code.scans == 40
    assert Likeness.of(Oddity(9, 9), known).unusual is None


def test_a_folder_of_an_earlier_version_is_read_and_knows_less(tmp_path):
    Reference(np.zeros(2), np.eye(2), UNMEASURED, UNMEASURED).write(tmp_path)
    content = read_json(tmp_path / "reference.json")
    for name in ("look", "mirror", "whole", "alarm", "plane"):
        del content[name]
    write_json(tmp_path / "reference.json", content | {"age": {"half_width": None, "coverage": 0.9, "subjects": 3}})
    known = Reference.read(tmp_path)
    assert known.alarm is None and known.appearance is None and known.plane is None
    assert known.age == AgeError(None, None, 3)


def test_the_plane_is_kept_and_has_no_single_subject(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.array(["CN", "MCI", "AD", None] * 30, dtype=object)
    shift = {"CN": (0, 0), "MCI": (3, 4), "AD": (6, 0), None: (0, 0)}
    codes = np.array([shift[label] for label in labels]) + generator.normal(size=(120, 2))
    codes = codes @ np.array([[2.0, 1], [0, 1]])
    training, subjects = np.arange(120) < 80, [f"{i}" for i in range(120)]
    plane = Plane.of(codes, labels, training, subjects)
    assert {name: cloud.subjects for name, cloud in plane.clouds.items()} == {"CN": 10, "MCI": 10, "AD": 10}
    gap = plane.clouds["AD"].mean - plane.clouds["CN"].mean
    assert gap[0] == pytest.approx(6, abs=0.8) and plane.clouds["MCI"].mean[1] > plane.clouds["CN"].mean[1] + 2
    assert plane.place(codes[:80][labels[:80] != None].mean(axis=0)) == pytest.approx((0, 0), abs=1e-9)  # noqa: E711
    few = Plane.of(codes, labels, training, [str(i % 4) for i in range(120)])
    assert few.clouds == {} and Plane.of(codes[::2], labels[::2], training[::2], subjects[::2]) is None
    Reference(np.zeros(2), np.eye(2), UNMEASURED, UNMEASURED, plane=plane).write(tmp_path)
    again = Reference.read(tmp_path).plane
    assert again.place(codes[0]) == plane.place(codes[0])
    assert np.array_equal(again.clouds["AD"].covariance, plane.clouds["AD"].covariance)
