"""What a person who looked at the pictures decided: the table of ``qc.exclude``, and what it costs a scan."""

import csv
import io
import logging
from pathlib import Path

import pandas as pd

from ldae.core.errors import UserError
from ldae.core.keys import KEY

COLUMNS = (*KEY, "reason")
EXCLUDED = "excluded by a reviewer"
Review = dict[tuple[str, str], str]
logger = logging.getLogger("ldae")


def read_review(path: Path | None) -> Review:
    """(participant_id, session_id) -> reason of the table of ``qc.exclude``; nothing where there is none.

    Raises:
        UserError: the table is missing, is no text, lacks a column, or has a line without a scan or without a reason.
    """
    if path is None:
        return {}
    if not Path(path).is_file():
        raise UserError(f"qc.exclude: {path} does not exist: download qc_exclude.tsv from results_dir/qc/index.html.")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"qc.exclude: {path} is no plain text: save it as UTF-8, with tabs between columns.") from None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    except csv.Error as error:
        raise UserError(f"qc.exclude: {path} is no table ({error}): put tabs between columns.") from None
    head = [cell.strip() for cell in rows[0]] if rows else []
    if missing := [name for name in COLUMNS if name not in head]:
        raise UserError(f"qc.exclude: {path} lacks the column {', '.join(missing)} (tabs stand between columns).")
    places = [head.index(name) for name in COLUMNS]
    found: Review = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        subject, session, reason = (row[place].strip() if place < len(row) else "" for place in places)
        if not subject or not session or reason in ("", "n/a"):
            raise UserError(f"qc.exclude: line {line} of {path} needs {', '.join(COLUMNS)}.")
        if found.setdefault((subject, session), reason) != reason:
            raise UserError(f"qc.exclude: {path} gives two reasons for {subject} {session}: keep one.")
    return found


def exclude_reviewed(table: pd.DataFrame, review: Review) -> pd.DataFrame:
    """The table of scans (``state``, ``reason``) with those of the review quarantined; scans that were lost before keep
    their own reason. Names that no scan has are said in the log."""
    table = table.astype({"reason": object})
    names = list(zip(table["participant_id"], table["session_id"], strict=True))
    for row, name in zip(table.index, names, strict=True):
        if name in review and table.loc[row, "state"] == "done":
            table.loc[row, ["state", "reason"]] = ["quarantined", f"{EXCLUDED}: {review[name]}"]
    unknown = sorted(set(review) - set(names))
    if unknown:
        logger.warning(
            "%d of %d rows of qc.exclude name no scan of this cohort, the first is %s %s",
            len(unknown),
            len(review),
            *unknown[0],
        )
    return table
