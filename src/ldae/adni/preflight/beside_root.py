"""What lies beside the folder of all subjects: copies of it, archives that were never unpacked into it, unfinished
downloads, and shortcuts.

A browser puts the ten zip files of a download side by side, and one of them is easily forgotten. The folder above may
be a person's whole disk: what has nothing to do with the study there is not mentioned.
"""

import os
import re
from pathlib import Path

from ldae.adni.archives import DAMAGED, NESTED, UNSEEN, Contents, contents_of
from ldae.adni.disk import SubjectFiles
from ldae.adni.inventory import SHORTCUT_FIX, SIBLING, Outsider, file_fix, folder_outside, subject_meant
from ldae.adni.preflight.passed_over import archived_subjects
from ldae.core.file_names import ICLOUD, intended_name, is_archive, kind_of, shortcut_to
from ldae.core.folders import is_folder, saying_what_is_closed

COPY_OF = r"(?: ?\(\d{1,2}\)|[ -]\d{1,2}| - copy.*| copy.*)"  # what Finder, Explorer and browsers add to a name
LISTED = re.compile(r".*\.zip(\.\d{2,4})?", re.IGNORECASE)  # which have a list of contents, read in a moment
START = 1 << 16  # bytes of a shortcut, which is smaller


@saying_what_is_closed()
def beside_root(images: Path) -> tuple[list[Outsider], dict[str, Contents]]:
    """Folders and files beside the images' root that are of the same download; of the archives, what they hold.

    A folder is one if it is named as a further copy of the root (``ADNI 2``) and holds subjects or archives. A zip
    file is one if there is an image of a subject in it; another archive, a download that did not end and a shortcut,
    into which nobody can look, by a name with a subject, ``ADNI`` or the root's own.
    """
    try:
        entries = sorted(os.scandir(images.absolute().parent), key=lambda item: item.name)
    except OSError:
        return [], {}  # a folder above that this user must not list
    pattern = re.compile(re.escape(images.name) + COPY_OF, re.IGNORECASE)
    found, archives = list[Outsider](), dict[str, Contents]()
    for item in entries if images.name else ():
        place = SIBLING + item.name
        if is_folder(item):
            if pattern.fullmatch(item.name) and ((copy := folder_outside(images, place)).subjects or copy.archives):
                found.append(copy)
        elif not item.is_file():
            continue
        elif shortcut_to(item.name):
            if leads_to(Path(item.path), images.name):
                found.append(Outsider(place, 1, item.stat().st_size, SHORTCUT_FIX, (), True))
        elif is_archive(item.name) or kind_of(item.name) == "unfinished":
            if (item.name[0] == "." and not ICLOUD.fullmatch(item.name)) or not may_be(item.name, images.name):
                continue
            contents = contents_of(Path(item.path))
            if of_the_study(item.name, place, contents, images.name):
                found.append(Outsider(place, 1, item.stat().st_size, file_fix(item.name), archives=(place,)))
                archives[place] = contents
    return found, archives


def is_named(name: str, root: str) -> bool:
    """Whether a name has a subject, ``ADNI`` or the name of the images' root in it."""
    return subject_meant(name) is not None or any(word in name.casefold() for word in ("adni", root.casefold()))


def may_be(name: str, root: str) -> bool:
    """Whether it is worth a look into an archive: its name says so, or a look costs nothing."""
    return is_named(name, root) or LISTED.fullmatch(intended_name(name)) is not None or kind_of(name) == "unfinished"


def of_the_study(name: str, place: str, contents: Contents, root: str) -> bool:
    """Whether there are images of subjects in an archive, or its name alone speaks for it where that is unknown."""
    if any(held != SubjectFiles() for held in archived_subjects(Path(place), place, contents).values()):
        return True
    unknown = contents.trouble in (UNSEEN, NESTED) or (contents.trouble == DAMAGED and not contents.files)
    return unknown and is_named(name, root)


def leads_to(path: Path, root: str) -> bool:
    """Whether a shortcut is one to the study's images, by its name or by the path that is written in it."""
    with open(path, "rb") as handle:
        start = handle.read(START)
    text = start.decode("latin-1") + start.decode("utf-16-le", "ignore") + start[1:].decode("utf-16-le", "ignore")
    return is_named(path.name, root) or "adni" in text.casefold()
