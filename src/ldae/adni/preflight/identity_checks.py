"""Whose an image is: the list of images against what the files say of themselves, in their names or their headers.

A column that a spreadsheet program sorted alone makes every image another subject's, and folders that were sorted by
such a list agree with it. The files' own account is not changed by either, so it is what the others are held against.
"""

import filecmp
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ldae.adni.disk import SubjectFiles, day_of
from ldae.adni.preflight.cross_checks import spread
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.adni.troubles import Trouble
from ldae.core.keys import PTID
from ldae.core.text_tables import count

OPENED = 2_000  # images with named files, and as many whose files have lost their names, of which a header is read
MISTAKEN = 0.01  # of the images that tell whose they are: with more, the list (or the tree) is another cohort's
USED = "knowing whose a scan is"
FIX = (
    "the list and the files disagree: download the list again, move nothing (a spreadsheet program may have sorted one "
    "column alone); if folders were filled by such a list, download the images again as well"
)


class Source(NamedTuple):
    """``astray``: the folder of an image is named after another day than its header; ``path``: of its first slice."""

    astray: bool
    subject: str
    image: str
    path: str


@dataclass(frozen=True)
class Identities:
    """``told``: number of images of the list that say whose they are; ``contradicted``: (folder's PTID, image ID) ->
    (PTID in the list, PTID that the files say); ``nameless``: number of images whose names say nothing, ``opened``: of
    how many of these a header was read."""

    told: int
    contradicted: Mapping[tuple[str, str], tuple[str, str]]
    nameless: int = 0
    opened: int = 0

    def finding(self, images: Path) -> list[Finding]:
        """That the list and the files disagree; blocking unless it is a single case among many."""
        if not self.contradicted:
            return []
        cells = shortened(
            f"I{image} of {whose} in the list, of {own} in its files"
            for (_, image), (whose, own) in self.contradicted.items()
        )
        number = f"{len(self.contradicted)} of {count(self.told, 'image')}"
        what = f"{number} listed as another subject's than the files themselves say"
        if self.opened < self.nameless:
            what += f" (names of {self.nameless} images say nothing, of {self.opened} of them a header was read)"
        severity: Severity = "blocking" if len(self.contradicted) > MISTAKEN * self.told else "quarantine"
        return [Finding(severity, f"{what}: {cells}", f"MPRAGEMETA, {images}", FIX, USED)]


def identities(files: Mapping[str, SubjectFiles], owners: Mapping[str, str]) -> Identities:
    """Compare; images whose header says that they are not the folder's are added to ``foreign``, those whose header
    says that they are of no MR scanner, and copies of other images, to ``gaps``.

    Args:
        files: PTID -> files on disk.
        owners: image ID -> PTID, of the list of images.
    """
    from ldae.adni.dicom_headers import header_of, other_kind, subject_of

    named = [
        (name, image, own, whose)
        for name, item in files.items()
        for image, own in item.images.items()
        if (whose := owners.get(image)) is not None and PTID.fullmatch(whose)  # else it is told elsewhere
    ]
    nameless, others = (
        [(name, image) for name, image, own, _ in named if own.dicom and bool(own.subjects) == known]
        for known in (False, True)
    )
    opened = set(spread(nameless, OPENED))
    asked = opened.union(spread(others, OPENED))
    sources: dict[str, list[Source]] = defaultdict(list)
    told, contradicted = 0, dict[tuple[str, str], tuple[str, str]]()
    for name, image, own, whose in named:
        says = own.subjects
        if (name, image) in asked:
            header = header_of(Path(own.dicom[0]))
            found = None if header is None else subject_of(header)
            in_header = set[str]() if found is None else {found}
            says = says or in_header
            if in_header and name not in in_header:
                files[name].foreign[image] = min(in_header)
            if header is not None and (uid := str(header.get("SOPInstanceUID", ""))):
                day = (day_of(own) or "").replace("-", "")
                astray = bool(day) and str(header.get("StudyDate", "")) != day
                sources[uid].append(Source(astray, name, image, own.dicom[0]))
            if header is not None and (kind := other_kind(image, header)) is not None:
                files[name].gaps.setdefault(image, kind)
        told += bool(says)
        if says and whose not in says:
            contradicted[name, image] = whose, min(says)
    for group in sources.values():
        for (name, image), whole in copies(group).items():
            files[name].gaps.setdefault(image, whole)
    return Identities(told, contradicted, len(nameless), len(opened))


def copies(group: list[Source]) -> dict[tuple[str, str], str]:
    """(folder's PTID, image ID) -> what image it is a copy of, among some whose first slices have one identifier: the
    first slice must be equal to the byte, since a processed image may have kept the identifiers of its original."""
    first, *others = sorted(group)
    return {
        (other.subject, other.image): Trouble.COPY.because(
            f"the files of I{other.image} are those of I{first.image}"
            + (f" of {first.subject}" if first.subject != other.subject else "")
        )
        for other in others
        if other.image != first.image and filecmp.cmp(first.path, other.path, shallow=False)
    }
