"""What lies in the raw download: one row per image folder and per study table."""

import hashlib
import os
from pathlib import Path

import pandas as pd

from ldae.adni.census import outsiders
from ldae.adni.study_tables import TABLES, find_tables, find_todays_tables
from ldae.config import Config
from ldae.core.errors import UserError
from ldae.core.files import sha256_file, write_tsv_if_changed
from ldae.core.keys import PTID

COLUMNS = ["kind", "subject", "path", "files", "bytes", "digest"]


def missing_folders(images: Path, tables: Path) -> list[tuple[str, str, str]]:
    """What is missing, where it was looked for, and what to do, for each raw folder that does not exist."""
    return [
        (
            f"the folder of the {what} does not exist",
            str(path),
            f"unpack the LONI download there, or set {key} in the configuration (docs: ADNI download guide)",
        )
        for path, key, what in (
            (images, "raw.images", "raw ADNI images"),
            (tables, "raw.tables", "ADNI study tables"),
        )
        if not path.is_dir()
    ]


def require_folders(images: Path, tables: Path) -> None:
    """Raises:
    UserError: a raw folder does not exist.
    """
    for what, where, fix in missing_folders(images, tables):
        raise UserError(f"{what[0].upper()}{what[1:]} ({where}): {fix}.")


def subject_folders(images: Path) -> list[Path]:
    """Folders named like an ADNI subject (``NNN_S_NNNN``), the only ones Clinica looks at."""
    return sorted(path for path in images.iterdir() if PTID.fullmatch(path.name) and path.is_dir())


def image_folders(subject: Path) -> list[dict]:
    """One row for every folder of a subject that holds files; the digest covers their names and sizes."""
    rows = []
    for folder, subfolders, names in os.walk(subject):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files = sorted((name, size_of(Path(folder) / name)) for name in names if not name.startswith("."))
        if files:
            rows.append(
                {
                    "kind": "image",
                    "subject": subject.name,
                    "path": Path(folder).relative_to(subject.parent).as_posix(),
                    "files": len(files),
                    "bytes": sum(size for _, size in files),
                    "digest": hashlib.sha256(repr(files).encode()).hexdigest()[:16],
                }
            )
    return rows


def size_of(path: Path) -> int:
    """Bytes of a file; -1 where it is a link to nowhere."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def outside_rows(images: Path) -> list[dict]:
    """One row for whatever lies beside the subjects."""
    return [
        {"kind": "outside", "path": item.path, "files": item.files, "bytes": item.bytes, "digest": ""}
        for item in outsiders(images)
    ]


def study_tables(tables: Path) -> list[Path]:
    """Every table that the conversion may read, under the names of any year."""
    old = [path for table in TABLES for path in find_tables(tables, table.name)]
    todays = [path for table in TABLES for name in table.today for path in find_todays_tables(tables, name)]
    return list(dict.fromkeys(old + todays))


def read_inventory(images: Path, tables: Path) -> pd.DataFrame:
    """Every image folder and every study table; no file of an image is opened."""
    require_folders(images, tables)
    rows = []
    for path in study_tables(tables):
        name, size = path.relative_to(tables).as_posix(), path.stat().st_size
        rows.append({"kind": "table", "path": name, "files": 1, "bytes": size, "digest": sha256_file(path)[:16]})
    for subject in subject_folders(images):
        rows += image_folders(subject)
    rows += outside_rows(images)
    return pd.DataFrame(rows, columns=COLUMNS)


def write_inventory(images: Path, tables: Path, out: Path) -> None:
    """Write the inventory, unless the file there says the same: its time is what plans the conversion.

    Raises:
        UserError: a raw folder does not exist.
    """
    write_tsv_if_changed(out, read_inventory(images, tables))


def inventory_path(config: Config) -> Path:
    """Where the inventory of the raw download lies."""
    return config.results_dir / "manifest" / "raw_inventory.tsv"


def refresh_inventory(config: Config) -> str:
    """Bring raw_inventory.tsv up to date and say what was done.

    Where the chain has not run yet, or reads no raw download, nothing is written: the rule ``inventory_raw`` makes the
    first one.

    Raises:
        UserError: the raw folders that were there before are gone.
    """
    out = inventory_path(config)
    raw = config.raw
    made_later = config.phantom is not None and raw is not None and not raw.images.is_dir()
    if raw is None or config.source != "adni" or made_later or not out.is_file():
        return "Raw download: no inventory yet; the chain makes it."
    before = out.read_bytes()
    write_inventory(raw.images, raw.tables, out)
    changed = out.read_bytes() != before
    return f"Raw download: {'changed, what is new will be converted' if changed else 'unchanged'} ({out})."
