"""Rows of different tables that mean the same participant or visit, and what is said where they do not fit."""

import re

import pandas as pd

from ldae.cohort.notes import Notes, listed
from ldae.core.text_tables import count


def with_prefix(ids: pd.Series, prefix: str) -> pd.Series:
    """``01`` -> ``sub-01``; an id that has the prefix keeps it."""
    ids = ids.astype(str).str.strip()
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
        rows.append(row)
    if quarrels and notes is not None:
        notes.say(f"{where}: rows that stand twice and differ, these cells are n/a: {listed(quarrels)}")
    return pd.concat([table[~again], pd.DataFrame(rows)], ignore_index=True).astype(object)
