"""When a scan was made: months since baseline, and the age on that day."""

import re
from collections import Counter

import pandas as pd

from ldae.cohort.bids_reader import FACTS, Dataset
from ldae.cohort.chronology import DAYS_PER_MONTH, DAYS_PER_YEAR, disbelieved, months_of
from ldae.cohort.columns import MONTHS, ages, complete, dates, mapped, months, scores
from ldae.cohort.notes import Notes
from ldae.cohort.unknown_facts import why_unknown
from ldae.config import Bids
from ldae.core.cells import quoted
from ldae.core.keys import KEY

DATE_LABEL = re.compile(r"ses-((?:19|20)\d{6})")


def join_facts(scans: pd.DataFrame, dataset: Dataset, settings: Bids) -> pd.DataFrame:
    """Add what the dataset knows of the visit and the participant of each scan, and the age at the scan.

    Args:
        scans: participant_id, session_id, scan_date (as a table spells it) and whatever the source adds.

    Returns:
        The columns of :data:`ldae.cohort.columns.COLUMNS`; its ``attrs["notes"]`` are the sentences of what was
        noticed.
    """
    notes = dataset.notes
    scans = scans.reset_index(drop=True)
    scans["scan_date"] = dates(scans["scan_date"], scans.index, "scan date", notes)
    visits = placed_visits(dataset.visits, scans, settings, notes)
    wrong = disbelieved(visits, scans, notes)
    visits, scans = without(visits, "visit_date", wrong), without(scans, "scan_date", wrong)
    visits = with_months(with_scan_dates(visits, scans))
    joined = scans.merge(
        visits.drop(columns="scan_date").rename(columns={name: f"visit:{name}" for name in FACTS}),
        on=KEY, how="left", validate="many_to_one",
    )  # fmt: skip
    people = dataset.participants.rename(columns={name: f"participant:{name}" for name in FACTS})
    joined = joined.merge(people, on="participant_id", how="left", validate="many_to_one")
    joined = read_facts(joined, settings, notes)
    joined["age"], joined["age_from"] = age_at_scan(joined)
    joined = joined.assign(**why_unknown(joined, dataset, settings))
    joined["date"] = joined["scan_date"].where(joined["scan_date"].notna(), joined["visit_date"])
    table = complete(joined)
    table.attrs["notes"] = list(notes)
    return table


def placed_visits(visits: pd.DataFrame, scans: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """Visits with the months of their name or column, their date and the age stated for them; visits that only a scan
    names are added."""
    scanned = scans.dropna(subset=["session_id"])[KEY].drop_duplicates()
    visits = visits.merge(scanned, on=KEY, how="outer", sort=True)
    stated = months(visits["months"], visits.index, notes)
    labels = visits["session_id"].str.extract(DATE_LABEL, expand=False)
    given = visits["visit_date"].where(visits["visit_date"].notna(), labels)
    named = visits["session_id"].map(lambda session: months_of(session, settings)).astype(float)
    odd = named.notna() & ~named.between(*MONTHS)
    if odd.any():
        notes.say(f"months: {quoted(Counter(visits['session_id'][odd]))} are outside the scale of months: n/a")
    named = named.mask(odd)
    return visits.assign(
        months=stated.fillna(named),
        visit_date=dates(given, visits.index, "date of the visit", notes),
        visit_age=ages(visits["age"], visits.index, "age at the visit", Notes(silent=True), settings),
    )


def without(table: pd.DataFrame, column: str, wrong: set[tuple[str, str, str]]) -> pd.DataFrame:
    """The table without the dates that are not believed."""
    if not wrong:
        return table
    bad = [key in wrong for key in table[[*KEY, column]].itertuples(index=False, name=None)]
    return table.assign(**{column: table[column].where([not item for item in bad], None)})


def with_scan_dates(visits: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """Visits with the date of their (first) scan."""
    first = scans.dropna(subset=["session_id"]).sort_values("scan_date").drop_duplicates(KEY)[[*KEY, "scan_date"]]
    return visits.merge(first, on=KEY, how="left")


def with_months(visits: pd.DataFrame) -> pd.DataFrame:
    """Complete ``months`` and add ``baseline_date``.

    Months come from a column, else from the name of the visit, else from its date counted from the participant's first;
    the only visit of a participant is at 0. The baseline date is that of the visit at 0 months.
    """
    day = visits["visit_date"].where(visits["visit_date"].notna(), visits["scan_date"])
    day = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")  # 9999-12-31 is a date that pandas cannot hold
    people = visits["participant_id"]
    unplaced = visits["months"].isna().groupby(people).transform("all")
    start = day.where((visits["months"] == 0) | unplaced).groupby(people).transform("min")
    counted = ((day - start).dt.days / DAYS_PER_MONTH).round()
    alone = people.groupby(people).transform("size") == 1
    time = visits["months"].fillna(counted).mask(visits["months"].isna() & counted.isna() & alone, 0)
    return visits.assign(months=time.round().astype("Int64"), baseline_date=start)


def read_facts(joined: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """Read each fact from the first table that has a cell for it: of the scan, its visit, its participant."""
    index, cells = joined.index, {}
    for name in FACTS:
        order = [joined[place] for place in (f"scan:{name}", f"visit:{name}", f"participant:{name}") if place in joined]
        if name == "baseline_age":
            order.reverse()
        if name == "age":
            order = order[:2]
        column = order[0]
        for other in order[1:]:
            column = column.where(column.notna(), other)
        cells[name] = column
    if "field_strength" in joined:  # of the source itself
        cells["field_strength"] = joined["field_strength"].where(
            joined["field_strength"].notna(), cells["field_strength"]
        )
    return joined.assign(
        visit_age=ages(cells["age"], index, "age", notes, settings),
        baseline_age=ages(cells["baseline_age"], index, "age at baseline", notes, settings),
        sex=mapped(cells["sex"], settings.values.sex, index, "sex", notes),
        diagnosis=mapped(cells["diagnosis"], settings.values.diagnosis, index, "diagnosis", notes),
        study_phase=cells["study_phase"],
        site=cells["site"],
        **{name: scores(cells[name], index, name, notes) for name in ("mmse", "cdr", "field_strength")},
    )


def age_at_scan(scans: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Age in years (two decimals), and at what it is the age.

    ``scan``: the age at baseline plus the days from the baseline visit to the scan; without a baseline visit, the age
    at the visit plus the days from it to the scan. ``visit``: the age at the visit, since a date is unknown (ADNI scans
    are up to months away from it). ``months``: the age at baseline plus the months of the visit's name.
    """
    scan = pd.to_datetime(scans["scan_date"], format="%Y-%m-%d", errors="coerce")
    visit = pd.to_datetime(scans["visit_date"], format="%Y-%m-%d", errors="coerce")
    from_baseline = scans["baseline_age"] + (scan - scans["baseline_date"]).dt.days / DAYS_PER_YEAR
    from_visit = scans["visit_age"] + (scan - visit).dt.days / DAYS_PER_YEAR
    exact = from_baseline.fillna(from_visit)
    by_name = scans["baseline_age"] + scans["months"].astype(float) / 12
    age = exact.fillna(scans["visit_age"]).fillna(by_name)
    source = pd.Series("months", index=scans.index, dtype=object)
    source = source.mask(scans["visit_age"].notna(), "visit").mask(exact.notna(), "scan").where(age.notna(), None)
    return age.round(2), source
