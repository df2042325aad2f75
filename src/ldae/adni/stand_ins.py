"""Files that would be a study table if they were unpacked, saved as CSV or downloaded to their end.

They are looked for where a table is missing; of an archive the list of contents is read, nothing else.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ldae.adni.archives import CLOSED, DAMAGED, LOCKED, contents_of, unpacked_by
from ldae.adni.study_tables import files_of_tables, named
from ldae.core.file_names import ARCHIVE, BY_ICLOUD, ICLOUD, MAYBE_UNFINISHED, PACKED, UNFINISHED, shortcut_to
from ldae.core.folders import walk

WORKBOOK = re.compile(r"\.(xlsx|xlsm|xls|ods|numbers|rdata|rda|rds|sas7bdat|sav|dta|parquet)$", re.IGNORECASE)
PLAIN = re.compile(r"\.(csv|tsv|txt|tab)$", re.IGNORECASE)
OTHER_ENDINGS = (".tsv", ".txt", ".tab")  # of text tables that are read once they are called CSV
COMPRESSED = re.compile(rf"{PACKED}$", re.IGNORECASE)
QUERY = re.compile(r"(.+\.csv)[?@&_].*", re.IGNORECASE)  # ADNIMERGE.csv?download=1
NAMELESS = re.compile(r"unconfirmed .*\.crdownload", re.IGNORECASE)  # Chrome, until it is finished


def stand_ins(folder: Path, names: tuple[str, ...]) -> list[str]:
    """What files that are, or hold, one of the tables ``names`` need, each in a phrase."""
    found = []
    for place, folders, files in walk(folder, closed=True):
        for name in sorted(folders):
            if PLAIN.search(name) and is_called(name, names):
                found.append(f"{(Path(place) / name).relative_to(folder)} is a folder: take the table out of it")
        for name in sorted(files):
            found += [f"{name} {why}" for why in elsewhere(name, names)]
    for path in files_of_tables(folder):
        unfinished = UNFINISHED.fullmatch(path.name) or MAYBE_UNFINISHED.fullmatch(path.name)
        if unfinished and is_called(unfinished.group(1), names):
            found.append(f"{path.name} is an unfinished download: download it again")
        elif NAMELESS.fullmatch(path.name):
            found.append(f"{path.name} is an unfinished download, perhaps of it: download that again")
        elif (asked := QUERY.fullmatch(path.name)) and is_called(asked.group(1), names):
            found.append(f"{path.name} is it but for what the browser added to its name: rename it {asked.group(1)}")
        elif any(re.fullmatch(rf"{name}[ _-]?v?\d{{1,2}}\.csv", path.name, re.IGNORECASE) for name in names):
            found.append(f"{path.name} may be it (or another edition): if it is, rename it {names[0]}.csv")
        elif any(re.match(rf"{name}[ _-]*DICT", path.name, re.IGNORECASE) for name in names):
            found.append(f"{path.name} explains the columns of it, and is not the table itself")
        elif not path.suffix and is_called(f"{path.name}.csv", names):
            found.append(f"{path.name} has no ending: name it {path.name}.csv")
        elif path.suffix.lower() in OTHER_ENDINGS and is_called(path.name, names):
            found.append(f"{path.name} is it but for its ending: rename it {bare(path.name)}.csv")
        elif path.suffix.lower() != ".csv" and is_called(path.name, names):
            found.append(f"{path.name} cannot be read: save it as CSV, or unpack it")
        elif ARCHIVE.fullmatch(path.name):
            contents = contents_of(path)
            inside = [name for name, _ in contents.files if is_called(PurePosixPath(name).name, names)]
            unpack = (
                "download it again" if contents.trouble == DAMAGED else f"unpack it here ({unpacked_by(path.name)})"
            )
            if inside:
                damaged = f", {DAMAGED}," if contents.trouble == DAMAGED else ""
                found.append(f"{path.name}{damaged} holds {PurePosixPath(inside[0]).name}: {unpack}")
            elif CLOSED.fullmatch(path.name):
                found.append(f"{path.name} may hold it: {unpack}")
            elif contents.trouble == LOCKED:
                found.append(f"{path.name}, {LOCKED}, may hold it: change its permissions")
    return found


def is_called(name: str, tables: tuple[str, ...]) -> bool:
    """Whether a file's name is that of one of some tables, however it is saved and packed."""
    plain = bare(name)
    if plain == name:  # without an ending that a table may have
        return False
    pattern = "|".join(r"(?:.*[ _-])?" + table.replace("_", "[ _-]") for table in tables)
    return named(Path(f"{plain}.csv"), f"(?:{pattern})")


def bare(name: str) -> str:
    """A name without the endings that a table may have, one behind the other: ``MPRAGEMETA.csv.txt`` too."""
    return PLAIN.sub("", PLAIN.sub("", WORKBOOK.sub("", COMPRESSED.sub("", name))))


def elsewhere(name: str, tables: tuple[str, ...]) -> Iterator[str]:
    """Why a file is not the table that it is named after: iCloud keeps it, or it is a shortcut."""
    kept, target = ICLOUD.fullmatch(name), shortcut_to(name)
    if kept and is_called(kept.group(1), tables):
        yield f"lies in iCloud alone: {BY_ICLOUD.replace('them', 'it')}"
    if target is not None and (is_called(target, tables) or is_called(f"{target}.csv", tables)):
        yield "is a shortcut, which leads nowhere in this system: copy the table itself"
