"""The table of the paper's authors: volumes that are preprocessed already, one row each."""

import re
from pathlib import Path

import pandas as pd

from ldae.cohort.bids_reader import pick, read_rows
from ldae.cohort.columns import ages, complete, content_keys, mapped
from ldae.cohort.notes import Notes
from ldae.config import AuthorsCsv, Bids, BidsValues
from ldae.core.errors import UserError
from ldae.core.folders import is_file
from ldae.core.keys import KEY, PTID, participant_id

REQUIRED = ("subject", "path")
MONTHS = re.compile(r"ses-M(\d{1,4})(?!\d)")


def csv_scans(settings: AuthorsCsv) -> pd.DataFrame:
    """One row per row of the table: ``subject, path, diagnosis, session, latent_path, age`` (and ``sex`` where given).

    ``session`` holds months (6, ``M006`` or ``ses-M006``); where it is empty the months are those of the first
    ``ses-M...`` in the path, as the authors' scripts read them. A path is relative to the table's folder, or absolute.

    Raises:
        UserError: the table is missing, empty or lacks a column, or a row lacks its subject or path.
    """
    notes = Notes()
    table = read_table(settings.path, notes)
    codes = BidsValues()
    scans = pd.DataFrame({"participant_id": [participant(name) for name in table["subject"]], "t1w": table["path"]})
    sessions = pick_or_none(table, "session")
    months = [months_of(session, path) for session, path in zip(sessions, table["path"], strict=True)]
    scans["months"] = pd.array(months, dtype="Int64")
    scans["session_id"] = [f"ses-M{month:03d}" if month is not None else None for month in months]
    scans["age"] = ages(pick(table, ["age"]), table.index, "age", notes, Bids(path=settings.path)).round(2)
    scans["age_from"] = scans["age"].notna().map({True: "table", False: None})
    scans["diagnosis"] = mapped(pick(table, ["diagnosis"]), codes.diagnosis, table.index, "diagnosis", notes)
    scans["sex"] = mapped(pick(table, ["sex"]), codes.sex, table.index, "sex", notes)
    scans["site"] = pick_or_none(table, "site")
    paths = [settings.path.parent / path for path in scans["t1w"]]
    scans["content"] = content_keys(paths)
    scans["reason"] = [unusable(path, month) for path, month in zip(paths, months, strict=True)]
    usable = scans[scans["reason"].isna()]
    again = scans.index.isin(usable.index[usable.duplicated(KEY)])
    table = complete(scans.assign(reason=scans["reason"].mask(again, "another row has this subject and visit")))
    table.attrs["notes"] = list(notes)
    return table


def read_table(path: Path, notes: Notes) -> pd.DataFrame:
    """The table as text, missing values as None.

    Raises:
        UserError: the table is missing, empty or lacks a column, or a row lacks its subject or path.
    """
    if not path.is_file():
        raise UserError(f"The table {path} does not exist: set csv.path.")
    table = read_rows(path, notes, ",")
    lacking = [name for name in REQUIRED if name not in table]
    if table.empty or lacking:
        raise UserError(f"{path} has no {'column ' + lacking[0] if lacking and len(table) else 'rows'}.")
    for name in REQUIRED:
        if table[name].isna().any():
            raise UserError(f"{path}, line {int(table[name].isna().idxmax()) + 2}: {name} is empty.")
    return table


def pick_or_none(table: pd.DataFrame, name: str) -> list[str | None]:
    """A column's values; None for every row where the table does not have it."""
    column = pick(table, [name])
    return [None] * len(table) if column is None else column.to_list()


def participant(subject: str) -> str:
    """``sub-ADNI002S0295`` as it is, ``002_S_0295`` as Clinica names it, anything else as ``sub-`` and its letters."""
    if PTID.fullmatch(subject):
        return participant_id(subject)
    return "sub-" + re.sub(r"[^A-Za-z0-9]", "", subject.removeprefix("sub-"))


def months_of(session: str | None, path: str) -> int | None:
    """Months since baseline of a row, or None where neither the session nor the path says them."""
    if session is not None:
        match = re.fullmatch(r"(?:ses-)?[Mm]?(\d{1,4})(?:\.0+)?", session.strip())
        return None if match is None else int(match.group(1))
    match = MONTHS.search(path)
    return None if match is None else int(match.group(1))


def unusable(path: Path, months: int | None) -> str | None:
    """Why a row cannot be used, seen without opening its volume."""
    if months is None:
        return "visit unknown: neither session nor path says ses-M<months>"
    return None if is_file(path) else "volume not on disk"
