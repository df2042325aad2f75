"""What lies in the folder of the images beside the subjects, where no converter looks: each with what to do."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ldae.core.keys import PTID

FIVE_DIGITS = re.compile(r"\d{3}_S_\d{5,}")
LIKE_A_SUBJECT = re.compile(r"\s*(\d{3})[_\s-]S[_\s-](\d{4,})(.*)", re.IGNORECASE)
ARCHIVE = re.compile(r".*\.(zip|tar|tgz|gz|7z|rar)(\.\d+)?(\.part)?", re.IGNORECASE)


@dataclass(frozen=True)
class Outsider:
    """``path``: from the images' root; ``subjects``: folders below it that are named like a subject."""

    path: str
    files: int
    bytes: int
    fix: str
    subjects: int = 0


def outsiders(images: Path) -> list[Outsider]:
    """Everything at the top of the tree that is no subject folder and not hidden."""
    found = []
    for item in sorted(os.scandir(images), key=lambda item: item.name):
        subject = PTID.fullmatch(item.name) or FIVE_DIGITS.fullmatch(item.name)
        if item.name.startswith(".") or (subject and item.is_dir()):
            continue
        if item.is_dir():
            found.append(folder_outside(images, item.name))
        else:
            size = item.stat(follow_symlinks=False).st_size
            found.append(Outsider(item.name, 1, size, file_fix(item.name)))
    return found


def file_fix(name: str) -> str:
    """What to do about a file that lies beside the subjects."""
    if ARCHIVE.fullmatch(name):
        return "unpack it here, and move the folder ADNI's subjects beside the others"
    return "nothing, if it is no image; else put it into its subject's folder"


def folder_outside(images: Path, name: str) -> Outsider:
    """A folder that is no subject's: the subjects in it, files and bytes."""
    files = size = subjects = 0
    for folder, folders, names in os.walk(images / name):
        subjects += sum(bool(PTID.fullmatch(item) or FIVE_DIGITS.fullmatch(item)) for item in folders)
        for file in names:
            files += 1
            size += (Path(folder) / file).lstat().st_size
    like = LIKE_A_SUBJECT.fullmatch(name)
    if like:
        meant = f"{like.group(1)}_S_{like.group(2)}"
        fix = f"if its images are those of {meant}: move what is in it into the folder {meant}"
    elif subjects:
        fix = f"move its {subjects} subject folders up, beside the others (or set raw.images to it)"
    else:
        fix = "nothing, if it holds no images; else move them into the folder of their subject"
    return Outsider(name, files, size, fix, subjects)
