"""The files of one image, and why they are not the image, as far as their names and sizes tell.

Files that were to hold an image and cannot (links to nowhere, files without a byte, unfinished downloads, packed
slices) are told apart, so that their image is known as lost and why; where a whole slice of the same name lies beside
them, they cost nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from pathlib import Path

from ldae.adni.troubles import Trouble
from ldae.core.file_names import (
    BY_ICLOUD,
    ICLOUD,
    IMAGE_FILE,
    NIFTI_SUFFIX,
    SLICE,
    SUBJECT_IN_NAME,
    intended_name,
    kind_of,
    plain_name,
    shape,
    shortcut_to,
)
from ldae.core.folders import is_alias
from ldae.core.text_tables import count


@dataclass
class ImageFiles:
    """Paths of one image's files. ``named``: a DICOM file has LONI's ending; ``broken``: links to nowhere; ``hollow``:
    files without a byte; ``stubs``: files with too few bytes for a slice; ``unfinished``: downloads or copies that did
    not end; ``packed``: slices compressed one by one, or archives in the image's folder; ``contradicting``: files in
    its folder that all are named as another image's, which has others; ``closed``: files that this user must not read;
    ``sizes_of_named``: bytes -> number of the slices with LONI's ending that have so many; ``sizes_of_others``: the
    same of those without."""

    dicom: list[str] = field(default_factory=list)
    nifti: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hollow: list[str] = field(default_factory=list)
    stubs: list[str] = field(default_factory=list)
    contradicting: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    sizes_of_named: Counter[int] = field(default_factory=Counter)
    sizes_of_others: Counter[int] = field(default_factory=Counter)
    named: bool = False

    @property
    def all(self) -> list[str]:
        """Paths of all files, readable or not, that were to hold the image."""
        poor = [*self.broken, *self.hollow, *self.stubs, *self.contradicting, *self.unfinished, *self.packed]
        return [*self.dicom, *self.nifti, *poor, *self.closed]

    @property
    def subjects(self) -> set[str]:
        """Subjects (PTID) after whom the first and the last of the files are named; none where the names tell none."""
        files = self.dicom or self.nifti or self.all
        found = (SUBJECT_IN_NAME.search(path.rpartition("/")[2]) for path in files[:: max(len(files) - 1, 1)])
        return {match.group().upper() for match in found if match}

    @property
    def sizes(self) -> Counter[int]:
        """Bytes -> number of slices; a file without LONI's ending beside slices that have it is none."""
        return self.sizes_of_named if self.named else self.sizes_of_others

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
            return Trouble.CONTRADICTING.because(
                f"{count(len(self.contradicting), 'file')} in the folder I{image}, {named}"
            )
        lost = self.missing(self.broken, self.dicom)
        if lost:
            of = f"{len(lost)} of {len(lost) + len(self.dicom) + len(self.nifti)} files of I{image}"
            are = "is a link" if len(lost) == 1 else "are links"
            if shortcut_to(Path(lost[0]).name) or is_alias(lost[0]):
                return Trouble.NOT_THERE.because(f"I{image} is a shortcut, which leads nowhere here (copy its folder)")
            return Trouble.NOT_THERE.because(f"{of} {are} to nowhere (run `datalad get`, or copy them again)")
        if lost := self.missing(self.closed, self.dicom):
            of = f"{len(lost)} of {len(lost) + len(self.dicom) + len(self.nifti)} files of I{image}"
            return Trouble.CLOSED.because(f"{of} cannot be read by this user (chmod u+r, or ask whose they are)")
        if lost := self.missing(self.hollow, self.dicom):
            if all(NIFTI_SUFFIX.fullmatch(path) for path in lost):
                empty = Trouble.EMPTY.because(f"the NIfTI of I{image} has 0 bytes (copy or download it again)")
                return None if self.nifti else empty
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            return Trouble.EMPTY.because(f"{of} {have(lost)} 0 bytes (copy or download them again)")
        if lost := self.missing(self.stubs, self.dicom):
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            return Trouble.STUBS.because(
                f"{of} {have(lost)} too few bytes: pointers of git-annex or Git LFS (run `datalad get`, "
                "`git lfs pull`), macOS's ._ files or rests of a copy (copy or download them again)"
            )
        if lost := self.missing(self.unfinished, self.dicom):
            of = f"{len(lost)} of {len(lost) + len(self.dicom)} files of I{image}"
            if ICLOUD.fullmatch(Path(lost[0]).name):
                return Trouble.UNFINISHED.because(f"{of} lie in iCloud alone ({BY_ICLOUD})")
            ending = Path(lost[0]).name.removeprefix(intended_name(Path(lost[0]).name))
            return Trouble.UNFINISHED.because(f"{of} {have(lost)} the ending {ending} (download them again)")
        packed = self.packed_slices if self.dicom or self.nifti else self.packed
        if packed:
            return Trouble.PACKED.because(
                f"unpack {count(len(packed), 'file')} of I{image} where they lie (gunzip, unzip)"
            )
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
