"""When subjects come (visits, dates, study phases), who converts or comes more often, and how they score."""

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from ldae.config import Phantom
from ldae.core.keyed import picks, stream
from ldae.phantom.population import DIAGNOSES, Subject, draw_subject, roster_number

YEARLY = (0, 12, 24, 36)  # months of the possible visits
EARLY_SECOND_VISIT = 0.15  # share of the ordinary subjects whose second visit is at month 12 instead of 24
FOUR_VISITS = 0.33  # share of the subjects with extra visits who come twice more often, not once
EXAM_JITTER_DAYS = 20
SCAN_LEAD_DAYS, SCAN_LAG_DAYS = 14, 7  # a scan is made this long before, or after, its examination
PHASES = {  # first day of enrolment, days of enrolment, field strength (T)
    "ADNI1": (dt.date(2005, 9, 7), 700, 1.5),
    "ADNIGO": (dt.date(2010, 6, 1), 300, 3.0),
    "ADNI2": (dt.date(2011, 4, 1), 800, 3.0),
    "ADNI3": (dt.date(2017, 2, 1), 800, 3.0),
    "ADNI4": (dt.date(2023, 4, 1), 500, 3.0),
}
PHASE_SHARES = {"ADNI1": 0.40, "ADNI2": 0.35, "ADNI3": 0.25}
ADNI4_ROSTER = 10_001  # the first number that ADNI4 gave a subject of its own has five digits
GO_SHARE = 0.12  # of the subjects with MCI: ADNIGO enrolled no others
CDR_LEVELS = (0.0, 0.5, 1.0, 2.0, 3.0)
BOXES = ("CDMEMORY", "CDORIENT", "CDJUDGE", "CDCOMMUN", "CDHOME", "CDCARE")
MMSE_RANGE = {"CN": (24, 30), "MCI": (23, 30), "AD": (0, 27)}


@dataclass(frozen=True)
class Visit:
    """One visit. ``months`` is nominal; ``elapsed_years`` runs from the baseline examination to the scan; ``phase``:
    that of the study which the visit belongs to."""

    months: int
    exam_date: dt.date
    scan_date: dt.date
    elapsed_years: float
    phase: str

    @property
    def code(self) -> str:
        """ADNI's VISCODE of the visit."""
        return f"m{self.months:02d}" if self.months else "bl"

    @property
    def field_strength(self) -> float:
        """Of the scanner (T), which follows from the study phase."""
        return PHASES[self.phase][2]

    @property
    def session(self) -> str:
        """BIDS label of the session, without ``ses-``: ``M000``, ``M024``."""
        return f"M{self.months:03d}"


@dataclass(frozen=True)
class Plan:
    """One subject's course through the study; ``phase``: that of enrolment."""

    subject: Subject
    phase: str
    visits: tuple[Visit, ...]
    extra_visits: bool

    def diagnosis(self, visit: Visit) -> str:
        """The diagnosis on the day of the scan: CN, MCI or AD."""
        return self.subject.diagnosis_at(visit.elapsed_years)


def plan_cohort(settings: Phantom, seed: int) -> list[Plan]:
    """All subjects in the order of their roster numbers (diagnoses interleaved).

    Converters and subjects with extra visits are spread evenly over each diagnosis, converters apart, so that the
    beginning of a cohort does not depend on its size.
    """
    plans = []
    for diagnosis in DIAGNOSES:
        seen = {True: 0, False: 0}
        for index in range(settings.subjects.get(diagnosis, 0)):
            converter = diagnosis == "MCI" and settings.visits > 1 and picks(index, settings.converter_fraction)
            extra = picks(seen[converter], settings.extra_visit_fraction)
            seen[converter] += 1
            plans.append(plan_subject(seed, roster_number(diagnosis, index), settings.visits, extra, converter))
    plans = go_on_in_adni4(seed, sorted(plans, key=lambda plan: plan.subject.rid), settings.adni4)
    return plans + [enrolled_in_adni4(seed, ADNI4_ROSTER + number, settings.visits) for number in range(settings.adni4)]


def go_on_in_adni4(seed: int, plans: list[Plan], count: int) -> list[Plan]:
    """The first ``count`` subjects of ADNI3 get one more visit, in ADNI4; all others stay as they are."""
    chosen = {plan.subject.rid for plan in [plan for plan in plans if plan.phase == "ADNI3"][:count]}
    first_day, span, _ = PHASES["ADNI4"]
    more = []
    for plan in plans:
        if plan.subject.rid in chosen:
            baseline = plan.visits[0].exam_date
            day = first_day + dt.timedelta(days=int(stream(seed, "adni4", plan.subject.rid).integers(span)))
            months = round((day - baseline).days / 365.25) * 12
            plan = replace(plan, visits=(*plan.visits, _visit(seed, plan.subject.rid, baseline, months, "ADNI4")))
        more.append(plan)
    return more


def enrolled_in_adni4(seed: int, rid: int, visits: int) -> Plan:
    """A subject whose first visit is one of ADNI4, by roster number (five digits); yearly visits."""
    random = stream(seed, "visits", rid)
    first_day, span, _ = PHASES["ADNI4"]
    baseline = first_day + dt.timedelta(days=int(random.integers(span)))
    dates = tuple(_visit(seed, rid, baseline, month, "ADNI4") for month in YEARLY[:visits])
    return Plan(draw_subject(seed, rid), "ADNI4", dates, extra_visits=False)


def plan_subject(seed: int, rid: int, visits: int, extra: bool, converter: bool) -> Plan:
    """Draw visits and dates from (seed, roster number) and the three facts about the subject."""
    random = stream(seed, "visits", rid)
    months = _visit_months(random, visits, extra)
    conversion = _conversion_years(random, months) if converter else None
    subject = draw_subject(seed, rid, conversion)
    phase = _phase(random, subject)
    first_day, span, _ = PHASES[phase]
    baseline = first_day + dt.timedelta(days=int(random.integers(span)))
    return Plan(subject, phase, tuple(_visit(seed, rid, baseline, month, phase) for month in months), extra)


def _visit_months(random: np.random.Generator, visits: int, extra: bool) -> tuple[int, ...]:
    early, longest = random.random() < EARLY_SECOND_VISIT, random.random() < FOUR_VISITS
    if extra:
        return YEARLY[: min(visits + 1 + int(longest), len(YEARLY))]
    if visits == 2:
        return (0, 12) if early else (0, 24)
    return YEARLY[:visits]


def _conversion_years(random: np.random.Generator, months: tuple[int, ...]) -> float:
    """A time between two neighbouring visits, away from both by more than the dates' jitter."""
    last = int(random.integers(1, len(months)))
    before, after = months[last - 1] / 12, months[last] / 12
    return float(before + (after - before) * random.uniform(0.15, 0.85))


def _phase(random: np.random.Generator, subject: Subject) -> str:
    go, phase = random.random() < GO_SHARE, random.choice(list(PHASE_SHARES), p=list(PHASE_SHARES.values()))
    return "ADNIGO" if go and subject.diagnosis == "MCI" else str(phase)


def _visit(seed: int, rid: int, baseline: dt.date, months: int, phase: str) -> Visit:
    random = stream(seed, "dates", rid, months)
    jitter = int(random.integers(-EXAM_JITTER_DAYS, EXAM_JITTER_DAYS + 1)) if months else 0
    exam = baseline + dt.timedelta(days=round(months * 365.25 / 12) + jitter)
    scan = exam + dt.timedelta(days=int(random.integers(-SCAN_LEAD_DAYS, SCAN_LAG_DAYS + 1)))
    return Visit(months, exam, scan, (scan - baseline).days / 365.25, phase)


@dataclass(frozen=True)
class Cognition:
    """MMSE (0-30), CDR global (0, 0.5, 1, 2) and the six boxes; their sum is CDR-SB (0-18)."""

    mmse: int
    cdr_global: float
    boxes: tuple[float, ...]

    @property
    def cdr_sum(self) -> float:
        """CDR-SB, the sum of the six boxes (0-18)."""
        return sum(self.boxes)


def cognition_at(seed: int, plan: Plan, visit: Visit) -> Cognition:
    """Expected MMSE 29.2 - 6 s^1.7 (CN 29, MCI 27, AD 23); CDR global 0 for CN, 0.5 for MCI, from 0.5 up for AD.

    Memory has the global rating; each other box has it too, or one level less, more often the same with higher stage.
    """
    random = stream(seed, "cognition", plan.subject.rid, visit.months)
    stage, diagnosis = plan.subject.stage_at(visit.elapsed_years), plan.diagnosis(visit)
    expected = 29.2 - 6.0 * max(stage, 0.0) ** 1.7
    mmse = round(expected + random.normal(0, 1.0 + max(stage, 0.0)))
    level = {"CN": 0, "MCI": 1}.get(diagnosis, 1 + int(np.searchsorted((1.0, 1.6), stage + random.normal(0, 0.15))))
    same = random.random(len(BOXES) - 1) < np.clip(0.25 + 0.5 * stage, 0.05, 0.95)
    boxes = [CDR_LEVELS[level], *(CDR_LEVELS[level if equal else max(level - 1, 0)] for equal in same)]
    return Cognition(int(np.clip(mmse, *MMSE_RANGE[diagnosis])), CDR_LEVELS[level], tuple(boxes))
