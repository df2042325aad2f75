"""Cells of other people's tables as the manifest's values."""

import logging

import pandas as pd

logger = logging.getLogger("ldae")


def numbers(column: pd.Series | None, index: pd.Index) -> pd.Series:
    """Floats; what is no number is missing. A column that is not there is all missing."""
    if column is None:
        return pd.Series(float("nan"), index=index)
    return pd.to_numeric(column, errors="coerce").astype(float)


def dates(column: pd.Series | None, index: pd.Index) -> pd.Series:
    """``YYYY-MM-DD`` of ISO dates with or without a time; anything else is missing."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    days = pd.to_datetime(column.astype("string").str[:10], format="%Y-%m-%d", errors="coerce")
    return days.dt.strftime("%Y-%m-%d").astype(object).where(days.notna(), None)


def mapped(column: pd.Series | None, names: dict[str, str], index: pd.Index, what: str) -> pd.Series:
    """Values by their map, whatever their case; a value outside it is missing, and said once with its count."""
    if column is None:
        return pd.Series(None, index=index, dtype=object)
    known = {key.casefold(): value for key, value in names.items()}
    cells = column.astype("string").str.strip()
    values = cells.str.casefold().map(known)
    unknown = cells[cells.notna() & values.isna()].value_counts()
    if len(unknown):
        listed = ", ".join(f"{value!r} ({count})" for value, count in unknown.items())
        logger.warning("%s: no entry of bids.values.%s for %s; these count as missing", what, what, listed)
    return values.astype(object).where(values.notna(), None)
