"""Which files of a subject's folder belong to which image, by their names and those of their folders alone.

LONI's files end in ``_I<image ID>.dcm`` and lie in a folder ``I<image ID>``; either is enough here. Dot files (those of
macOS beside each DICOM), metadata (XML, JSON) and what is named like no image (README, DICOMDIR) belong to no image.
Files that were to hold an image and cannot (links to nowhere, files without a byte, unfinished downloads, packed
slices) are told apart, so that their image is known as lost and why; where a whole slice of the same name lies beside
them, they cost nothing.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from ldae.adni.file_names import (
    IMAGE_FILE,
    NIFTI_SUFFIX,
    RSYNC,
    SLICE,
    SMALLEST,
    UNFINISHED_FOLDER,
    image_of_folder,
    intended_name,
    kind_of,
    plain_name,
    shape,
)
from ldae.core.files import is_folder, saying_what_is_closed, walk
from ldae.core.text_tables import count

A_SERIES = 10  # files in a folder, where their names do not say that they are slices
NOT_HIDDEN = re.compile(r"\.(AppleDouble|git|datalad|trash.*|snapshots?|Spotlight.*|fseventsd)", re.IGNORECASE)
BEHIND_A_LINK = 5_000  # folders; those of all images of one subject are some hundred
DAY = re.compile(r"\d{4}-\d\d-\d\d(?=_|$)")  # LONI's folder of a series: 2006-04-18_08_20_30.0


@dataclass
class ImageFiles:
    """Paths of one image's files. ``named``: a DICOM file has LONI's ending; ``broken``: links to nowhere; ``hollow``:
    files without a byte; ``stubs``: files with too few bytes for a slice; ``unfinished``: downloads or copies that did
    not end; ``packed``: slices compressed one by one, or archives in the image's folder; ``contradicting``: files in
    its folder that all are named as another image's, which has others."""

    dicom: list[str] = field(default_factory=list)
    nifti: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hollow: list[str] = field(default_factory=list)
    stubs: list[str] = field(default_factory=list)
    contradicting: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    named: bool = False

    @property
    def all(self) -> list[str]:
        """Paths of all files, readable or not, that were to hold the image."""
        poor = [*self.broken, *self.hollow, *self.stubs, *self.contradicting, *self.unfinished, *self.packed]
        return [*self.dicom, *self.nifti, *poor]

    @property
    def there(self) -> bool:
        """Whether there is any of these."""
        return bool(self.all)

    def trouble(self, image: str) -> str | None:
        """Why the files are not the image, as far as their names and sizes tell.

        A NIfTI counts where there is no slice; a file without LONI's ending beside slices that have it is no slice.
        """
        if self.contradicting and not (self.dicom or self.nifti):
            other = IMAGE_FILE.search(Path(self.contradicting[0]).name)
            named = f"named as those of I{other.group(1)}" if other else "of another"
            return f"contradicting names: {count(len(self.contradicting), 'file')} in the folder I{image}, {named}"
        lost = self.missing(self.broken, self.dicom)
        if lost:
            of = f"{len(lost)} of {len(lost) + len(self.dicom) + len(self.nifti)} files of I{image}"
            are = "is a link" if len(lost) == 1 else "are links"
            return f"not on disk: {of} {are} to nowhere (run `datalad get`, or copy them again)"
        if lost := self.missing(self.hollow, self.dicom):
            if all(NIFTI_SUFFIX.fullmatch(path) for path in lost):
                return (
                    None
                    if self.nifti
                    else f"empty files: the NIfTI of I{image} has 0 bytes (copy or download it again)"
                )
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            return f"empty files: {of} {have(lost)} 0 bytes (copy or download them again)"
        if lost := self.missing(self.stubs, self.dicom):
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            return (
                f"no slices: {of} {have(lost)} too few bytes: pointers of git-annex or Git LFS (run `datalad get`, "
                "`git lfs pull`), macOS's ._ files or rests of a copy (copy or download them again)"
            )
        if lost := self.missing(self.unfinished, self.dicom):
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            ending = Path(lost[0]).name.removeprefix(intended_name(Path(lost[0]).name))
            return f"unfinished download: {of} {have(lost)} the ending {ending} (download them again)"
        packed = self.packed_slices if self.dicom or self.nifti else self.packed
        if packed:
            return f"packed: unpack {count(len(packed), 'file')} of I{image} where they lie (gunzip, unzip)"
        return None

    def missing(self, paths: list[str], whole: Iterable[str]) -> list[str]:
        """Those of some unreadable files that were to be slices and are not there in another form.

        Args:
            whole: the slices that can be read.
        """
        if not paths:
            return []
        names = [Path(path).name for path in whole]
        known, shapes = {plain_name(name) for name in names}, {shape(name) for name in names}
        return [
            path
            for path in paths
            if plain_name(name := intended_name(Path(path).name)) not in known and self.is_slice(name, shapes)
        ]

    def is_slice(self, name: str, shapes: set[str]) -> bool:
        """Whether a file that cannot be read was to be a slice, by its name.

        Args:
            shapes: those of the names of the slices that can be read; with none of them it may be anything.
        """
        if not shapes:
            return not self.nifti or bool(IMAGE_FILE.search(name))
        if self.named:
            return IMAGE_FILE.search(name) is not None and kind_of(name) == "dicom"
        return SLICE.search(name) is not None or (kind_of(name) == "dicom" and shape(name) in shapes)

    @property
    def packed_slices(self) -> list[str]:
        """Slices that are there in no other form: compressed one by one, and not unpacked beside themselves."""
        bare = {path: path.rpartition(".")[0] for path in self.packed}
        return [path for path, name in bare.items() if SLICE.search(name) and name not in self.dicom]


def have(files: Sized) -> str:
    """``has`` of one file, ``have`` of several."""
    return "has" if len(files) == 1 else "have"


@dataclass
class SubjectFiles:
    """``images``: by image ID; ``empty``: IDs of folders ``I<number>`` in which there is nothing; of no image in
    particular: ``archives`` that are not unpacked, and ``unfinished`` downloads; ``hidden``: image ID -> the hidden
    folder in which its files lie; ``nameless``: folder -> names of the slices in it that no name gives an image;
    ``misfiled``: (image of the folder, image of the name) -> files that are named as another image than their folder;
    ``gaps``: image ID -> which of its slices are missing, where that was looked at (:mod:`ldae.adni.slices`);
    ``endless``: links to so many folders that they are not followed."""

    images: dict[str, ImageFiles] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    nameless: dict[str, list[str]] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    misfiled: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)

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
        return self.gaps | found


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
    entries = [item for item in every if not item.name.startswith(".") or RSYNC.fullmatch(item.name)]
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
    """Bytes of a file; None for a link to nowhere."""
    if item.is_symlink() and not Path(item.path).is_file():
        return None
    return item.stat().st_size


def add_file(found: SubjectFiles, path: str, name: str, of_folder: str | None, size: Callable[[], int | None]) -> None:
    """Add one file to its image.

    Args:
        of_folder: image ID by the name of the folder, which counts where the file's own name gives none.
        size: its bytes, None for a link to nowhere; asked for files of images alone.
    """
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
    elif number == 0 and kind not in ("packed", "unfinished"):
        files.hollow.append(path)
    elif number < SMALLEST and kind in ("dicom", "nifti"):
        files.stubs.append(path)
    else:
        getattr(files, kind).append(path)
        if kind == "dicom" and of_folder is not None and of_folder != image:
            found.misfiled.setdefault((of_folder, image), []).append(path)


def days_of(images: Mapping[str, ImageFiles]) -> dict[str, list[str]]:
    """Day in the paths of some images (``2006-04-18``; the image itself where there is none) -> their IDs."""
    found: dict[str, list[str]] = {}
    for image, files in images.items():
        days = {
            next((match.group() for part in Path(path).parts if (match := DAY.match(part))), f"I{image}")
            for path in files.all
        }
        for day in days:
            found.setdefault(day, []).append(image)
    return found
