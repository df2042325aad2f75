"""Dates that nobody can read, or that contradict the code of their visit, the scan, or the day in its folder's name.

The code of a visit is believed without a word, so single contradictions are told here. Many of them are no slips of
single people: a column was sorted alone, or a spreadsheet program took the month for the day.
"""

import re
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from ldae.adni.accounting import FARTHEST, MISTAKEN_DAYS, too_many_lost
from ldae.adni.disk import SubjectFiles, day_of
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.preflight.quality_checks import ACCEPT, SORTED
from ldae.adni.selection import PHASES
from ldae.adni.study_tables import BY_NAME
from ldae.core.cells import quoted
from ldae.core.text_tables import count

DAYS_PER_MONTH = 365.25 / 12
DRIFT = 0.1  # of the months of a visit: month 120 may be month 108
FAR = 2 * MISTAKEN_DAYS  # between an examination and the date that its code stands for
DATES = ("EXAMDATE", "EXAMDATE_bl", "ScanDate", "folder")
FIRST = pd.Timestamp("2004-01-01")  # no visit of the study is older
NEARER = pd.Timedelta(days=14)  # by so much a date with day and month exchanged must fit better
DAY = pd.Timedelta(days=1)
CALENDARS = pd.Timedelta(days=1462)  # between the two of Excel
SCREENING = re.compile(r"ADNI(?:GO|2)? (?:Screening|Baseline)(?: MRI)?(?:-New Pt)?")
MONTH = re.compile(r"ADNI(?:(?:1/)?GO|2) Month (\d{1,3})(?: MRI)?(?:-New Pt)?")
YEAR = re.compile(r"(ADNI[23]) Year (\d{1,2}(?:\.\d{1,2})?) Visit")
USED = "months and age of a scan"


def visit_dates(
    merge: pd.DataFrame,
    listing: pd.DataFrame,
    chosen: Mapping[tuple[str, str], str],
    files: Mapping[str, SubjectFiles],
) -> pd.DataFrame:
    """One row for each arriving visit of Clinica's: PTID, VISCODE, ImageUID and, as text and as ``<name>_day``,
    EXAMDATE, EXAMDATE_bl, ScanDate and the day in the path of the image (``folder``).

    Args:
        merge: ADNIMERGE; listing: MPRAGEMETA; both as the adapter passes them on.
        chosen: PTID and VISCODE -> image ID.
        files: PTID -> files on disk.
    """
    keys = [(*key, image) for key, image in chosen.items()]
    visits = pd.DataFrame(keys, columns=["PTID", "VISCODE", "ImageUID"], dtype=object)
    rows = merge[["PTID", "VISCODE", "EXAMDATE", "EXAMDATE_bl"]].drop_duplicates(["PTID", "VISCODE"])
    scans = listing[["SubjectID", "ImageUID", "ScanDate"]].drop_duplicates(["SubjectID", "ImageUID"])
    visits = visits.merge(rows).merge(scans.rename(columns={"SubjectID": "PTID"}))
    pairs = list(zip(visits["PTID"], visits["ImageUID"], strict=True))
    astray = {(name, image) for name, item in files.items() for _, image in item.misfiled}  # in another image's folder
    known = [name in files and (name, image) not in astray for name, image in pairs]
    visits["folder"] = [
        day_of(files[name].images[image]) if it else None for (name, image), it in zip(pairs, known, strict=True)
    ]
    for name in DATES:
        visits[f"{name}_day"] = pd.to_datetime(visits[name], format="%Y-%m-%d", errors="coerce")
    return visits


def contradicted_dates(visits: pd.DataFrame, limit: float) -> list[Finding]:
    """Arriving visits whose scan was half a year from the examination, whose examination was a year from the months
    since baseline that the code says, or that lie in the future or before the study.

    Args:
        visits: :func:`visit_dates`.
        limit: a larger fraction of them blocks (``convert.max_contradicted_fraction``).
    """
    exam, scan = visits["EXAMDATE_day"], visits["ScanDate_day"]
    months = pd.to_numeric(visits["VISCODE"].replace("bl", "m0").str[1:], errors="coerce")
    since = (exam - visits["EXAMDATE_bl_day"]).dt.days - months * DAYS_PER_MONTH
    apart = (scan - exam).dt.days.abs() > MISTAKEN_DAYS
    far = since.abs() > FAR + DRIFT * DAYS_PER_MONTH * months
    tomorrow = pd.Timestamp.today() + DAY
    wrong = apart | far | (scan > tomorrow) | (exam > tomorrow) | (scan < FIRST) | (exam < FIRST)
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
    where = "ADNIMERGE, MPRAGEMETA"
    if too_many_lost(len(cells), len(visits), visits.loc[wrong, "PTID"].nunique(), limit):
        fix = f"download ADNIMERGE and the list of images again: {SORTED}; {ACCEPT}"
        return [Finding("blocking", what, where, fix, USED)]
    fix = "correct the date where it is wrong, in ADNIMERGE or the list of images"
    return [Finding("note", what, where, fix, USED)]


def swapped_dates(visits: pd.DataFrame) -> list[Finding]:
    """EXAMDATE with day and month exchanged wherever the day is at most 12, as a British spreadsheet program leaves
    American dates: told by the scans, which are nearer to the date that it was.

    Args:
        visits: :func:`visit_dates`.
    """
    exam, scan = visits["EXAMDATE_day"], visits["ScanDate_day"]
    before = exchanged(exam)
    nearer = ((scan - before).abs() + NEARER < (scan - exam).abs()) & ((scan - before).abs() <= FARTHEST)
    possible = int((before.notna() & scan.notna()).sum())
    if nearer.sum() < 2 or 2 * nearer.sum() <= possible:
        return []
    row = visits[nearer].iloc[0]
    what = (
        f"EXAMDATE has day and month exchanged at {int(nearer.sum())} of {count(possible, 'visit')} of a day up to 12: "
        f"{row.PTID} {row.VISCODE} has {row.EXAMDATE}, scanned {row.ScanDate}"
    )
    fix = "download the table again and use it unopened: a spreadsheet program took the month for the day"
    return [Finding("blocking", what, "ADNIMERGE", fix, USED)]


def mixed_visits(listing: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Visits of the list of images whose images were taken at different times, so that all but one of them are lost.

    Args:
        listing: MPRAGEMETA; subjects: PTIDs on disk.
        limit: a larger fraction of the visits blocks (``convert.max_contradicted_fraction``).
    """
    rows = listing.loc[listing["SubjectID"].isin(subjects), ["SubjectID", "Visit", "ScanDate"]]
    rows = rows.assign(day=pd.to_datetime(rows["ScanDate"], format="%Y-%m-%d", errors="coerce")).dropna()
    groups = rows.groupby(["SubjectID", "Visit"])["day"]
    spread = groups.max() - groups.min()
    wrong = spread[spread > pd.Timedelta(days=MISTAKEN_DAYS)]
    if wrong.empty:
        return []
    days = rows.groupby(["SubjectID", "Visit"])["ScanDate"].agg(lambda cells: " and ".join(sorted(set(cells))))
    cells = [f"{visit} of {name} ({days[name, visit]})" for name, visit in wrong.index]
    number = f"{len(wrong)} of {count(len(spread), 'visit')}"
    what = f"{number} in the list have scans that are half a year apart: {shortened(cells, 2)}"
    if too_many_lost(len(wrong), len(spread), wrong.index.get_level_values(0).nunique(), limit):
        fix = f"download the list of images again: {SORTED}; {ACCEPT}"
        return [Finding("blocking", what, "MPRAGEMETA", fix, "the visit of a scan")]
    return [
        Finding("note", what, "MPRAGEMETA", "see which visit each is of, and correct the list", "the visit of a scan")
    ]


def misnamed_visits(merge: pd.DataFrame, listing: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Visits of the list of images whose names contradict the time since baseline at which they were scanned, or that
    are of a phase before the one in which the subject was enrolled.

    Args:
        merge: ADNIMERGE; listing: MPRAGEMETA; subjects: PTIDs on disk.
        limit: a larger fraction of the visits blocks (``convert.max_contradicted_fraction``).
    """
    people = merge.drop_duplicates("PTID").set_index("PTID")[["ORIGPROT", "EXAMDATE_bl"]]
    rows = listing.loc[listing["SubjectID"].isin(subjects), ["SubjectID", "Visit", "ScanDate"]].drop_duplicates()
    rows = rows.merge(people, left_on="SubjectID", right_index=True)
    pairs = list(zip(rows["ORIGPROT"], rows["Visit"], strict=True))
    months = pd.Series([months_named(*pair) for pair in pairs], index=rows.index, dtype=float)
    scan, start = (
        pd.to_datetime(rows[name], format="%Y-%m-%d", errors="coerce") for name in ("ScanDate", "EXAMDATE_bl")
    )
    off = ((scan - start).dt.days - months * DAYS_PER_MONTH).abs()
    early = pd.Series([before_enrolment(*pair) for pair in pairs], index=rows.index, dtype=bool)
    wrong = rows[(off > MISTAKEN_DAYS + DRIFT * DAYS_PER_MONTH * months) | early]
    if wrong.empty:
        return []
    cells = [
        f"{row.SubjectID} scanned {row.ScanDate} is {row.Visit!r} (baseline {row.EXAMDATE_bl}, {row.ORIGPROT})"
        for row in wrong.itertuples()
    ]
    what = f"Visit contradicts the date or the phase at {len(wrong)} of {count(len(rows), 'listed visit')}: "
    what += shortened(cells, 2)
    if too_many_lost(len(wrong), len(rows), wrong["SubjectID"].nunique(), limit):
        fix = f"download the list of images again: {SORTED}; {ACCEPT}"
        return [Finding("blocking", what, "MPRAGEMETA", fix, "the visit of a scan")]
    fix = "see which visit each is of, and correct the list"
    return [Finding("note", what, "MPRAGEMETA", fix, "the visit of a scan")]


def months_named(study: str, visit: str) -> float | None:
    """Months since baseline that the name of a visit of a subject enrolled in ``study`` says; None: it says none."""
    if SCREENING.fullmatch(visit):
        return 0.0
    if found := MONTH.fullmatch(visit):
        return float(found.group(1))
    found = YEAR.fullmatch(visit)
    return 12 * float(found.group(2)) if found and found.group(1) == study else None


def before_enrolment(study: str, visit: str) -> bool:
    """Whether the name of a visit is of a phase before the one in which the subject was enrolled."""
    found = re.match(r"ADNI(?:1/)?(GO|2|3) ", visit)
    return found is not None and study in PHASES and PHASES.index(f"ADNI{found.group(1)}") < PHASES.index(study)


def exchanged(days: pd.Series) -> pd.Series:
    """Dates with day and month in each other's place; none where that is no other date."""
    could = (days.dt.day <= 12) & (days.dt.day != days.dt.month)
    parts = pd.DataFrame({"year": days.dt.year, "month": days.dt.day, "day": days.dt.month}).where(could)
    return pd.to_datetime(parts, errors="coerce")


def misdated_scans(visits: pd.DataFrame, limit: float) -> list[Finding]:
    """Scans that the list dates otherwise than the folder that LONI named after their day.

    Args:
        visits: :func:`visit_dates`.
        limit: a larger fraction of them blocks (``convert.max_contradicted_fraction``).
    """
    listed, folder = visits["ScanDate_day"], visits["folder_day"]
    known = visits[listed.notna() & folder.notna()]
    wrong = known[(known["ScanDate_day"] - known["folder_day"]).abs() > DAY]
    if wrong.empty:
        return []
    cells = [f"I{row.ImageUID} of {row.PTID} ({row.ScanDate}, folder {row.folder})" for row in wrong.itertuples()]
    what = (
        f"the list dates {len(wrong)} of {count(len(known), 'arriving scan')} otherwise than their folders: "
        f"{shortened(cells, 2)}"
    )
    if (wrong["folder_day"] - wrong["ScanDate_day"] == CALENDARS).all():
        what += "; each by four years and a day, as Excel's calendar from 1904 does it"
    swapped = int((exchanged(wrong["ScanDate_day"]) == wrong["folder_day"]).sum())
    what += f"; at {swapped} of them day and month are exchanged" if swapped else ""
    taken = [(wrong["folder_day"][wrong["PTID"] == row.PTID] == row.ScanDate_day).any() for row in wrong.itertuples()]
    if all(taken):  # no list that was sorted stays within the subjects
        what += "; each lies under the day of another image of the same subject"
        fix = "put the folders I<image ID> of these subjects back, each under its day, or download these images again"
        many = too_many_lost(len(wrong), len(known), wrong["PTID"].nunique(), limit)
        return [Finding("blocking" if many else "note", what, "folders of images", fix, USED)]
    if too_many_lost(len(wrong), len(known), wrong["PTID"].nunique(), limit):
        fix = f"download the list of images again and use it unopened: {SORTED}; {ACCEPT}"
        return [Finding("blocking", what, "MPRAGEMETA", fix, USED)]
    return [
        Finding("note", what, "MPRAGEMETA", "see which date is right, and correct the list where it is wrong", USED)
    ]


def bad_dates(
    table: pd.DataFrame, column: str, subject: str, name: str, effect: str = "such a visit is left out"
) -> list[Finding]:
    """Dates that Clinica cannot read.

    Args:
        column, subject: columns of the date and of the subject's name.
        name: the table, as Clinica calls it.
        effect: what a date that cannot be read costs.
    """
    dates = pd.to_datetime(table[column], format="%Y-%m-%d", errors="coerce", exact=True)
    wrong = table[dates.isna() | (table[column].str.len() != 10)]
    if wrong.empty:
        return []
    cells = Counter(wrong.loc[wrong[column] != "", column])
    how = f"holds {quoted(cells, 3)}, not YYYY-MM-DD," if cells else "is empty"
    what = f"{column} {how} for {shortened(sorted(set(wrong[subject])))}; {effect}"
    page = BY_NAME[name].page
    fix = f"fill in the dates, or download it again without opening it in a spreadsheet program, from {page}"
    return [Finding("quarantine", what, name, fix, "matching images to visits")]
