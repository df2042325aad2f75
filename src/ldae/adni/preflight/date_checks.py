"""Dates that contradict the code of their visit: the code is believed without a word, so they are told here."""

from collections.abc import Mapping

import pandas as pd

from ldae.adni.accounting import MISTAKEN_DAYS
from ldae.adni.preflight.finding import Finding, shortened
from ldae.core.text_tables import count

DAYS_PER_MONTH = 365.25 / 12
DRIFT = 0.1  # of the months of a visit: month 120 may be month 108
FAR = 2 * MISTAKEN_DAYS  # between an examination and the date that its code stands for


def contradicted_dates(
    merge: pd.DataFrame, listing: pd.DataFrame, chosen: Mapping[tuple[str, str], str]
) -> list[Finding]:
    """Arriving visits whose scan was half a year from the examination, whose examination was a year from the months
    since baseline that the code says, or that lie in the future.

    Args:
        merge: ADNIMERGE; listing: MPRAGEMETA; both as the adapter passes them on.
        chosen: PTID and VISCODE -> image ID.
    """
    if not chosen:
        return []
    visits = pd.DataFrame([(*key, image) for key, image in chosen.items()], columns=["PTID", "VISCODE", "ImageUID"])
    rows = merge[["PTID", "VISCODE", "EXAMDATE", "EXAMDATE_bl"]].drop_duplicates(["PTID", "VISCODE"])
    scans = listing[["SubjectID", "ImageUID", "ScanDate"]].drop_duplicates(["SubjectID", "ImageUID"])
    visits = visits.merge(rows).merge(scans.rename(columns={"SubjectID": "PTID"}))
    days = {name: pd.to_datetime(visits[name], format="%Y-%m-%d", errors="coerce") for name in DATES}
    months = pd.to_numeric(visits["VISCODE"].replace("bl", "m0").str[1:], errors="coerce")
    since = (days["EXAMDATE"] - days["EXAMDATE_bl"]).dt.days - months * DAYS_PER_MONTH
    apart = (days["ScanDate"] - days["EXAMDATE"]).dt.days.abs() > MISTAKEN_DAYS
    far = since.abs() > FAR + DRIFT * DAYS_PER_MONTH * months
    tomorrow = pd.Timestamp.today() + pd.Timedelta(days=1)
    wrong = apart | far | (days["ScanDate"] > tomorrow) | (days["EXAMDATE"] > tomorrow)
    if not wrong.any():
        return []
    cells = [
        f"{row.PTID} {row.VISCODE} (scanned {row.ScanDate}, EXAMDATE {row.EXAMDATE}, EXAMDATE_bl {row.EXAMDATE_bl})"
        for row in visits[wrong].itertuples()
    ]
    what = (
        f"dates contradict the visit's code at {len(cells)} of {count(len(visits), 'arriving visit')}: "
        f"{shortened(cells, 2)}; the code is believed for months and facts, for the age the date that the subject's "
        "other dates support"
    )
    fix = "correct the date where it is wrong, in ADNIMERGE or the list of images"
    return [Finding("note", what, "ADNIMERGE, MPRAGEMETA", fix, "months and age of a scan")]


DATES = ("EXAMDATE", "EXAMDATE_bl", "ScanDate")
