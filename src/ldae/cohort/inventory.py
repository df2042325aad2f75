"""What lies in a given dataset (source bids or csv): one row per image, sidecar and table.

Snakemake watches none of these files. The inventory is what plans the work that a corrected table, a replaced image or
an edited sidecar asks for; it is rewritten only when it says something else.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.cohort.authors_csv import read_table
from ldae.cohort.identity import MEMORY, remember_cohort
from ldae.cohort.notes import Notes
from ldae.cohort.tree import SESSION, folders
from ldae.config import Config
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, sha256_file, warn_of_names, write_tsv_if_changed
from ldae.core.folders import saying_what_is_closed
from ldae.core.what_changed import inventory_at, what_changed

COLUMNS = ["kind", "path", "bytes", "modified", "digest"]
KINDS = (  # of files in the folders of subjects
    ("image", re.compile(r"_T1w\.nii(\.gz)?$", re.IGNORECASE)),
    ("sidecar", re.compile(r"_T1w\.json$", re.IGNORECASE)),
    ("table", re.compile(r"_(sessions|scans)\.tsv$", re.IGNORECASE)),
)
ROOT_TABLES = (".tsv", ".csv", ".json", ".bidsignore")


def inventory_path(config: Config) -> Path:
    """Where the inventory of the given dataset lies."""
    return config.results_dir / "manifest" / "dataset_inventory.tsv"


@saying_what_is_closed()
def read_inventory(config: Config) -> pd.DataFrame:
    """Images with size and time of change (ns); tables and sidecars with size and digest. No image is opened."""
    if config.source == "csv":
        assert config.csv is not None  # the configuration was checked
        rows = csv_rows(config.csv.path)
    else:
        assert config.bids is not None
        rows = bids_rows(config.bids.path, config.bids.visits, config.bids.participants)
    warn_of_names(str(row["path"]) for row in rows)
    table = pd.DataFrame(rows, columns=COLUMNS)
    if config.phantom is not None or config.clinica is not None:  # made anew it has other times and the same bytes
        table["modified"] = None
    return table.astype({"bytes": "Int64", "modified": "Int64"})


def bids_rows(root: Path, *tables: Path | None) -> list[dict[str, Any]]:
    """What the manifest and the preprocessing may read, sorted by path within root and subjects, and further tables."""
    entries = sorted(root.iterdir())
    rows = [read(path, root) for path in entries if path.name.endswith(ROOT_TABLES) and path.is_file()]
    for subject in (path for path in entries if path.name.startswith("sub-") and path.is_dir()):
        for place in places_read(subject):
            for name in sorted(item.name for item in os.scandir(place)):
                kind = next((kind for kind, pattern in KINDS if pattern.search(name)), None)
                path = place / name
                if kind is not None and not path.is_dir():
                    rows.append(looked_at(path, root) if kind == "image" else read(path, root, kind))
    return rows + [read(table, table.parent) for table in tables if table]


def places_read(subject: Path) -> Iterator[Path]:
    """The folders of a subject in which something may be read: its own, those of its visits, and their ``anat``."""
    inside = folders(subject)
    for place in (subject, *(path for path in inside if SESSION.fullmatch(path.name))):
        yield place
        yield from (path for path in (inside if place == subject else folders(place)) if path.name == "anat")


def csv_rows(table: Path) -> list[dict[str, Any]]:
    """The table, and every volume that it names."""
    paths = sorted(set(read_table(table, Notes(silent=True))["path"]))
    return [read(table, table.parent)] + [looked_at(table.parent / path, table.parent, path) for path in paths]


def looked_at(path: Path, root: Path, name: str | None = None) -> dict[str, Any]:
    """Row of an image; size and time are n/a for one that is not there (a link to nowhere)."""
    row = {"kind": "image", "path": name or path.relative_to(root).as_posix()}
    if not path.exists():
        return row
    status = path.stat()
    return row | {"bytes": status.st_size, "modified": status.st_mtime_ns}


def read(path: Path, root: Path, kind: str = "table") -> dict[str, Any]:
    """Row of a small file, known by its content."""
    row = {"kind": kind, "path": path.relative_to(root).as_posix()}
    return row | {"bytes": path.stat().st_size, "digest": sha256_file(path)[:16]} if path.exists() else row


def write_inventory(config: Config, out: Path) -> None:
    """Write the inventory where it changed, and remember the cohort.

    Raises:
        UserError: the table of ``source: csv`` is missing or damaged.
    """
    table = read_inventory(config)
    write_tsv_if_changed(out, table)
    images = table[(table["kind"] == "image") & table["bytes"].notna()]
    remember_cohort(config, images.rename(columns={"bytes": "size"}))


def remember_download(config: Config, raw_inventory: Path) -> None:
    """Let the results folder remember the ADNI download that ``raw_inventory.tsv`` lists, by its image folders."""
    rows = read_tsv(raw_inventory)
    remember_cohort(config, rows[rows["kind"] == "image"].rename(columns={"files": "size"}))


def refresh_inventory(config: Config, same_cohort: bool = False) -> str:
    """Bring dataset_inventory.tsv up to date and say what was done.

    Where the chain has not run yet nothing is written: the rule ``inventory_dataset`` makes the first one.

    Args:
        same_cohort: the user says that these are the data of this results folder: an inventory that is not there yet
            is written too.

    Raises:
        UserError: the dataset, or the table of ``source: csv``, is not there.
    """
    out = inventory_path(config)
    known = out.is_file() or (same_cohort and (config.results_dir / MEMORY).is_file())
    made_here = config.phantom is not None or config.clinica is not None
    given = None if made_here else config.csv if config.source == "csv" else config.bids
    if given is not None and not given.path.exists():
        raise UserError(f"{config.source}.path: {given.path} does not exist: set it to your data, or mount them.")
    if not known or (made_here and not (config.bids and config.bids.path.is_dir())):
        return "Dataset: no inventory yet; the chain makes it."
    before = inventory_at(out)
    write_inventory(config, out)
    changes = what_changed(before, inventory_at(out))
    return f"Dataset: {f'changed, what is new will be read: {changes}' if changes else 'unchanged'} ({out})."
