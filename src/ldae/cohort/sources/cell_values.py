"""Columns of other people's tables as the manifest's values; what means nothing is quoted in the notes."""

from collections import Counter

import pandas as pd

from ldae.cohort.notes import Notes
from ldae.config import Bids
from ldae.core.cells import NUMBER, Reading, quoted, read_dates, read_numbers

SCALES = {"mmse": (0.0, 30.0), "cdr": (0.0, 3.0), "field_strength": (0.05, 15.0)}
CDR = (0.0, 0.5, 1.0, 2.0, 3.0)
UNITS = {"field_strength": {"t": 1.0, "tesla": 1.0}}
OLDEST_PLAUSIBLE = 150.0  # years; above it a code (999), not an age


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
    if name == "cdr" and (odd := values.notna() & ~values.isin(CDR)).any():
        notes.say(f"cdr: {quoted(Counter(column[odd].astype(str)))} are no global scores (0, 0.5, 1, 2, 3): n/a")
        values = values.mask(odd)
    return values


def ages(column: pd.Series | None, index: pd.Index, what: str, notes: Notes, settings: Bids) -> pd.Series:
    """Years. A negative number, or one above 150 years, is a code."""
    per_year = settings.age_units_per_year
    units = dict.fromkeys(("years", "year", "y", "yr", "yrs"), per_year)
    units |= dict.fromkeys(("months", "month", "mo"), per_year / 12)
    scale = (0.0, OLDEST_PLAUSIBLE * per_year)
    return numbers(column, index, what, notes, scale, units) / per_year


def months(column: pd.Series | None, index: pd.Index, notes: Notes) -> pd.Series:
    units = dict.fromkeys(("months", "month", "mo", "m"), 1.0) | dict.fromkeys(("years", "year", "y"), 12.0)
    return numbers(column, index, "months", notes, units=units)


def dates(column: pd.Series | None, index: pd.Index, what: str, notes: Notes) -> pd.Series:
    """``YYYY-MM-DD``; see :func:`ldae.core.cells.read_dates`."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    reading = Reading()
    values = read_dates(column, reading)
    notes.reading(reading, what)
    return pd.Series(values, index=index, dtype=object)


def mapped(column: pd.Series | None, names: dict[str, str], index: pd.Index, what: str, notes: Notes) -> pd.Series:
    """Values by their map, whatever their case (``1.0`` is ``1``); a value outside it is missing, and counted."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    known = {plain(key): value for key, value in names.items()}
    cells = column.astype("string").str.strip()
    values = cells.map(lambda cell: known.get(plain(cell)), na_action="ignore").astype(object)
    unknown = cells[cells.notna() & values.isna()].value_counts()
    if len(unknown):
        named = quoted(Counter(unknown.to_dict()))
        notes.say(f"{what}: no entry of bids.values.{what} for {named}; these count as missing")
    return values.where(values.notna(), None)


def plain(cell: str) -> str:
    """``1.0`` -> ``1``, ``Cn `` -> ``cn``."""
    text = str(cell).strip().casefold()
    return f"{float(text):g}" if NUMBER.fullmatch(text) and "," not in text else text
