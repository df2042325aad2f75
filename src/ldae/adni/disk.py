"""Which files of a subject's folder belong to which image, by their names and those of their folders alone.

LONI's files end in ``_I<image ID>.dcm`` and lie in a folder ``I<image ID>``; either is enough here. Dot files (those of
macOS beside each DICOM), metadata (XML, JSON) and what is named like no image (README, DICOMDIR) belong to no image.
"""

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from ldae.adni.image_files import ImageFiles
from ldae.adni.troubles import Trouble
from ldae.core.file_names import (
    ICLOUD,
    IMAGE_FILE,
    RSYNC,
    SLICE,
    SMALLEST,
    UNFINISHED_FOLDER,
    image_of_folder,
    kind_of,
    shortcut_to,
)
from ldae.core.folders import is_alias, is_folder, saying_what_is_closed, walk
from ldae.core.keys import PTID

NOT_MINE = -1  # in place of the bytes of a file
A_SERIES = 10  # files in a folder, where their names do not say that they are slices
NOT_HIDDEN = re.compile(r"\.(AppleDouble|git|datalad|trash.*|snapshots?|Spotlight.*|fseventsd)", re.IGNORECASE)
BEHIND_A_LINK = 5_000  # folders; those of all images of one subject are some hundred
# ADNI_002_S_0295_MR_MP-RAGE__br_raw_20060418193713091_1_S13408_I13722.dcm: sequence, and the day of the upload
ALIAS_OF_IMAGE = re.compile(r"(I\d+)(?: alias)?", re.IGNORECASE)  # as macOS names a shortcut to its folder
OF_LONI = re.compile(r"_MR_(.+?)_+br_(?:raw_)?(\d{4})(\d\d)(\d\d)\d*_", re.IGNORECASE)
DAY = re.compile(r"\d{4}-\d\d-\d\d(?=_|$)")  # LONI's folder of a series: 2006-04-18_08_20_30.0


@dataclass
class SubjectFiles:
    """``images``: by image ID; ``empty``: IDs of folders ``I<number>`` in which there is nothing; of no image in
    particular: ``archives`` that are not unpacked, and ``unfinished`` downloads; ``hidden``: image ID -> the hidden
    folder in which its files lie; ``nameless``: folder -> names of the slices in it that no name gives an image;
    ``misfiled``: (image of the folder, image of the name) -> files that are named as another image than their folder;
    ``gaps``: image ID -> which of its slices are missing, where that was looked at (:mod:`ldae.adni.slices`);
    ``foreign``: image ID -> whose its files say that they are, where that is another subject than the folder's;
    ``endless``: links to so many folders that they are not followed; ``shortcuts``: of Windows or macOS, and links
    to folders that are not there, of no image in particular."""

    images: dict[str, ImageFiles] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    nameless: dict[str, list[str]] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    misfiled: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)
    shortcuts: list[str] = field(default_factory=list)

    @property
    def unnamed(self) -> list[str]:
        """Folders that seem to hold a series and whose files no name gives an image."""
        return [
            folder
            for folder, names in self.nameless.items()
            if len(names) >= A_SERIES or any(SLICE.search(name) for name in names)
        ]

    @property
    def ids(self) -> set[str]:
        """IDs of the images that have files, or what should be their files."""
        return {name for name, files in self.images.items() if files.there}

    @property
    def troubles(self) -> dict[str, str]:
        """Image ID -> why its files are not the image, as far as names and sizes tell."""
        found = {name: trouble for name, files in self.images.items() if (trouble := files.trouble(name)) is not None}
        others = {
            image: Trouble.OF_ANOTHER.because(f"the files of I{image} are {whose}'s by their own account")
            for image, whose in self.foreign.items()
        }
        return self.gaps | found | others


@saying_what_is_closed()
def subject_files(subject: Path) -> SubjectFiles:
    """Every file of a subject that may belong to an image, by names and sizes; no file is opened.

    Links to folders are followed last, and no folder is read twice: such links may lead in circles, through other
    subjects' folders as well. One behind which there are more than 5,000 folders (``/usr``) is not followed.
    """
    found, seen = SubjectFiles(), set[tuple[int, int]]()
    folders, links = list[tuple[str | None, str]]([(None, str(subject))]), list[str]()
    while folders or links:
        if not folders and leads_too_far(links[0]):
            found.endless.append(links.pop(0))
            continue
        above, place = folders.pop() if folders else (None, links.pop(0))
        image = image_of_folder(Path(place).name) or above
        state = Path(place).stat()
        if (state.st_dev, state.st_ino) in seen:
            continue
        seen.add((state.st_dev, state.st_ino))
        inside = add_folder(found, image, place)
        links += [item.path for item in inside if item.is_symlink()]
        folders += [(image, item.path) for item in reversed(inside) if not item.is_symlink()]
    settle(found)
    if PTID.fullmatch(subject.name):
        named = {image: files.subjects for image, files in found.images.items()}
        found.foreign = {image: min(names) for image, names in named.items() if names and subject.name not in names}
    return found


def leads_too_far(place: str) -> bool:
    """Whether there are more folders behind a link than any subject has."""
    return next(islice(walk(place, closed=True), BEHIND_A_LINK, None), None) is not None


def add_folder(found: SubjectFiles, image: str | None, place: str) -> list[os.DirEntry[str]]:
    """Add the files that a folder holds; the folders in it.

    Args:
        image: the image that the folder, or one that it lies in, is named after.
    """
    with os.scandir(place) as items:
        every = sorted(items, key=lambda item: item.name)
    shown = (RSYNC, ICLOUD)
    entries = [item for item in every if item.name[0] != "." or any(one.fullmatch(item.name) for one in shown)]
    forks = [item.path for item in every if item.name.startswith("._") and kind_of(item.name[2:]) == "dicom"]
    if image and not entries and image == image_of_folder(Path(place).name):
        if forks:
            found.images.setdefault(image, ImageFiles()).stubs += forks
        else:
            found.empty.append(image)
    for item in every:
        if item.name.startswith(".") and is_folder(item) and not NOT_HIDDEN.fullmatch(item.name):
            found.hidden |= dict.fromkeys(images_named_in(item.path), item.path)
    inside = []
    for item in entries:
        if is_folder(item) and not UNFINISHED_FOLDER.fullmatch(item.name):
            inside.append(item)
        elif item.is_symlink() and not Path(item.path).exists() and (own := image_of_folder(item.name)):
            found.images.setdefault(own, ImageFiles()).broken.append(item.path)
        elif item.is_symlink() and not Path(item.path).exists() and DAY.match(item.name):
            found.shortcuts.append(item.path)
        else:
            add_file(found, item.path, item.name, image, partial(size_of, item))
    return inside


def images_named_in(place: str) -> set[str]:
    """Images after which files in a hidden folder are named."""
    found = set()
    for _, _, names in walk(place, closed=True):
        for name in names:
            if not name.startswith(".") and kind_of(name) is not None and (match := IMAGE_FILE.search(name)):
                found.add(match.group(1))
    return found


def settle(found: SubjectFiles) -> None:
    """Files in the folder of one image that are named as another's: they are those of the name, unless that image has
    others and the folder has no file of its own, so that one of the two names is wrong."""
    strays = {path for paths in found.misfiled.values() for path in paths}
    for (of_folder, of_file), paths in list(found.misfiled.items()):
        mine, theirs = found.images.get(of_folder), found.images[of_file]
        if (mine is None or not mine.there) and set(theirs.dicom) - strays:
            theirs.dicom = [path for path in theirs.dicom if path not in set(paths)]
            found.images[of_folder] = ImageFiles(contradicting=paths)
            del found.misfiled[of_folder, of_file]


def size_of(item: os.DirEntry) -> int | None:
    """Bytes of a file; None for a link to nowhere, :data:`NOT_MINE` for one that this user must not read."""
    if item.is_symlink() and not Path(item.path).is_file():
        return None
    state = item.stat()
    if not state.st_mode & stat.S_IROTH and not os.access(item.path, os.R_OK):
        return NOT_MINE
    return state.st_size


def add_file(found: SubjectFiles, path: str, name: str, of_folder: str | None, size: Callable[[], int | None]) -> None:
    """Add one file to its image.

    Args:
        of_folder: image ID by the name of the folder, which counts where the file's own name gives none.
        size: its bytes (:func:`size_of`); asked for files of images alone.
    """
    target = shortcut_to(name)
    if target is None and (alias := ALIAS_OF_IMAGE.fullmatch(name)) and is_alias(path):
        target = alias.group(1)
    if target is not None:
        image = image_of_folder(target) or of_folder
        (found.shortcuts if image is None else found.images.setdefault(image, ImageFiles()).broken).append(path)
        return
    kind = kind_of(name)
    of_file = IMAGE_FILE.search(name)
    image = of_file.group(1) if of_file else of_folder
    if image is None and kind == "dicom" and (size() or 0) >= SMALLEST:
        found.nameless.setdefault(path.rpartition("/")[0], []).append(name)
    if image is None and kind in ("packed", "unfinished"):
        (found.archives if kind == "packed" else found.unfinished).append(path)
    if kind is None or image is None:
        return
    files = found.images.setdefault(image, ImageFiles())
    files.named |= kind == "dicom" and of_file is not None
    number = size()
    if number is None:
        files.broken.append(path)
    elif number == NOT_MINE:
        files.closed.append(path)
    elif number == 0 and kind not in ("packed", "unfinished"):
        files.hollow.append(path)
    elif number < SMALLEST and kind in ("dicom", "nifti"):
        files.stubs.append(path)
    else:
        getattr(files, kind).append(path)
        if kind == "dicom":
            (files.sizes_of_named if of_file else files.sizes_of_others)[number] += 1
        if kind == "dicom" and of_folder is not None and of_folder != image:
            found.misfiled.setdefault((of_folder, image), []).append(path)


def day_of(files: ImageFiles) -> str | None:
    """Day in the path of an image's first file (``2006-04-18``), None where there is none."""
    return next((day for path in files.all[:1] if (day := day_in(path))), None)


def day_in(path: str) -> str | None:
    """The day after which the innermost folder of a path is named that is named after one."""
    return next((match.group() for part in reversed(Path(path).parts) if (match := DAY.match(part))), None)


def session_of(files: ImageFiles) -> str | None:
    """Day in the path of an image's first file, else that of its upload in LONI's file name, which the images of one
    session share; None where there is neither."""
    name = next((path.rpartition("/")[2] for path in files.all[:1]), "")
    uploaded = OF_LONI.search(name)
    return day_of(files) or ("-".join(uploaded.groups()[1:]) if uploaded else None)


def sequence_of(files: ImageFiles) -> str | None:
    """Name of the folder above the day, which LONI calls after the sequence (``MP-RAGE``), else what LONI's file names
    tell of it; None where neither does."""
    for path in files.all[:1]:
        parts = Path(path).parts
        place = max((place for place, part in enumerate(parts) if DAY.match(part)), default=0)
        if place and not PTID.fullmatch(parts[place - 1]):
            return parts[place - 1]
        if found := OF_LONI.search(parts[-1]):
            return found.group(1)
    return None


def days_of(images: Mapping[str, ImageFiles]) -> dict[str, list[str]]:
    """Day in the paths of some images (``2006-04-18``; the image itself where there is none) -> their IDs."""
    found: dict[str, list[str]] = {}
    for image, files in images.items():
        days = {day_in(path) or f"I{image}" for path in files.all}
        for day in days:
            found.setdefault(day, []).append(image)
    return found
