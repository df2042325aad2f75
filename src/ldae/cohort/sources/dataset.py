"""The one reader of BIDS: T1w images, visits and participants of a dataset, through pybids.

pybids indexes file names only (``index_metadata=False``, nothing validated): 10,340 scans cost 13 CPU-seconds, opening
their sidecars would cost minutes.
"""

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.cohort.sources.columns import KEY
from ldae.cohort.sources.values import dates, mapped, numbers
from ldae.config import Bids
from ldae.errors import UserError

NO_SESSION = "ses-M000"  # the name that the only visit gets in a dataset without sessions
VISIT_FACTS = ("diagnosis", "mmse", "cdr", "study_phase")
MISSING = ("", "n/a", "N/A", "NA", "nan")
logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Dataset:
    """Tables of a BIDS dataset, columns under the manifest's names, values in its units.

    Attributes:
        images: one row per T1w image: participant_id, session_id, t1w (path from the root), image_id, scan_date,
            field_strength.
        visits: one row per visit: participant_id, session_id, months (where a column has them), visit_date, visit_age
            (years), diagnosis, mmse, cdr, study_phase.
        participants: one row per participant: participant_id, sex, baseline_age (years).
    """

    root: Path
    images: pd.DataFrame
    visits: pd.DataFrame
    participants: pd.DataFrame


def read_dataset(settings: Bids) -> Dataset:
    """Index the dataset and read its participants, sessions and scans tables.

    A fact is taken from the first table that has its column: scans.tsv, sessions.tsv (or ``bids.visits``),
    participants.tsv.

    Raises:
        UserError: there is no dataset, or a table lacks the column that names its rows.
    """
    from bids import BIDSLayout, BIDSLayoutIndexer

    root = settings.path.resolve()
    if not (root / "dataset_description.json").is_file():
        raise UserError(f"{settings.path} is not a BIDS dataset, it has no dataset_description.json: set bids.path.")
    layout = BIDSLayout(root, indexer=BIDSLayoutIndexer(validate=False, index_metadata=False))
    filters = {"suffix": "T1w", "extension": [".nii.gz", ".nii"]} | settings.filters
    images = image_table(root, layout.get(return_type="filename", **filters))
    scans = read_tables(root, layout.get(suffix="scans", extension=".tsv", return_type="filename"))
    scans["t1w"] = scans["folder"] + "/" + scans.get("filename", pd.Series(dtype=str))
    if settings.visits is None:
        visits = read_tables(root, layout.get(suffix="sessions", extension=".tsv", return_type="filename"))
    else:
        visits = read_rows(settings.visits)
    participants = read_rows(root / "participants.tsv") if (root / "participants.tsv").is_file() else pd.DataFrame()
    return Dataset(
        root,
        images.merge(image_facts(scans, settings), on="t1w", how="left", validate="one_to_one"),
        visit_facts(named_visits(visits, settings), images, labelled(participants, settings), settings),
        participant_facts(labelled(participants, settings), settings),
    )


def image_table(root: Path, paths: list[str]) -> pd.DataFrame:
    """participant_id, session_id and t1w of every image, sorted by path."""
    rows = []
    for path in sorted(paths):
        name = Path(path).name
        session = re.search(r"_(ses-[^_.]+)", name)
        participant = re.match(r"sub-[^_.]+", name)
        if participant is not None:
            visit = session.group(1) if session else NO_SESSION
            rows.append((participant.group(), visit, Path(path).relative_to(root).as_posix()))
    return pd.DataFrame(rows, columns=[*KEY, "t1w"]).drop_duplicates("t1w")


def read_rows(path: Path, delimiter: str | None = None) -> pd.DataFrame:
    """A small table of strings (tab-separated, or by commas when its name ends in ``.csv``), missing values as None.

    The csv module, since a dataset has one scans.tsv per visit and pandas takes a millisecond to open a file.
    """
    delimiter = delimiter or ("," if path.suffix.lower() == ".csv" else "\t")
    with open(path, encoding="utf-8-sig", newline="") as handle:
        return frame(list(csv.DictReader(handle, delimiter=delimiter)))


def frame(rows: list[dict]) -> pd.DataFrame:
    """Strings with missing values as None; the columns of all rows together."""
    table = pd.DataFrame(rows, dtype=object)
    return table.where(table.notna() & ~table.isin(MISSING), None)


def read_tables(root: Path, paths: list[str]) -> pd.DataFrame:
    """Rows of many small tables with the ``folder`` (from the root) and ``participant_id`` they belong to."""
    rows = []
    for path in sorted(map(Path, paths)):
        participant = re.match(r"sub-[^_.]+", path.name)
        where = {"folder": path.parent.relative_to(root).as_posix()}
        if participant is not None:
            where["participant_id"] = participant.group()
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows += [row | where for row in csv.DictReader(handle, delimiter="\t")]
    table = frame(rows)
    return table if len(table) else pd.DataFrame(columns=["folder", "participant_id"], dtype=object)


def labelled(participants: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """participants.tsv with ids that begin with ``sub-``, one row each."""
    if participants.empty:
        return pd.DataFrame(columns=["participant_id"], dtype=object)
    if "participant_id" not in participants:
        raise UserError(f"{settings.path / 'participants.tsv'} has no column participant_id: BIDS asks for it.")
    ids = with_prefix(participants["participant_id"], "sub-")
    return participants.assign(participant_id=ids).drop_duplicates("participant_id")


def named_visits(visits: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """Visits with full ids, one row each (the first of those that are listed twice)."""
    for column in KEY:
        if column not in visits and len(visits):
            place = settings.visits or f"a sessions.tsv of {settings.path}"
            raise UserError(f"{place} has no column {column}: name the rows by participant_id and session_id.")
    if visits.empty:
        return pd.DataFrame(columns=KEY, dtype=object)
    ids = {name: with_prefix(visits[name], prefix) for name, prefix in zip(KEY, ("sub-", "ses-"), strict=True)}
    return visits.assign(**ids).drop_duplicates(KEY)


def with_prefix(ids: pd.Series, prefix: str) -> pd.Series:
    ids = ids.astype(str).str.strip()
    return ids.where(ids.str.startswith(prefix), prefix + ids)


def pick(table: pd.DataFrame, names: list[str]) -> pd.Series | None:
    """The first of the columns ``names`` (whatever their case) that the table has."""
    have = {str(column).casefold(): column for column in reversed(table.columns)}
    found = next((have[name.casefold()] for name in names if name.casefold() in have), None)
    return None if found is None else table[found]


def image_facts(scans: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """What scans.tsv says of the images."""
    columns = settings.columns
    facts = scans[["t1w"]].copy()
    facts["image_id"] = pick(scans, columns.image_id)
    facts["scan_date"] = dates(pick(scans, columns.scan_date), scans.index)
    facts["field_strength"] = numbers(pick(scans, columns.field_strength), scans.index)
    return facts.drop_duplicates("t1w")


def visit_facts(listed: pd.DataFrame, images: pd.DataFrame, participants: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """Facts of the visits that a table lists and of those that only an image is evidence of."""
    columns = settings.columns
    visits = listed.merge(images[KEY].drop_duplicates(), on=KEY, how="outer", sort=True)
    facts = visits[KEY].copy()
    facts["months"] = numbers(pick(visits, columns.months), visits.index)
    facts["visit_date"] = dates(pick(visits, columns.visit_date), visits.index)
    facts["visit_age"] = numbers(pick(visits, columns.age), visits.index) / settings.age_units_per_year
    people = facts[["participant_id"]].merge(participants, on="participant_id", how="left")
    for name in VISIT_FACTS:
        column = pick(visits, getattr(columns, name))
        column = pick(people, getattr(columns, name)) if column is None else column
        if name == "diagnosis":
            facts[name] = mapped(column, settings.values.diagnosis, visits.index, "diagnosis")
        elif name == "study_phase":
            facts[name] = None if column is None else column.to_numpy(object)
        else:
            facts[name] = numbers(column, visits.index)
    return facts


def participant_facts(participants: pd.DataFrame, settings: Bids) -> pd.DataFrame:
    """Sex, and the age at baseline."""
    columns, index = settings.columns, participants.index
    facts = participants[["participant_id"]].copy()
    facts["sex"] = mapped(pick(participants, columns.sex), settings.values.sex, index, "sex")
    facts["baseline_age"] = numbers(pick(participants, columns.baseline_age), index) / settings.age_units_per_year
    return facts
