"""Split conformal prediction: the exact rank, the exact coverage, and no interval where there can be none."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ldae.inference.conformal import AgeError, fewest, level_of


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("subjects", [1, 8, 9, 10, 18, 19, 20, 29, 30, 99, 100, 199])
def test_one_scan_a_subject_takes_the_exact_rank(subjects, coverage):
    """ceil((n + 1) c), in fractions; above n there is no level."""
    values = np.random.default_rng(subjects).permutation(np.arange(1.0, subjects + 1))
    rank = math.ceil((subjects + 1) * Fraction(str(coverage)))
    found = level_of(values, [str(i) for i in range(subjects)], coverage)
    if rank > subjects:
        assert found.value is None and found.coverage is None and subjects < fewest(coverage)
    else:
        assert found.value == rank and subjects >= fewest(coverage)
        assert found.coverage == pytest.approx(rank / (subjects + 1)) and found.coverage >= coverage - 1e-12
    assert found.subjects == subjects


def test_scans_of_a_subject_share_its_weight():
    errors, subjects = np.arange(1.0, 21.0), [str(i) for i in range(20)]
    assert level_of(errors, subjects, 0.9).value == 19
    many = np.concatenate([np.repeat(errors[:5], 50), errors[5:]])
    names = [name for name in subjects[:5] for _ in range(50)] + subjects[5:]
    assert level_of(many, names, 0.9).value == 19


def codes(generator: np.random.Generator, subjects: int, scans: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulated codes (subjects * scans, 4) and ages; scans of a subject are alike."""
    own = np.repeat(generator.normal(size=(subjects, 4)), scans, axis=0)
    own = own + 0.3 * generator.normal(size=own.shape)
    return own, 70 + own @ [3.0, -2, 1, 0] + generator.gamma(2, 2, len(own))


@pytest.mark.parametrize("scans", [1, 3])
def test_intervals_of_a_ridge_on_simulated_codes_cover_as_often_as_they_say(scans):
    """29 subjects set the width: 27 of 30 new ones are inside, whatever the probe and the noise are."""
    from sklearn.linear_model import Ridge

    generator, covered, stated = np.random.default_rng(1), [], set()
    for _ in range(300):
        probe = Ridge().fit(*codes(generator, 30, 1))  # on other subjects
        seen, ages = codes(generator, 29, scans)
        subjects = [str(i) for i in range(29) for _ in range(scans)]
        known = AgeError.of(np.abs(probe.predict(seen) - ages), subjects)
        new, truth = codes(generator, 200, 1)
        covered.append((np.abs(probe.predict(new) - truth) <= known.half_width).mean())
        stated.add(round(known.coverage, 6))
    if scans == 1:
        assert stated == {0.9}
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02) and min(stated) >= 0.9


def test_too_few_subjects_give_a_reason_and_no_interval():
    known = AgeError.of(np.arange(80.0), [str(i % 8) for i in range(80)])
    assert known.half_width is None and known.coverage is None
    assert known.why_none == "8 held-out subjects with an age, and an interval of coverage 0.9 needs 9"
    assert AgeError.of(np.arange(9.0), [str(i) for i in range(9)]).why_none is None
    assert AgeError.of(np.empty(0), []).why_none.startswith("0 held-out subjects")
    assert AgeError.from_json(known.as_json()) == known
