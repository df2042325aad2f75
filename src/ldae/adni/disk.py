"""Which files of a subject's folder belong to which image, by their names and those of their folders alone.

LONI's files end in ``_I<image ID>.dcm`` and lie in a folder ``I<image ID>``; either is enough here. Dot files (those of
macOS beside each DICOM), metadata (XML, JSON) and links to nowhere belong to no image.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ldae.core.files import is_folder, saying_what_is_closed

IMAGE_FILE = re.compile(r"_I(\d+)\.[^.]", re.IGNORECASE)
IMAGE_FOLDER = re.compile(r"I(\d+)", re.IGNORECASE)
DICOM_SUFFIX = re.compile(r"\.(dcm|ima|dicom)|\.\d+|", re.IGNORECASE)  # some scanners number their files
NIFTI_SUFFIX = re.compile(r".*\.nii(\.gz)?", re.IGNORECASE)
ARCHIVE = re.compile(r".*\.(zip|tar|tgz|gz|7z|rar)", re.IGNORECASE)


@dataclass
class ImageFiles:
    """Paths of one image's files. ``named``: a DICOM file has LONI's ending; ``broken``: links to nowhere."""

    dicom: list[str] = field(default_factory=list)
    nifti: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    named: bool = False

    @property
    def there(self) -> bool:
        """Whether any file of the image can be read."""
        return bool(self.dicom or self.nifti)


@dataclass
class SubjectFiles:
    """``images``: by image ID; ``empty``: IDs of folders ``I<number>`` without any file; ``archives``: not unpacked."""

    images: dict[str, ImageFiles] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """IDs of the images that have files, or links where files should be."""
        return {name for name, files in self.images.items() if files.there or files.broken}


@saying_what_is_closed()
def subject_files(subject: Path) -> SubjectFiles:
    """Every file of a subject that may belong to an image; no file is opened."""
    found = SubjectFiles()
    add_folder(found, subject.name, str(subject))
    return found


def add_folder(found: SubjectFiles, name: str, place: str) -> None:
    """Add what a folder (its name, its path) and the folders in it hold."""
    with os.scandir(place) as items:
        entries = sorted((item for item in items if not item.name.startswith(".")), key=lambda item: item.name)
    of_folder = IMAGE_FOLDER.fullmatch(name)
    image = of_folder.group(1) if of_folder else None
    if image and not entries:
        found.empty.append(image)
    for item in entries:
        if is_folder(item):
            add_folder(found, item.name, item.path)
        else:
            add_file(found, item, image)


def add_file(found: SubjectFiles, item: os.DirEntry, of_folder: str | None) -> None:
    """Add one file to its image.

    Args:
        of_folder: image ID by the name of the folder, which counts where the file's own name gives none.
    """
    name = item.name
    if name.endswith(".dcm") or DICOM_SUFFIX.fullmatch(Path(name).suffix):
        kind = "dicom"
    elif NIFTI_SUFFIX.fullmatch(name):
        kind = "nifti"
    else:
        if ARCHIVE.fullmatch(name):
            found.archives.append(item.path)
        return
    of_file = IMAGE_FILE.search(name)
    image = of_file.group(1) if of_file else of_folder
    if image is None:
        return
    files = found.images.setdefault(image, ImageFiles())
    if item.is_symlink() and not Path(item.path).is_file():
        files.broken.append(item.path)
        return
    getattr(files, kind).append(item.path)
    files.named |= kind == "dicom" and of_file is not None
