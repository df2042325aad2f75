"""Who the subjects are does not depend on how many there are, and disease leaves its mark."""

import numpy as np
import pytest

from ldae.config import Phantom
from ldae.core.errors import UserError
from ldae.core.keyed import picks
from ldae.phantom.population import CONVERSION_STAGE, draw_subject, roster_number, state_at
from ldae.phantom.visit_schedule import cognition_at, plan_cohort, plan_subject

SUBJECTS = {"CN": 36, "MCI": 20, "AD": 36}


def cohort(**changes):
    return plan_cohort(Phantom(**({"subjects": SUBJECTS, "visits": 2} | changes)), seed=42)


def test_a_larger_cohort_keeps_its_beginning():
    small = {plan.subject.rid: plan for plan in cohort(subjects={"CN": 5, "MCI": 9, "AD": 2})}
    large = {plan.subject.rid: plan for plan in cohort()}
    assert small and all(large[rid] == plan for rid, plan in small.items())


def test_counts_follow_the_settings():
    plans = cohort()
    found = [plan.subject.diagnosis for plan in plans]
    assert {name: found.count(name) for name in SUBJECTS} == SUBJECTS
    assert len({plan.subject.ptid for plan in plans}) == len(plans)
    assert set(found[:3]) == set(SUBJECTS)  # interleaved
    extra = [plan for plan in plans if plan.extra_visits]
    assert {plan.subject.diagnosis for plan in extra} == set(SUBJECTS)
    assert all(len(plan.visits) == (2 if not plan.extra_visits else len(plan.visits)) for plan in plans)
    assert all(len(plan.visits) in (3, 4) for plan in extra)


@pytest.mark.parametrize(("visits", "months"), [(1, (0,)), (3, (0, 12, 24)), (4, (0, 12, 24, 36))])
def test_visits_of_ordinary_subjects(visits, months):
    plan = plan_subject(1, 4, visits, extra=False, converter=False)
    assert tuple(visit.months for visit in plan.visits) == months


def test_converters_cross_over_and_nobody_else_changes():
    plans = cohort()
    converters = [plan for plan in plans if plan.subject.converter]
    assert len(converters) == 5  # a quarter of 20
    assert any(plan.extra_visits for plan in converters)
    for plan in plans:
        course = [plan.diagnosis(visit) for visit in plan.visits]
        if plan.subject.converter:
            assert course[0] == "MCI" and course[-1] == "AD" and course == sorted(course, reverse=True)
            assert plan.subject.stage < CONVERSION_STAGE <= plan.subject.stage_at(plan.visits[-1].elapsed_years)
        else:
            assert set(course) == {plan.subject.diagnosis}


def test_ad_ventricles_grow_and_hippocampi_shrink_faster_than_normal():
    def yearly(diagnosis, name):
        subjects = [draw_subject(3, roster_number(diagnosis, index)) for index in range(80)]
        ratios = [getattr(state_at(s, 2.0), name) / getattr(state_at(s, 0.0), name) for s in subjects]
        return np.mean(ratios) ** 0.5 - 1

    assert 0.02 < yearly("CN", "ventricle_ml") < 0.035
    assert yearly("AD", "ventricle_ml") > yearly("CN", "ventricle_ml") + 0.025
    assert yearly("AD", "hippocampus_ml") < yearly("CN", "hippocampus_ml") - 0.02 < 0


def test_state_matches_the_written_model():
    subject = draw_subject(0, 2)
    older = subject.age + 1.5 + subject.brainage_gap - 60
    stage = subject.stage + 1.5 * subject.stage_rate
    size = np.prod(subject.head_scale) / 0.89**3
    ventricles = 24 * np.exp(0.026 * older + 0.36 * stage + subject.residuals["ventricles"])
    assert state_at(subject, 1.5).ventricle_ml == pytest.approx(size * min(90, ventricles))


def test_scores_follow_the_diagnosis():
    scores = {}
    for plan in cohort():
        for visit in plan.visits:
            scores.setdefault(plan.diagnosis(visit), []).append(cognition_at(42, plan, visit))
    means = {name: np.mean([score.mmse for score in values]) for name, values in scores.items()}
    assert means["CN"] > means["MCI"] + 1 > means["AD"] + 3
    assert {score.cdr_global for score in scores["CN"]} == {0.0}
    assert {score.cdr_global for score in scores["MCI"]} == {0.5}
    assert min(score.cdr_global for score in scores["AD"]) == 0.5
    assert all(0 <= score.mmse <= 30 and len(score.boxes) == 6 for values in scores.values() for score in values)


def test_dates_lie_near_the_nominal_visit():
    for plan in cohort():
        for visit in plan.visits:
            assert abs(visit.elapsed_years * 12 - visit.months) < 1.2


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.25, 0.5, 1.0])
def test_picks_spread_an_exact_share(fraction):
    for count in (1, 7, 20):
        assert sum(picks(index, fraction) for index in range(count)) == int(count * fraction + 0.5)


def test_too_many_subjects_are_refused():
    with pytest.raises(UserError, match="3333"):
        roster_number("CN", 3333)
