"""Whom a visit is forecast for: a test visit, the one before it, and where it is asked for the one before that."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ldae.core.keyed import key
from ldae.studies.common.visit_times import years_of

APART = 0.2  # years between two visits at least: what is closer together (a scan that was repeated) is no next visit


@dataclass(frozen=True)
class Case:
    """Rows of two or three visits of one subject in time order.

    Attributes:
        last, target: the last known visit, and the one that is forecast.
        gap: years between them.
        earlier: the visit before the last; none: one visit is known.
        span: years between these two.
    """

    last: int
    target: int
    gap: float
    earlier: int | None = None
    span: float = float("nan")

    @property
    def known(self) -> int:
        """How many visits are known."""
        return 1 if self.earlier is None else 2


Course = tuple[np.ndarray, np.ndarray]
"""(visits,) rows of one subject in time order, and (visits,) years."""


def courses(scans: pd.DataFrame, *splits: str) -> list[Course]:
    """Of every subject of these splits whose visits have known times (:func:`years_of`), in subject order."""
    found = []
    own_split = scans[scans["split"].isin(splits)].sort_values(["participant_id", "months", "age", "session_id"])
    for _, own in own_split.groupby("participant_id"):
        ages, months = (own[name].to_numpy(float, na_value=np.nan) for name in ("age", "months"))
        years = years_of(ages, months)
        if years is not None:
            found.append((own.index.to_numpy(), years))
    return found


def next_visits(course: Course, known: int) -> list[Case]:
    """Every visit of a subject with the nearest one before it, and for ``known`` 2 with the nearest before that, all at
    least 0.2 years apart."""
    rows, years = course
    found = []
    for place, row in enumerate(rows):
        last = _before(years, place)
        if last is None:
            continue
        case = Case(int(rows[last]), int(row), float(years[place] - years[last]))
        if known == 1:
            found.append(case)
            continue
        earlier = _before(years, last)
        if earlier is not None:
            span = float(years[last] - years[earlier])
            found.append(Case(case.last, case.target, case.gap, int(rows[earlier]), span))
    return found


def _before(years: np.ndarray, place: int) -> int | None:
    early = np.flatnonzero(years <= years[place] - APART)
    return int(early[-1]) if len(early) else None


def find_cases(scans: pd.DataFrame, known: int, limit: int | None = None) -> list[Case]:
    """Every next visit of the test subjects, in subject order; where there are more than ``limit``, so many of them,
    drawn by a hash of subject and visit. (The first so many would be those of the first sites.)"""
    cases = [case for course in courses(scans, "test") for case in next_visits(course, known)]
    if limit is None or len(cases) <= limit:
        return cases
    names = scans["participant_id"] + "_" + scans["session_id"]
    drawn = sorted(cases, key=lambda case: key("forecasts", names[case.target]))
    kept = set(drawn[:limit])
    return [case for case in cases if case in kept]


def partners(scans: pd.DataFrame, cases: list[Case]) -> dict[Case, Case]:
    """For each case the next one of another subject, in the order of the list, round and round; none with one subject
    only."""
    people = [scans.loc[case.last, "participant_id"] for case in cases]
    found = {}
    for place, case in enumerate(cases):
        others = (cases[(place + step) % len(cases)] for step in range(1, len(cases)))
        other = next((one for one in others if scans.loc[one.last, "participant_id"] != people[place]), None)
        if other is not None:
            found[case] = other
    return found
