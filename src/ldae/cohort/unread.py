"""What lies in a BIDS dataset and is not read, though somebody may have meant it to be.

DICOM files, archives, unfinished downloads, shortcuts, and folders whose names are nearly those of subjects, visits and
``anat``.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ldae.core.file_names import ICLOUD, is_archive, kind_of, shortcut_to
from ldae.core.folders import is_alias
from ldae.core.text_tables import count, listed

ORDINARY = (".nii.gz", ".json", ".tsv", ".nii", ".bval", ".bvec")
NEAR_SUBJECT = re.compile(r"sub(j|ject)?[-_ ]?\w.*", re.IGNORECASE)
NEAR_SESSION = re.compile(r"(ses|sess|session|visit)[-_ ]?\w.*", re.IGNORECASE)
NEAR_ANAT = re.compile(r"anat\W*|anatomy|anatomical|s?mri|struct(ural)?|t1w?|mp-?rage", re.IGNORECASE)


@dataclass
class Unread:
    """``archives``, ``unfinished``, ``shortcuts``: files, from the root; ``folders``: those with a name that is nearly
    the right one; ``dicom``: folder -> number of DICOM files in it; ``bare``: subjects without an image."""

    archives: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    shortcuts: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    dicom: Counter[str] = field(default_factory=Counter)
    bare: list[str] = field(default_factory=list)

    def add(self, root: Path, where: str, name: str) -> None:
        """Look at the name of a file in the folder ``where`` (from the root; empty: the root itself)."""
        if name.endswith(ORDINARY) or (name.startswith(".") and not ICLOUD.fullmatch(name)):
            return
        path = f"{where}/{name}" if where else name
        if kind_of(name) == "unfinished":
            self.unfinished.append(path)
        elif is_archive(name):
            self.archives.append(path)
        elif shortcut_to(name) or is_alias(root / path):
            self.shortcuts.append(path)
        elif where in self.dicom or (
            where and kind_of(name) == "dicom" and (root / path).is_file() and is_dicom(root / path)
        ):
            self.dicom[where] += kind_of(name) == "dicom"

    def sentences(self) -> Iterator[str]:
        """What was found, a sentence for each kind, with what to do."""
        for number, noun, names, advice in (
            (len(self.folders), "folder", self.folders, "named nearly as BIDS asks for (sub-*/[ses-*/]anat): rename"),
            (len(self.archives), "archive", self.archives, "not looked into: unpack what belongs to the dataset"),
            (len(self.unfinished), "unfinished download", self.unfinished, "not read: download again"),
            (len(self.shortcuts), "shortcut", self.shortcuts, "leading nowhere in this system: copy what is meant"),
            (self.dicom.total(), "DICOM file", list(self.dicom), "not read: convert the series with dcm2niix"),
            (len(self.bare), "subject", self.bare, "without a T1w image that is read"),
        ):
            if number:
                yield f"{count(number, noun)} {advice}: {listed(names)}"


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does."""
    from pydicom import misc

    return path.is_file() and misc.is_dicom(path)
