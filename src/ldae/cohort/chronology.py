"""Are the dates of a participant believable? Each is checked against the visit's name, its other date and its age.

A date that fits neither the majority of the participant's dates (shifted by the months of their visits) nor the ages
that are stated with them is not believed: it counts as unknown, and the age comes from elsewhere. Where no majority
agrees (dates that were all set to one day, or shifted session by session, to make a dataset anonymous), none is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from ldae.cohort.notes import Notes
from ldae.config import Bids
from ldae.core.keys import KEY
from ldae.core.text_tables import count, listed

BASELINE_LABELS = {"bl", "baseline", "sc", "screening"}


def months_of(session: str, settings: Bids) -> float | None:
    """``ses-M006`` -> 6, by the configured pattern and unit; None where the name says nothing."""
    label = session.removeprefix("ses-")
    match = re.fullmatch(settings.session_pattern, label)
    if match is None:
        return 0.0 if label.casefold() in BASELINE_LABELS else None
    return float(match.group(1)) / settings.session_units_per_month


DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
TOLERANCE = 200.0  # days between a date and the one its visit's name promises; ADNI's scans are months away from it
DRIFT = 0.1  # more for later visits: month 120 may be month 108
AGE_TOLERANCE = 1.1 * DAYS_PER_YEAR  # ages are often whole years


@dataclass(frozen=True)
class Dated:
    """A date of a visit: ``day`` (days since 1970), ``months`` of its name and ``age`` (years), NaN where unknown."""

    session: str
    date: str
    day: float
    months: float
    age: float

    @property
    def tolerance(self) -> float:
        """Days by which a date may miss the one that the visit's months stand for; later visits drift."""
        return TOLERANCE + (0.0 if self.months != self.months else DRIFT * DAYS_PER_MONTH * self.months)


def disbelieved(visits: pd.DataFrame, scans: pd.DataFrame, notes: Notes) -> set[tuple[str, str, str]]:
    """(participant, session, date) of the dates that are not to be used.

    Args:
        visits: participant_id, session_id, months (by column or name), visit_date, visit_age.
        scans: participant_id, session_id, scan_date.
    """
    rows = visits[[*KEY, "months", "visit_age"]].itertuples(index=False, name=None)
    places = {row[:2]: row[2:] for row in rows}
    dated = pd.concat(
        [
            visits[[*KEY, "visit_date"]].set_axis([*KEY, "date"], axis=1),
            scans[[*KEY, "scan_date"]].set_axis([*KEY, "date"], axis=1),
        ]
    ).dropna()
    if dated.empty:
        return set()
    days = (pd.to_datetime(dated["date"], format="%Y-%m-%d", errors="coerce") - pd.Timestamp(1970, 1, 1)).dt.days
    people: dict[str, list[Dated]] = {}
    nothing = (float("nan"), float("nan"))
    for (participant, session, date), day in zip(dated.itertuples(index=False, name=None), days, strict=True):
        months, age = places.get((participant, session), nothing)
        people.setdefault(participant, []).append(Dated(session, date, day, float(months), float(age)))
    wrong: set[tuple[str, str, str]] = set()
    for participant, entries in people.items():
        wrong |= {(participant, entry.session, entry.date) for entry in doubtful(entries)}
    if wrong:
        cells = [f"{participant} {session} {date}" for participant, session, date in sorted(wrong)]
        notes.say(
            f"{count(len(cells), 'date')} not believed (neither the visits' names nor the other dates and ages of the "
            f"participant fit; the age comes from elsewhere): {listed(cells)}"
        )
    return wrong


def doubtful(entries: list[Dated]) -> list[Dated]:
    """The dates of one participant that the others contradict."""
    if len(entries) < 2:
        return []
    named = [entry for entry in entries if entry.months == entry.months]
    aged = [entry for entry in entries if entry.age == entry.age]
    visits, ages = {entry.months for entry in named}, [entry.age for entry in aged]
    by_name = agreeing(named, lambda entry: entry.day - entry.months * DAYS_PER_MONTH, lambda entry: entry.tolerance)
    by_age = agreeing(aged, lambda entry: entry.day - entry.age * DAYS_PER_YEAR, lambda entry: AGE_TOLERANCE)
    if not aged or max(ages) - min(ages) < 0.5:  # the age at baseline repeated, or of a single visit: no witness
        by_age = None
    if len(visits) < 2:
        if by_age is None:
            return apart(named) if len(entries) == len(named) else []
        return [entry for entry in aged if entry not in by_age]
    return [entry for entry in named if not (by_name and entry in by_name) and not (by_age and entry in by_age)]


def apart(entries: list[Dated]) -> list[Dated]:
    """Of the only visit's two dates, which are more than a year apart, the later listed one (that of the scan)."""
    first = entries[0]
    return [entry for entry in entries[1:] if abs(entry.day - first.day) > 2 * TOLERANCE]


def agreeing(entries: Iterable[Dated], origin, tolerance) -> list[Dated] | None:
    """The largest group whose origins lie within the tolerance of one of them, if it is more than half of all."""
    entries = list(entries)
    origins = [origin(entry) for entry in entries]
    best: list[Dated] = []
    for centre in origins:
        group = [entry for entry, day in zip(entries, origins, strict=True) if abs(day - centre) <= tolerance(entry)]
        if len(group) > len(best):
            best = group
    return best if 2 * len(best) > len(entries) else None
