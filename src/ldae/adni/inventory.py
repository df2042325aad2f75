"""What lies in the raw download: one row per image folder and per study table.

What lies beside the subjects, where no converter looks, is listed with what to do about it.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.adni.archives import unpacked_by
from ldae.adni.spelling import plain_text
from ldae.adni.study_tables import TABLES, find_tables, find_todays_tables
from ldae.config import Config
from ldae.core.errors import UserError
from ldae.core.file_names import (
    BY_ICLOUD,
    ICLOUD,
    IMAGE_FILE,
    SLICE,
    SUBJECT_IN_NAME,
    UNFINISHED_FOLDER,
    intended_name,
    is_archive,
    kind_of,
    shortcut_to,
)
from ldae.core.files import escaped, sha256_file, warn_of_names, write_tsv_if_changed
from ldae.core.folders import is_alias, is_folder, is_kernels, leads_nowhere, saying_what_is_closed, walk
from ldae.core.keys import PTID
from ldae.core.text_tables import count, listed
from ldae.core.what_changed import inventory_at, what_changed

COLUMNS = ["kind", "subject", "path", "files", "bytes", "digest"]


def missing_folders(images: Path, tables: Path) -> list[tuple[str, str, str]]:
    """What is missing, where it was looked for, and what to do, for each raw folder that does not exist."""
    found = []
    for path, key, what in (
        (images, "raw.images", "raw ADNI images"),
        (tables, "raw.tables", "ADNI study tables"),
    ):
        if not path.is_dir():
            how = "does not exist"
        elif is_kernels(path):
            how = "is one of the operating system's own, which hold no files"
        elif not os.access(path, os.R_OK | os.X_OK):
            how = "must not be read by this user"
            found.append((f"the folder of the {what} {how}", str(path), "change its permissions (chmod -R u+rX)"))
            continue
        else:
            continue
        fix = f"unpack the LONI download there, or set {key} in the configuration (docs: ADNI download guide)"
        found.append((f"the folder of the {what} {how}", str(path), fix))
    return found


def not_there_yet(config: Config) -> list[str]:
    """A sentence for each raw folder that the first jobs will miss; none once the conversion is done, since images may
    be removed then, nor where a phantom is to be written."""
    if config.source != "adni" or config.raw is None or config.phantom is not None:
        return []
    if (config.results_dir / "bids" / "participants.tsv").is_file():
        return []
    missing = missing_folders(config.raw.images, config.raw.tables)
    return [f"{what} ({where}), the first job will stop there: {fix}." for what, where, fix in missing]


def require_folders(images: Path, tables: Path) -> None:
    """Raises:
    UserError: a raw folder does not exist.
    """
    for what, where, fix in missing_folders(images, tables):
        raise UserError(f"{what[0].upper()}{what[1:]} ({where}): {fix}.")


def subject_folders(images: Path) -> list[Path]:
    """Folders named like an ADNI subject (``NNN_S_NNNN``, with five digits in ADNI4)."""
    return sorted(path for path in images.iterdir() if PTID.fullmatch(path.name) and path.is_dir())


def image_folders(subject: Path) -> list[dict]:
    """One row for every folder of a subject that holds files; the digest covers their names and sizes."""
    rows = []
    for folder, subfolders, names in walk(subject):
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
    except OSError as error:
        if not leads_nowhere(error):
            raise
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


@saying_what_is_closed()
def read_inventory(images: Path, tables: Path) -> pd.DataFrame:
    """Every image folder and every study table; no file of an image is opened."""
    require_folders(images, tables)
    rows = []
    for path in study_tables(tables):
        name, size = path.relative_to(tables).as_posix(), size_of(path)
        content = sha256_file(path)[:16] if path.is_file() else ""
        rows.append({"kind": "table", "path": name, "files": 1, "bytes": size, "digest": content})
    for subject in subject_folders(images):
        rows += image_folders(subject)
    rows += outside_rows(images)
    warn_of_names(str(row["path"]) for row in rows)
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
        UserError: the raw folders are not there, or not any more.
    """
    out = inventory_path(config)
    raw = config.raw
    beside = ""
    made_later = config.phantom is not None and raw is not None and not raw.images.is_dir()
    if raw is not None and config.source == "adni" and config.phantom is None:
        require_folders(raw.images, raw.tables)
        beside = passed_over(raw.images)
    if raw is None or config.source != "adni" or made_later or not out.is_file():
        return f"Raw download: no inventory yet; the chain makes it.{beside}"
    before = inventory_at(out)
    write_inventory(raw.images, raw.tables, out)
    changes = what_changed(before, inventory_at(out))
    said = f"changed, what is new will be converted: {changes}" if changes else "unchanged"
    return f"Raw download: {said} ({out}).{beside}"


def passed_over(images: Path) -> str:
    """A sentence about subjects and archives that lie where no converter looks; empty where there are none."""
    found = [item for item in outsiders(images) if item.subjects or item.archives]
    if not found:
        return ""
    people = sum(len(item.subjects) for item in found)
    held = f"{count(people, 'subject')}" if people else f"{count(sum(len(item.archives) for item in found), 'archive')}"
    names = listed(escaped(item.name) for item in found)
    return f" Passed over beside the subject folders: {names}, with {held}; ldae preflight says what to do."


FIVE_DIGITS = re.compile(r"\d{3}_S_\d{5}")  # which Clinica passes over
MOST_FOLDERS = 100_000  # behind a link beside the subjects; all of ADNI's T1w images lie in some 50,000
LIKE_A_SUBJECT = re.compile(
    r"[\W_]*(?:sub-)?(?:ADNI)?[\s_-]*(\d{1,3})(?:[\s_-]*S[\s_-]*(\d{3,6})|[\s_-]+S[\s_-]+(\d{1,2}))(?!\d).*",
    re.IGNORECASE | re.DOTALL,
)
NOBODY: Mapping[str, str] = {}
SIBLING = "../"  # before the name of a folder beside the images' root
BIN = re.compile(
    r"\$RECYCLE\.BIN|RECYCLER|System Volume Information|lost\+found|@eaDir|\.Trash(es)?(-\d+)?", re.IGNORECASE
)
SHORTCUT_FIX = "it is a shortcut, which leads nowhere in this system: copy what it leads to, if images are there"
MACOS = "__MACOSX"  # what macOS puts into archives; there is no image in it


@dataclass(frozen=True)
class Outsider:
    """``path``: from the images' root; ``subjects``: name of the subject, and path, of each folder in it (or of itself)
    that is named like a subject, or whose files are; ``nowhere``: a link whose target is not there; ``archives``:
    paths, from the root, of packed and unfinished files in it (or of itself); ``loose``: slices of one subject that lie
    beside the folders themselves, of which the first is the path."""

    path: str
    files: int
    bytes: int
    fix: str
    subjects: tuple[tuple[str, str], ...] = ()
    nowhere: bool = False
    archives: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        if self.loose:
            return f"{len(self.loose)} loose slices of {self.subjects[0][0]}"
        return self.path.removeprefix(SIBLING)


def subject_meant(name: str) -> str | None:
    """``002_S_0295 (1)``, ``2-s-295`` and ``sub-ADNI002S0295`` -> ``002_S_0295``; None for a name of something else."""
    found = LIKE_A_SUBJECT.fullmatch(plain_text(name))
    return f"{int(found.group(1)):03d}_S_{(found.group(2) or found.group(3)).zfill(4)}" if found else None


@saying_what_is_closed()
def outsiders(images: Path, owners: Mapping[str, str] = NOBODY) -> list[Outsider]:
    """Everything at the top of the tree that is no subject folder and not hidden.

    Args:
        owners: image ID -> PTID, of the list of images, for slices whose names tell their image alone.
    """
    found = []
    loose: dict[str, list[tuple[str, int]]] = {}
    for item in sorted(os.scandir(images), key=lambda item: item.name):
        if PTID.fullmatch(item.name) and is_folder(item):
            continue
        if item.name.startswith(".") and not is_shown(item):
            continue
        if is_folder(item):
            found.append(folder_outside(images, item.name))
        elif item.is_symlink() and not Path(item.path).exists():
            fix = "mount or copy what it leads to, if images are there"
            found.append(Outsider(item.name, 1, 0, f"it is a link to nowhere: {fix}", (), True))
        elif shortcut_to(item.name) or (not SLICE.search(item.name) and is_alias(item.path)):
            found.append(Outsider(item.name, 1, item.stat(follow_symlinks=False).st_size, SHORTCUT_FIX, (), True))
        else:
            size = item.stat(follow_symlinks=False).st_size
            named, image = SUBJECT_IN_NAME.search(item.name), IMAGE_FILE.search(item.name)
            whose = named.group().upper() if named else owners.get(image.group(1)) if image else None
            if whose and kind_of(item.name) in ("dicom", "nifti"):
                loose.setdefault(whose, []).append((item.name, size))
                continue
            archives = (item.name,) if is_archive(item.name) or kind_of(item.name) == "unfinished" else ()
            found.append(Outsider(item.name, 1, size, file_fix(item.name), archives=archives))
    for subject, files in loose.items():
        fix = f"move them into the folder {subject}, each image's into a folder I<image ID> there"
        names, sizes = zip(*files, strict=True)
        found.append(Outsider(names[0], len(names), sum(sizes), fix, ((subject, names[0]),), loose=names))
    return sorted(found, key=lambda item: item.path)


def is_shown(item: os.DirEntry[str]) -> bool:
    """Whether a hidden entry may be more than a program's own: a subject's folder, a bin, what iCloud keeps."""
    if is_folder(item):
        return bool(subject_meant(item.name) or BIN.fullmatch(item.name))
    return ICLOUD.fullmatch(item.name) is not None


def file_fix(name: str) -> str:
    """What to do about a file that lies beside the subjects."""
    if ICLOUD.fullmatch(name):
        return f"{BY_ICLOUD}, and unpack what is packed"
    if kind_of(name) == "unfinished":
        return f"download {intended_name(name)} again, this is an unfinished one, and unpack what is packed"
    if is_archive(name):
        return f"unpack it here ({unpacked_by(name)}), and move the folder ADNI's subjects beside the others"
    return "nothing, if it is no image; else put it into its subject's folder"


def folder_outside(images: Path, name: str) -> Outsider:
    """A folder that is no subject's: the subjects in it, files and bytes."""
    files = size = 0
    subjects: dict[str, str] = {}
    named: set[str] = set()
    archives: list[str] = []
    for number, (folder, folders, names) in enumerate(walk(images / name, closed=True)):
        if number > MOST_FOLDERS and (images / name).is_symlink():
            return Outsider(name, files, size, f"take the link away, it leads to more than {MOST_FOLDERS:,} folders")
        place = Path(folder).relative_to(images).as_posix()
        named |= {match.group().upper() for file in names if (match := SUBJECT_IN_NAME.search(file))}
        meant = subject_meant(Path(folder).name)
        if meant is not None and not any(place.startswith(f"{known}/") for known in subjects):
            subjects[place] = meant
        folders[:] = sorted(inside for inside in folders if inside != MACOS)
        packed = [file for file in sorted(names) if is_archive(file) or kind_of(file) == "unfinished"]
        archives += [f"{place}/{file}" for file in packed if not SLICE.search(intended_name(file).rpartition(".")[0])]
        for file in names:
            files += 1
            size += (Path(folder) / file).lstat().st_size
    if name == MACOS:
        return Outsider(name, files, size, "nothing: macOS made it, there is no image in it")
    if BIN.fullmatch(name):
        return Outsider(name, files, size, "nothing: in it is what was deleted, and what the system keeps for itself")
    if not subjects and archives and UNFINISHED_FOLDER.fullmatch(name):
        fix = f"download {name.rpartition('.')[0]} again, this is an unfinished download (Safari's)"
        return Outsider(name, files, size, fix, archives=tuple(archives))
    if not subjects and len(named) > 1:
        fix = (
            f"its files are those of {count(len(named), 'subject')}: sort them into folders of the subjects' names, or "
        )
        fix += "unpack the download again"
        return Outsider(name, files, size, fix, tuple((meant, name) for meant in sorted(named)))
    if not subjects and named:
        subjects[name] = min(named)
    if meant := subject_meant(name) or subjects.get(name):
        fix = f"if its images are those of {meant}: move what is in it into the folder {meant}"
        if not PTID.fullmatch(meant):
            fix = "give it the name of its subject in the study (NNN_S_NNNN, five digits in ADNI4)"
    elif not subjects and archives:
        programs = ", ".join(dict.fromkeys(map(unpacked_by, archives)))
        fix = f"unpack {count(len(archives), 'archive')} in it ({programs}), and move the subject folders in them up"
    elif subjects:
        fix = f"move its {count(len(subjects), 'subject folder')} up, beside the others "
        fix += "(or set raw.images to the folder that holds them)"
    else:
        fix = "nothing, if it holds no images; else move them into the folder of their subject"
    inside = tuple((meant, place) for place, meant in subjects.items())
    return Outsider(name, files, size, fix, inside, archives=tuple(archives))
