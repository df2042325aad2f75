"""The one reader of BIDS: T1w images, visits and participants of a dataset, with their facts as the tables spell them.

Only names are looked at and small tables read; no image and no sidecar is opened, so ADNI's 10,340 scans take seconds.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ldae.cohort.chronology import DAYS_PER_MONTH, DAYS_PER_YEAR, months_of
from ldae.cohort.columns import matched_participants, numbers, one_row_each, spelt, with_prefix
from ldae.cohort.dataset_root import check_root
from ldae.cohort.lost_visits import lost_visits
from ldae.cohort.notes import Notes
from ldae.cohort.table_columns import facts_of, note_unread, pick, places, with_key
from ldae.cohort.tree import NO_SESSION, Tree, rank, read_tree
from ldae.config import Bids
from ldae.core.cells import MISSING
from ldae.core.keys import KEY
from ldae.core.text_tables import TextTable, count, listed, read_text_table

FACTS = ("age", "baseline_age", "sex", "diagnosis", "mmse", "cdr", "study_phase", "site", "field_strength")
IMAGE_FACTS = ("image_id", "scan_date", "converted_by", *FACTS)
NEAR_PEOPLE = re.compile(r"(participants?|subjects?)[^a-z](?!.*json$).*", re.IGNORECASE)
VISIT_FACTS = ("months", "visit_date", *FACTS)


@dataclass(frozen=True)
class Dataset:
    """Tables of a BIDS dataset: columns under the manifest's names, cells as text, None where there is nothing.

    Attributes:
        images: one row per T1w image: participant_id, session_id, t1w (path from the root), rank (among the images of
            its visit, the least is preferred), part, misplaced (the other folder that its name names), and what
            scans.tsv says: :data:`IMAGE_FACTS`.
        lost: participant_id, session_id and reason of visits whose image is nearly one (:mod:`lost_visits`).
        visits: one row per visit: participant_id, session_id, months, visit_date, :data:`FACTS`.
        participants: one row per participant: participant_id, :data:`FACTS`.
        notes: what was noticed on the way.
        places: ``age`` and ``diagnosis`` -> the columns that are read for it: ``group of participants.tsv``.
        unread: columns that nobody reads, where a fact has none.
    """

    root: Path
    images: pd.DataFrame
    visits: pd.DataFrame
    participants: pd.DataFrame
    lost: pd.DataFrame
    notes: Notes = field(default_factory=Notes)
    places: dict[str, str] = field(default_factory=dict)
    unread: str = ""


def read_dataset(settings: Bids, all_visits_scanned: bool = True) -> Dataset:
    """Index the dataset and read its participants, sessions and scans tables.

    A fact is taken, row by row, from the first table that has a cell for it: scans.tsv, sessions.tsv (or
    ``bids.visits``), participants.tsv.

    Args:
        all_visits_scanned: note the visits of a table that have no image.

    Raises:
        UserError: there is no dataset, or a table cannot be read or lacks the column that names its rows.
    """
    root, notes = settings.path.resolve(), Notes()
    check_root(root, settings.path, notes)
    tree = read_tree(root, settings.filters, notes)
    images = image_table(tree)
    people = matched_participants(participant_rows(root, settings, notes), images, "participants.tsv", notes)
    table = visit_table(root, tree, images, settings, notes)
    tables = {people_name(settings): people, visits_name(settings): table}
    unread = note_unread(tables, settings, notes)
    visits = visit_rows(table, images, settings, notes)
    listed_visits, people = split_visits(people, visits, settings, notes)
    note_visits(listed_visits, images, settings, notes, all_visits_scanned)
    facts = image_facts(scan_rows(root, tree, notes), images, settings, notes)
    keys = images[KEY].drop_duplicates()
    return Dataset(
        root,
        images.merge(facts, on="t1w", how="left", validate="one_to_one"),
        listed_visits.merge(keys, on=KEY, how="outer", sort=True),
        people,
        pd.DataFrame(lost_visits(tree), columns=[*KEY, "reason"], dtype=object),
        notes,
        places(tables, settings),
        unread,
    )


def image_table(tree: Tree) -> pd.DataFrame:
    """participant_id, session_id, t1w, rank, part and misplaced of every image, sorted by path."""
    order = {image.path: place for place, image in enumerate(sorted(tree.images, key=rank))}
    images = sorted(tree.images, key=lambda image: image.path)
    rows = [(one.participant, one.session or NO_SESSION, one.path, order[one.path]) for one in images]
    table = pd.DataFrame(rows, columns=[*KEY, "t1w", "rank"])
    misplaced = [tree.misplaced.get(one.path) for one in images]
    return table.assign(part=[one.entities.get("part") for one in images], misplaced=misplaced)


def as_frame(table: TextTable) -> pd.DataFrame:
    """Missing values as None."""
    return frame(table.records(), table.header)


def frame(rows: list[dict], columns: list[str] | None = None) -> pd.DataFrame:
    """Text with missing values as None; without ``columns``, the columns of all rows together."""
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    return table.where(table.notna() & ~table.apply(lambda column: column.str.casefold()).isin(MISSING), None)


def read_rows(path: Path, notes: Notes, delimiter: str | None = None) -> pd.DataFrame:
    """One table as text, missing values as None; what was odd about the file is noted.

    Raises:
        UserError: the file is no table.
    """
    table = read_text_table(path, delimiter)
    notes.say_all(f"{path.name}: {note}" for note in table.notes)
    return as_frame(table)


def read_tables(root: Path, paths: list[Path], notes: Notes) -> pd.DataFrame:
    """Rows of many small tables with the ``folder`` (from the root) and ``participant_id`` they belong to."""
    rows: list[dict] = []
    odd: dict[str, list[str]] = {}
    for path in paths:
        table = read_text_table(path)
        for note in table.notes:
            odd.setdefault(note, []).append(path.name)
        where = {"folder": path.parent.relative_to(root).as_posix()}
        where["participant_id"] = where["folder"].split("/")[0]
        rows += [row | where for row in table.records()]
    for note, names in odd.items():
        notes.say(f"{listed(names)}: {note}")
    return frame(rows) if rows else pd.DataFrame(columns=["folder", "participant_id"], dtype=object)


def participant_rows(root: Path, settings: Bids, notes: Notes) -> pd.DataFrame:
    """participants.tsv with ids that begin with ``sub-``."""
    path = settings.participants
    if path is None:
        names = [name for name in ("participants.tsv", "participants.csv") if os.path.lexists(root / name)]
        path = next((root / name for name in names if (root / name).is_file()), None)
        if names and path is None:
            notes.say(f"{names[0]} is not a file, or is a link to nowhere, and is not read: what it should hold is n/a")
        if not names:
            near = sorted(path.name for path in root.iterdir() if NEAR_PEOPLE.fullmatch(path.name))
            notes.say(
                "the root has no participants.tsv, which holds sex, age and diagnosis of the participants"
                + (f"; save {listed(near)} as that, text with tabs" if near else "")
            )
    if path is None:
        return pd.DataFrame(columns=["participant_id"], dtype=object)
    table = with_key(read_rows(path, notes), ["participant_id"], path, settings)
    check_units(root, settings, notes)
    return table


def check_units(root: Path, settings: Bids, notes: Notes) -> None:
    """Note a unit of age in participants.json that is another one than ``bids.age_unit``."""
    path = root / "participants.json"
    if os.path.lexists(path) and not path.is_file():
        notes.say("participants.json is not a file and is not read")
    try:
        columns = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        notes.say("participants.json is not valid JSON and is not read")
        return
    names = {name.casefold() for name in settings.columns.baseline_age + settings.columns.age}
    for column, facts in columns.items() if isinstance(columns, dict) else ():
        unit = str(facts.get("Units", "")) if isinstance(facts, dict) else ""
        known = next((name for name in ("year", "month", "day") if unit.casefold().startswith(name)), None)
        if column.casefold() in names and known and not settings.age_unit.startswith(known):
            notes.say(
                f"participants.json gives {column} in {unit}, bids.age_unit says {settings.age_unit} and is believed: "
                "set it if that is wrong"
            )


def people_name(settings: Bids) -> str:
    """What the table of the participants is called in a sentence."""
    return settings.participants.name if settings.participants else "participants.tsv"


def visits_name(settings: Bids) -> str:
    """What the table of the visits is called in a sentence."""
    return settings.visits.name if settings.visits else "sessions.tsv"


def visit_table(root: Path, tree: Tree, images: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """Rows of the sessions tables (or of ``bids.visits``) as they stand there, with full ids."""
    if settings.visits is None:
        if settings.layout == "oasis3" and not tree.sessions:
            notes.say(
                "the layout oasis3 has diagnosis, CDR and MMSE from the study's table of clinical visits, and none is "
                "given: set bids.visits (--visits) to OASIS3_UDSb4_cdr.csv, and bids.participants (--participants) to "
                "OASIS3_demographics.csv"
            )
        table = read_tables(root, tree.sessions, notes)
        if table.empty:
            return pd.DataFrame(columns=KEY, dtype=object)
        return with_key(table, KEY, f"a sessions.tsv of {settings.path}", settings)
    table = read_rows(settings.visits, notes)
    if pick(table, settings.columns.session) is None and pick(table, settings.columns.visit_day) is not None:
        table = table.assign(session_id=pick(table, settings.columns.visit_day))  # a visit known by its day alone
    table = with_key(table, KEY, settings.visits, settings)
    return matched_participants(table, images, settings.visits.name, notes)


def visit_rows(table: pd.DataFrame, images: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """The facts of :func:`visit_table`, one row for each visit."""
    if table.empty:
        return pd.DataFrame(columns=[*KEY, *VISIT_FACTS], dtype=object)
    facts = pd.concat([table[KEY], facts_of(table, settings, VISIT_FACTS)], axis=1)
    if settings.nearest_days is None or settings.visits is None:
        return one_row_each(facts, KEY, visits_name(settings), notes)
    return nearest_visits(facts.assign(day=visit_days(table, settings, notes)), images, settings, notes)


def visit_days(table: pd.DataFrame, settings: Bids, notes: Notes) -> pd.Series:
    """Days since baseline of the rows of a table of visits: from a column, else from the end of the visit's name."""
    stated = numbers(pick(table, settings.columns.visit_day), table.index, "days of visits", notes)
    labels = table["session_id"].str.extract(rf"(?:^ses-|_){settings.session_pattern}$", expand=False)
    named = pd.to_numeric(labels, errors="coerce") / settings.session_units_per_month * DAYS_PER_MONTH
    return stated.fillna(named)


def nearest_visits(table: pd.DataFrame, images: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """For each scanned visit the row of the same participant that is nearest in time, within ``bids.nearest_days``.

    An age in that row becomes the one on the day of the scan.
    """
    assert settings.visits is not None  # its rows are matched
    scans = images[KEY].drop_duplicates().reset_index(drop=True)
    months = scans["session_id"].map(lambda session: months_of(session, settings)).astype(float)
    scans = scans.assign(day=months * DAYS_PER_MONTH).dropna(subset=["day"]).sort_values("day", kind="stable")
    rows = table.dropna(subset=["day"]).sort_values("day", kind="stable").assign(visit=lambda t: t["day"])
    limit = settings.nearest_days
    found = pd.merge_asof(
        scans, rows.drop(columns="session_id"), on="day", by="participant_id", direction="nearest", tolerance=limit
    )
    matched = found["visit"].notna()
    away = (found["day"] - found["visit"]).abs()
    where = settings.visits.name
    notes.say(
        f"{where}: {matched.sum()} of {count(len(images[KEY].drop_duplicates()), 'scanned visit')} matched with the "
        f"nearest row within {limit} days (median {away.median():.0f}, farthest {away.max():.0f})"
    )
    if not matched.all():
        lost = found[~matched]
        notes.say(f"{where}: no row within {limit} days of {listed(map(' '.join, lost[KEY].itertuples(index=False)))}")
    years = numbers(found["age"], found.index, "age", Notes(silent=True)) / settings.age_units_per_year
    shifted = (years + (found["day"] - found["visit"]) / DAYS_PER_YEAR) * settings.age_units_per_year
    found["age"] = shifted.map(lambda age: f"{age:.4f}", na_action="ignore").astype(object)
    found["months"] = None  # those of the scan, by its name
    return found[matched].reindex(columns=[*KEY, *VISIT_FACTS]).astype(object).where(lambda t: t.notna(), None)


def split_visits(
    people: pd.DataFrame, visits: pd.DataFrame, settings: Bids, notes: Notes
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Facts of visits and of participants; a participants.tsv with a row per session gives both.

    What is the same in all rows of a participant is the participant's; what differs belongs to the visits.
    """
    session = next((column for column in people if spelt(column) == "sessionid"), None)
    facts = pd.concat([people[["participant_id"]], facts_of(people, settings, FACTS, of_participant=True)], axis=1)
    if session is None:
        return visits, one_row_each(facts, ["participant_id"], "participants.tsv", notes)
    rows = people.rename(columns={session: "session_id"})
    rows = rows[rows["session_id"].notna()].reset_index(drop=True)
    rows["session_id"] = with_prefix(rows["session_id"], "ses-")
    notes.say("participants.tsv has a row per session: facts that differ between them are those of the visit")
    own = pd.concat([rows[KEY], facts_of(rows, settings, VISIT_FACTS)], axis=1)
    own = one_row_each(own, KEY, "participants.tsv", notes)
    return filled(visits, own, KEY), one_row_each(facts, ["participant_id"], "participants.tsv", None)


def filled(first: pd.DataFrame, second: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Rows of both tables; a cell that ``first`` lacks is that of ``second``."""
    table = first.set_index(key).combine_first(second.set_index(key)).reset_index()
    table = table.reindex(columns=list(first)).astype(object)
    return table.where(table.notna(), None)


def note_visits(
    visits: pd.DataFrame, images: pd.DataFrame, settings: Bids, notes: Notes, all_visits_scanned: bool
) -> None:
    """Visits without an image, images without a visit, and a table of which nothing matches."""
    if visits.empty or images.empty:
        return
    scanned = set(images[KEY].itertuples(index=False, name=None))
    known = set(visits[KEY].itertuples(index=False, name=None))
    name = settings.visits.name if settings.visits else "the tables of visits"
    lost = sorted(scanned - known)
    if not scanned & known:
        notes.say(
            f"{name}: none of {count(len(known), 'visit')} is that of an image (table: "
            f"{listed(sorted(map(' '.join, known)), 2)}; images: {listed(map(' '.join, lost), 2)}): "
            "check participant_id and session_id"
        )
        return
    if lost:
        notes.say(f"{name}: no row for {count(len(lost), 'scanned visit')}: {listed(map(' '.join, lost))}")
    if all_visits_scanned and len(known - scanned):
        notes.say(f"{name}: {count(len(known - scanned), 'visit')} without an image")


def scan_rows(root: Path, tree: Tree, notes: Notes) -> pd.DataFrame:
    """Rows of the scans tables with ``t1w``, the path of their image from the root."""
    table = read_tables(root, tree.scans, notes)
    have = {column.casefold(): column for column in reversed(table.columns)}
    if "filename" not in have:
        if len(table):
            notes.say("the scans.tsv have no column filename and are not read")
        return table.iloc[:0].assign(t1w=None)
    images = {image.path for image in tree.images}
    names = [
        resolved(folder, name, images) for folder, name in zip(table["folder"], table[have["filename"]], strict=True)
    ]
    return table.assign(t1w=names)


def resolved(folder: str, filename: str | None, images: set[str]) -> str | None:
    """``filename`` as a path from the root: relative to its table (as BIDS asks), to the subject, or to the root."""
    if filename is None:
        return None
    name = re.sub(r"^(\./|/)+", "", filename.strip().replace("\\", "/"))
    subject = folder.split("/")[0]
    for path in (f"{folder}/{name}", f"{subject}/{name}", name):
        if path in images:
            return path
    return f"{folder}/{name}"


def image_facts(scans: pd.DataFrame, images: pd.DataFrame, settings: Bids, notes: Notes) -> pd.DataFrame:
    """What scans.tsv says of the images."""
    facts = pd.concat([scans[["t1w"]], facts_of(scans, settings, IMAGE_FACTS)], axis=1)
    facts = one_row_each(facts[facts["t1w"].notna()].reset_index(drop=True), ["t1w"], "scans.tsv", notes)
    ours = facts["t1w"].str.contains("_T1w.nii", regex=False)
    absent = facts.loc[ours & ~facts["t1w"].isin(images["t1w"]), "t1w"]
    if len(absent) and not settings.filters:
        notes.say(f"scans.tsv: {count(len(absent), 'image')} listed and not there: {listed(absent)}")
    return facts
