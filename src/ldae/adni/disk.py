"""Which files of a subject's folder belong to which image, by their names and those of their folders alone.

LONI's files end in ``_I<image ID>.dcm`` and lie in a folder ``I<image ID>``; either is enough here. Dot files (those of
macOS beside each DICOM) and metadata (XML, JSON) belong to no image. Files that were to hold an image and cannot (links
to nowhere, files without a byte, packed slices) are told apart, so that their image is known as lost and why.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ldae.core.files import is_folder, saying_what_is_closed
from ldae.core.text_tables import count

IMAGE_FILE = re.compile(r"_I(\d+)\.[^.]", re.IGNORECASE)
IMAGE_FOLDER = re.compile(r"I(\d+)", re.IGNORECASE)
DICOM_SUFFIX = re.compile(r"\.(dcm|ima|dicom)|\.\d+|", re.IGNORECASE)  # some scanners number their files
SLICE = re.compile(r"\.(dcm|ima|dicom)$", re.IGNORECASE)
NIFTI_SUFFIX = re.compile(r".*\.nii(\.gz)?", re.IGNORECASE)
ARCHIVE = re.compile(r".*\.(zip|tar|tgz|gz|bz2|xz|zst|z|7z|rar)", re.IGNORECASE)


@dataclass
class ImageFiles:
    """Paths of one image's files. ``named``: a DICOM file has LONI's ending; ``broken``: links to nowhere; ``hollow``:
    files without a byte; ``packed``: slices compressed one by one, or archives in the image's folder."""

    dicom: list[str] = field(default_factory=list)
    nifti: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hollow: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    named: bool = False

    @property
    def there(self) -> bool:
        """Whether there are files, readable or not, that were to hold the image."""
        return bool(self.dicom or self.nifti or self.broken or self.hollow or self.packed)

    def trouble(self, image: str) -> str | None:
        """Why the files are not the image, as far as their names and sizes tell.

        A NIfTI counts where there is no slice; a file without LONI's ending beside slices that have it is no slice.
        """
        if self.broken:
            of = f"{len(self.broken)} of {self.files} files of I{image}"
            return f"not on disk: {of} are links to nowhere (run `datalad get`, or copy them again)"
        slices = [path for path in self.hollow if not NIFTI_SUFFIX.fullmatch(path)]
        if lost := [path for path in slices if IMAGE_FILE.search(Path(path).name) or not self.named]:
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            return f"empty files: {of} have 0 bytes (copy or download them again)"
        packed = self.packed_slices if self.dicom or self.nifti else self.packed
        if packed:
            return f"packed: unpack {count(len(packed), 'file')} of I{image} where they lie (gunzip, unzip)"
        if self.dicom or self.nifti:
            return None
        return f"empty files: the NIfTI of I{image} has 0 bytes (copy or download it again)"

    @property
    def packed_slices(self) -> list[str]:
        """Slices that are there in no other form: compressed one by one, and not unpacked beside themselves."""
        bare = {path: path.rpartition(".")[0] for path in self.packed}
        return [path for path, name in bare.items() if SLICE.search(name) and name not in self.dicom]

    @property
    def files(self) -> int:
        """Number of files that were to hold the image."""
        return sum(map(len, (self.dicom, self.nifti, self.broken, self.hollow)))


@dataclass
class SubjectFiles:
    """``images``: by image ID; ``empty``: IDs of folders ``I<number>`` in which there is nothing; ``archives``: not
    unpacked, of no image in particular."""

    images: dict[str, ImageFiles] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """IDs of the images that have files, or what should be their files."""
        return {name for name, files in self.images.items() if files.there}

    @property
    def troubles(self) -> dict[str, str]:
        """Image ID -> why its files are not the image, as far as names and sizes tell."""
        return {name: trouble for name, files in self.images.items() if (trouble := files.trouble(name)) is not None}


@saying_what_is_closed()
def subject_files(subject: Path) -> SubjectFiles:
    """Every file of a subject that may belong to an image, by names and sizes; no file is opened."""
    found = SubjectFiles()
    add_folder(found, subject.name, str(subject))
    return found


def add_folder(found: SubjectFiles, name: str, place: str) -> None:
    """Add what a folder (its name, its path) and the folders in it hold."""
    with os.scandir(place) as items:
        entries = sorted((item for item in items if not item.name.startswith(".")), key=lambda item: item.name)
    image = image_of_folder(name)
    if image and not entries:
        found.empty.append(image)
    for item in entries:
        if is_folder(item):
            add_folder(found, item.name, item.path)
        else:
            add_file(found, item.path, item.name, image, partial(size_of, item))


def image_of_folder(name: str) -> str | None:
    """``I123`` -> ``123``; None for any other name of a folder."""
    found = IMAGE_FOLDER.fullmatch(name)
    return found.group(1) if found else None


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
    if kind == "packed" and image is None:
        found.archives.append(path)
    if kind is None or image is None:
        return
    files = found.images.setdefault(image, ImageFiles())
    files.named |= kind == "dicom" and of_file is not None
    number = size()
    if number is None:
        files.broken.append(path)
    elif number == 0 and kind != "packed":
        files.hollow.append(path)
    else:
        getattr(files, kind).append(path)


def kind_of(name: str) -> str | None:
    """What a file is by its name: ``dicom``, ``nifti`` or ``packed``; None: nothing that an image needs."""
    if name.endswith(".dcm") or DICOM_SUFFIX.fullmatch(Path(name).suffix):
        return "dicom"
    if NIFTI_SUFFIX.fullmatch(name):
        return "nifti"
    return "packed" if ARCHIVE.fullmatch(name) else None
