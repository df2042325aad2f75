"""When a scan was made: months since baseline, and the age on that day."""

import re

import pandas as pd

from ldae.cohort.sources.columns import KEY, complete
from ldae.cohort.sources.dataset import Dataset
from ldae.config import Bids

DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


def join_facts(scans: pd.DataFrame, dataset: Dataset, settings: Bids) -> pd.DataFrame:
    """Add what the dataset knows of the visit and the participant of each scan, and the age at the scan.

    Args:
        scans: participant_id, session_id, scan_date and whatever the source adds.

    Returns:
        The columns of :data:`ldae.cohort.sources.columns.COLUMNS`.
    """
    visits = with_months(with_scan_dates(dataset.visits, scans), settings)
    joined = scans.merge(visits.drop(columns="scan_date"), on=KEY, how="left", validate="many_to_one")
    joined = joined.merge(dataset.participants, on="participant_id", how="left", validate="many_to_one")
    joined["age"], joined["age_from"] = age_at_scan(joined)
    joined["date"] = joined["scan_date"].where(joined["scan_date"].notna(), joined["visit_date"])
    return complete(joined)


def with_scan_dates(visits: pd.DataFrame, scans: pd.DataFrame) -> pd.DataFrame:
    """Visits with the date of their (first) scan; visits that only a scan names are added."""
    first = scans.dropna(subset=["session_id"]).sort_values("scan_date").drop_duplicates(KEY)[[*KEY, "scan_date"]]
    return visits.merge(first, on=KEY, how="outer", sort=True)


def with_months(visits: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """Add ``months`` and ``baseline_date``.

    Months come from a column, else from the name of the visit, else from its date counted from the participant's first;
    the only visit of a participant is at 0. The baseline date is that of the visit at 0 months.
    """
    visits = visits.copy()
    named = visits["session_id"].map(lambda session: months_of(session, settings))
    visits["months"] = visits["months"].fillna(named.astype(float))
    day = visits["visit_date"].where(visits["visit_date"].notna(), visits["scan_date"])
    day = pd.to_datetime(day, format="%Y-%m-%d")
    people = visits["participant_id"]
    unplaced = visits["months"].isna().groupby(people).transform("all")
    start = day.where((visits["months"] == 0) | unplaced).groupby(people).transform("min")
    counted = ((day - start).dt.days / DAYS_PER_MONTH).round()
    alone = people.groupby(people).transform("size") == 1
    visits["months"] = visits["months"].fillna(counted).mask(visits["months"].isna() & counted.isna() & alone, 0)
    visits["months"] = visits["months"].round().astype("Int64")
    return visits.assign(baseline_date=start)


def months_of(session: str, settings: Bids) -> float | None:
    """``ses-M006`` -> 6, by the configured pattern and unit; None where the name says nothing."""
    match = re.fullmatch(settings.session_pattern, session.removeprefix("ses-"))
    return None if match is None else float(match.group(1)) / settings.session_units_per_month


def age_at_scan(scans: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Age in years (two decimals), and at what it is the age.

    ``scan``: the age at baseline plus the days from the baseline visit to the scan; without a baseline visit, the age
    at the visit plus the days from it to the scan. ``visit``: the age at the visit, since a date is unknown (ADNI scans
    are up to months away from it). ``months``: the age at baseline plus the months of the visit's name.
    """
    scan = pd.to_datetime(scans["scan_date"], format="%Y-%m-%d")
    visit = pd.to_datetime(scans["visit_date"], format="%Y-%m-%d")
    from_baseline = scans["baseline_age"] + (scan - scans["baseline_date"]).dt.days / DAYS_PER_YEAR
    from_visit = scans["visit_age"] + (scan - visit).dt.days / DAYS_PER_YEAR
    exact = from_baseline.fillna(from_visit)
    by_name = scans["baseline_age"] + scans["months"].astype(float) / 12
    age = exact.fillna(scans["visit_age"]).fillna(by_name)
    source = pd.Series("months", index=scans.index, dtype=object)
    source = source.mask(scans["visit_age"].notna(), "visit").mask(exact.notna(), "scan").where(age.notna(), None)
    return age.round(2), source
