"""The columns that every source gives, and how rows and cells of other people's tables become theirs."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ldae.cohort.notes import Notes
from ldae.config import Bids
from ldae.core.cells import NUMBER, Reading, quoted, read_dates, read_numbers
from ldae.core.files import sha256_file
from ldae.core.folders import is_file
from ldae.core.keys import KEY
from ldae.core.text_tables import count, listed

COLUMNS = (
    *KEY,
    "months",  # since baseline, Int64
    "age",  # years, at the time that age_from names
    "age_from",  # scan | visit | months | table
    "sex",  # M or F
    "diagnosis",  # CN, MCI or AD
    "mmse",
    "cdr",
    "field_strength",  # Tesla
    "study_phase",  # as the dataset names it, ADNI: ADNI1, ADNIGO, ADNI2, ADNI3
    "site",  # as the dataset names it, ADNI: the three digits in the subject's name
    "image_id",
    "converted_by",  # as scans.tsv says; ADNI: clinica or dcm2niix
    "date",  # of the scan, or of its visit where the scan has none: YYYY-MM-DD
    "t1w",  # path from the root of the dataset
    "content",  # equal for equal images
    "no_age",  # why the tables have none, where that is known
    "no_diagnosis",  # the same
    "reason",  # why the source itself leaves the scan out, or missing
)
SCALES = {"mmse": (0.0, 30.0), "cdr": (0.0, 3.0), "field_strength": (0.05, 15.0)}
CDR = (0.0, 0.5, 1.0, 2.0, 3.0)
UNITS = {"field_strength": {"t": 1.0, "tesla": 1.0}}
MONTHS = (-1.0, 1200.0)  # a screening visit lies before the baseline
OLDEST_PLAUSIBLE = 150.0  # years; above it a code (999), not an age
BIRTHS, MOST_ARE = (1895, 2010), 0.9  # years of birth of adults; fraction of a column that is such years
MISSING_AGES = (777, 888, 999, 7777, 8888, 9999)
HEAD_BYTES = 1 << 20


def complete(scans: pd.DataFrame) -> pd.DataFrame:
    """The columns of :data:`COLUMNS` in their order; those that the source does not know are missing values."""
    return scans.reindex(columns=list(COLUMNS)).astype(
        {"months": "Int64"}
        | dict.fromkeys(("diagnosis", "sex", "reason", "date", "study_phase", "site", "no_age", "no_diagnosis"), object)
    )


def numbers(
    column: pd.Series | None,
    index: pd.Index,
    what: str,
    notes: Notes,
    scale: tuple[float, float] = (float("-inf"), float("inf")),
    units: dict[str, float] | None = None,
) -> pd.Series:
    """Floats; what is no number of the scale is missing. A column that is not there is all missing."""
    if column is None:
        return pd.Series(float("nan"), index=index)
    reading = Reading()
    values = read_numbers(column, reading, *scale, units)
    notes.reading(reading, what)
    return pd.Series(values, index=index, dtype=float)


def scores(column: pd.Series | None, index: pd.Index, name: str, notes: Notes) -> pd.Series:
    """MMSE, CDR or field strength, within its scale."""
    values = numbers(column, index, name, notes, SCALES[name], UNITS.get(name))
    if column is not None and name == "cdr" and (odd := values.notna() & ~values.isin(CDR)).any():
        notes.say(f"cdr: {quoted(Counter(column[odd].astype(str)))} are no global scores (0, 0.5, 1, 2, 3): n/a")
        values = values.mask(odd)
    return values


def ages(column: pd.Series | None, index: pd.Index, what: str, notes: Notes, settings: Bids) -> pd.Series:
    """Years. A negative number, or one above 150 years, is a code."""
    per_year = settings.age_units_per_year
    units = dict.fromkeys(("years", "year", "y", "yr", "yrs"), per_year)
    units |= dict.fromkeys(("months", "month", "mo"), per_year / 12)
    scale = (0.0, OLDEST_PLAUSIBLE * per_year)
    if column is not None and (middle := middle_birth(column)) is not None:
        notes.say(
            f"{what}: the middle one is {middle:g}, as if these were years of birth, and none is read: give ages, or "
            "name another column (bids.columns.baseline_age)"
        )
        return pd.Series(float("nan"), index=index)
    if column is not None and (hint := other_unit(column, settings.age_unit)):
        notes.say(f"{what}: {hint}")
    return numbers(column, index, what, notes, scale, units) / per_year


def middle_birth(column: pd.Series) -> float | None:
    """The middle one of a column of years of birth; None where it holds something else."""
    years = pd.to_numeric(column, errors="coerce").dropna()
    years = years[years > 0]
    births = years.between(*BIRTHS) & (years % 1 == 0)
    return float(years.median()) if len(years) and births.mean() > MOST_ARE else None


def other_unit(column: pd.Series, unit: str) -> str | None:
    """A hint that ages look as if they were in another unit than ``bids.age_unit``; None where they do not."""
    years = pd.to_numeric(column, errors="coerce").dropna()
    middle = years[years > 0].median()  # NaN without any number
    fits = {"years": (0, OLDEST_PLAUSIBLE), "months": (OLDEST_PLAUSIBLE, OLDEST_PLAUSIBLE * 12)}
    fits["days"] = (OLDEST_PLAUSIBLE * 12, OLDEST_PLAUSIBLE * 366)
    likely = next((name for name, (low, high) in fits.items() if low < middle <= high), None)
    if (
        likely is None or likely == unit or middle in MISSING_AGES or (likely, unit) == ("years", "months")
    ):  # of small children, or years
        return None
    return f"the middle one of {len(years)} is {middle:g}, as if in {likely}, not {unit}: set bids.age_unit: {likely}"


def months(column: pd.Series | None, index: pd.Index, notes: Notes) -> pd.Series:
    """Months since baseline, also where the cells are in years (``1.5 y``); what lies outside -1 to 1200 is a code."""
    units = dict.fromkeys(("months", "month", "mo", "m"), 1.0) | dict.fromkeys(("years", "year", "y"), 12.0)
    return numbers(column, index, "months", notes, scale=MONTHS, units=units)


def dates(column: pd.Series | None, index: pd.Index, what: str, notes: Notes) -> pd.Series:
    """``YYYY-MM-DD``; see :func:`ldae.core.cells.read_dates`."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    reading = Reading()
    values = read_dates(column, reading)
    notes.reading(reading, what)
    return pd.Series(values, index=index, dtype=object)


def mapped(
    column: pd.Series | None, names: Mapping[str, str | None], index: pd.Index, what: str, notes: Notes
) -> pd.Series:
    """Values by their map, whatever their case (``1.0`` is ``1``); a value outside it is missing, and counted. One that
    the map gives None to is meant to be missing."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    known = {plain(key): value for key, value in names.items()}
    cells = column.astype("string").str.strip()
    values = cells.map(lambda cell: known.get(plain(cell)), na_action="ignore").astype(object)
    unknown = cells[cells.notna() & ~cells.map(lambda cell: plain(cell) in known, na_action="ignore").eq(True)]
    unknown = unknown.value_counts()
    if len(unknown):
        named = quoted(Counter(unknown.to_dict()))
        notes.say(f"{what}: no entry of bids.values.{what} for {named}; these count as missing")
    return values.where(values.notna(), None)


def plain(cell: str) -> str:
    """``1.0`` -> ``1``, ``Cn `` -> ``cn``."""
    text = str(cell).strip().casefold()
    return f"{float(text):g}" if NUMBER.fullmatch(text) and "," not in text else text


def content_keys(paths: list[Path]) -> list[str | None]:
    """Equal keys for equal files, different ones for different files; none where there is no file.

    A file is read as far as needed: not at all when no other has its size, its first MiB when another has, and wholly
    when these are equal too.
    """
    keys = [str(path.stat().st_size) if is_file(path) else None for path in paths]
    for refine in (head_digest, sha256_file):
        shared = {key for key, count in Counter(keys).items() if key is not None and count > 1}
        keys = [f"{key} {refine(path)}" if key in shared else key for key, path in zip(keys, paths, strict=True)]
    return keys


def head_digest(path: Path) -> str:
    """sha256 of the first MiB of a file."""
    with open(path, "rb") as handle:
        return hashlib.sha256(handle.read(HEAD_BYTES)).hexdigest()


def spelt(column: str) -> str:
    """A column's name without capitals, blanks and the like: ``Participant ID`` is ``participant_id``."""
    return re.sub(r"[\W_]", "", column.casefold())


def with_prefix(ids: pd.Series, prefix: str) -> pd.Series:
    """``01`` -> ``sub-01``; an id that has the prefix keeps it, and ``1.0`` of a spreadsheet program is 1."""
    ids = ids.astype(str).str.strip().str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    bare = ids.str.replace(rf"^{prefix}", "", regex=True, case=False)
    return prefix + bare


def folded(participant: str) -> str:
    """An id without what tables lose: leading zeros, capitals, separators."""
    bare = re.sub(r"[^a-z0-9]", "", participant.removeprefix("sub-").casefold())
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", bare)


def matched_participants(table: pd.DataFrame, images: pd.DataFrame, where: str, notes: Notes) -> pd.DataFrame:
    """The table with the ids that the images have; what does not match is counted and quoted.

    An id that no image has is taken for the image's one that differs by leading zeros, capitals or separators alone,
    where only one does.
    """
    if table.empty:
        return table
    scanned, known = set(images["participant_id"]), set(table["participant_id"])
    free: dict[str, list[str]] = {}
    for name in sorted(scanned - known):
        free.setdefault(folded(name), []).append(name)
    strangers: dict[str, list[str]] = {}
    for name in sorted(known - scanned):
        strangers.setdefault(folded(name), []).append(name)
    meant = {
        names[0]: free[key][0] for key, names in strangers.items() if len(names) == 1 and len(free.get(key, ())) == 1
    }
    if meant:
        pairs = listed(f"{old} for {new}" for old, new in meant.items())
        notes.say(f"{where}: {count(len(meant), 'id')} matched but for leading zeros, capitals or separators: {pairs}")
        table = table.assign(participant_id=table["participant_id"].replace(meant))
        known = set(table["participant_id"])
    lost, idle = sorted(scanned - known), sorted(known - scanned)
    if scanned and not scanned & known:
        notes.say(
            f"{where}: none of {count(len(known), 'participant')} has an image (table: {listed(idle, 2)}; "
            f"images: {listed(lost, 2)}): check the column participant_id"
        )
        return table
    if lost:
        notes.say(f"{where}: no row for {count(len(lost), 'participant')} with images: {listed(lost)}")
    if idle:
        notes.say(f"{where}: {count(len(idle), 'participant')} without an image: {listed(idle)}")
    return table


def one_row_each(table: pd.DataFrame, key: list[str], where: str, notes: Notes | None) -> pd.DataFrame:
    """One row for every ``key``. A cell in which the rows of one key differ counts as missing: nobody can tell which is
    right; it is quoted (unless ``notes`` is None)."""
    again = table.duplicated(key, keep=False)
    if not again.any():
        return table
    rows, quarrels = [], []
    for name, group in table[again].groupby(key, sort=False):
        row = group.iloc[0].copy()
        for column in group.columns.difference(key, sort=False):
            values = list(dict.fromkeys(group[column].dropna()))
            row[column] = values[0] if len(values) == 1 else None
            if len(values) > 1:
                quarrels.append(f"{' '.join(name)} {column} {' or '.join(map(str, values))}")
                if notes is not None:
                    notes.doubled.add((name, column))
        rows.append(row)
    if quarrels and notes is not None:
        notes.say(f"{where}: rows that stand twice and differ, these cells are n/a: {listed(quarrels)}")
    return pd.concat([table[~again], pd.DataFrame(rows)], ignore_index=True).astype(object)
