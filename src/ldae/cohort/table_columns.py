"""Which columns of the tables of a BIDS dataset are read, by the names that the configuration knows."""

from collections.abc import Mapping

import pandas as pd

from ldae.cohort.columns import spelt, with_prefix
from ldae.cohort.notes import Notes
from ldae.config import Bids
from ldae.core.errors import UserError
from ldae.core.text_tables import listed

ASKED = {  # fact -> keys of bids.columns, that of the participants' table first
    "age": ("baseline_age", "age"),
    "sex": ("sex",),
    "diagnosis": ("diagnosis",),
}
OURS = ("participant_id", "session_id", "folder")


def with_key(table: pd.DataFrame, key: list[str], where: object, settings: Bids) -> pd.DataFrame:
    """The table with the columns of ``key`` under that name, whatever they are called, and ids in full.

    Raises:
        UserError: one is missing.
    """
    have = {spelt(column): column for column in reversed(table.columns)}
    named = {"participant_id": settings.columns.participant, "session_id": settings.columns.session}
    found = {}
    for name in key:
        column = next((have[spelt(other)] for other in [name, *named[name]] if spelt(other) in have), None)
        if column is None:
            asked = "BIDS asks for it" if len(key) == 1 else f"name the rows by {' and '.join(key)}"
            raise UserError(f"{where} has no column {name}: {asked} (or set bids.columns).")
        found[column] = name
    table = table.rename(columns=found)
    table = table[table[key].notna().all(axis=1)].reset_index(drop=True)
    prefixes = {"participant_id": "sub-", "session_id": "ses-"}
    return table.assign(**{name: with_prefix(table[name], prefixes[name]) for name in key})


def facts_of(table: pd.DataFrame, settings: Bids, names: tuple[str, ...], of_participant: bool = False) -> pd.DataFrame:
    """The columns of a table that the configuration names, each cell from the first of its columns that has one.

    ``age`` of a participants table is the age at baseline; in a table of visits or scans it is the age at the visit.
    """
    columns = settings.columns
    found = {}
    for name in names:
        candidates = list(getattr(columns, name))
        if name == "baseline_age" and not of_participant:
            candidates = [item for item in candidates if item.casefold() not in {age.casefold() for age in columns.age}]
        if name == "age" and of_participant:
            candidates = []
        if name == "visit_date" and "scan_date" in names:
            candidates = []
        found[name] = pick(table, candidates)
    return pd.DataFrame(
        {name: value if value is not None else None for name, value in found.items()}, index=table.index
    )


def pick(table: pd.DataFrame, names: list[str]) -> pd.Series | None:
    """Cell by cell, the first of the columns ``names`` (however spelt) that has one; None without any column."""
    found = None
    for name in names:
        for column in table.columns:
            if spelt(str(column)) == spelt(name):
                own = table[column]
                found = own if found is None else found.where(found.notna(), own)
    return found


def places(tables: Mapping[str, pd.DataFrame], settings: Bids) -> dict[str, str]:
    """Fact of :data:`ASKED` -> the columns that are read for it, ``age of participants.tsv``; without those that no
    table has."""
    found: dict[str, list[str]] = {}
    for fact, keys in ASKED.items():
        names = {spelt(name) for key in keys for name in getattr(settings.columns, key)}
        for where, table in tables.items():
            columns = [str(column) for column in table if spelt(str(column)) in names]
            if columns:
                found.setdefault(fact, []).append(f"{' and '.join(columns)} of {where}")
    return {fact: ", ".join(named) for fact, named in found.items()}


def note_unread(tables: Mapping[str, pd.DataFrame], settings: Bids, notes: Notes) -> str:
    """Say which columns nobody reads where no table has one for the age, the sex or the diagnosis; returns their names.

    Args:
        tables: name -> table of participants or of visits, with all of its columns.
    """
    named = {
        key: {spelt(name) for name in getattr(settings.columns, key)} for key in type(settings.columns).model_fields
    }
    have = {spelt(str(column)) for table in tables.values() for column in table}
    lacking = [fact for fact, keys in ASKED.items() if not have & set().union(*(named[key] for key in keys))]
    known = set().union(*named.values(), map(spelt, OURS))
    unread = {name: [str(c) for c in table if spelt(str(c)) not in known] for name, table in tables.items()}
    where = "; ".join(f"{listed(columns, 8)} of {name}" for name, columns in unread.items() if columns)
    if not lacking or not where:
        return ""
    words = ", ".join(f"{fact} ({', '.join(getattr(settings.columns, ASKED[fact][0]))})" for fact in lacking)
    keys = ", ".join(f"{ASKED[fact][0]}: [...]" for fact in lacking)
    notes.say(
        f"no column has one of the names that are known for {words}; not read are {where}: if one of these is meant, "
        f"name it in the configuration, bids: {{columns: {{{keys}}}}}"
    )
    return where
