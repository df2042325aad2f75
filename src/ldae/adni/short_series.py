"""Images that cannot be whole: slices missing at an end of the series, and slices that end in the middle.

Numbers in file names do not tell how many slices there were. What tells it are the other images of the same subject and
sequence, and that a head has a width. Suspicious images are few: of each one header is read, of a bounded number.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ldae.adni.dicom_headers import header_of, transfer_syntax
from ldae.adni.disk import SubjectFiles
from ldae.adni.image_files import ImageFiles
from ldae.adni.slices import OF_LONI, names
from ldae.adni.troubles import Trouble
from ldae.core.file_names import plain_name

NARROWEST = 120.0  # mm; an adult's head is wider from ear to ear, and longer in any other direction
ENOUGH = 120  # slices; with so many of a millimetre there is a head
ALIKE = 0.85  # of the slices that the same protocol gave the same subject before; heads need a few more or less
ROUGHLY = 0.75  # of the width (mm), or else of the slices, of any other image of the subject's with that name
ASKED = 40  # images of which the scanner's own number of slices is read
LOOKED_AT = 1_000  # images of which a header is read
REPEAT = re.compile(r"[\W_]*repeat.*")  # of the same sequence, on the same day
WHOLE_SIZE = 0.9  # of the bytes of the largest slice, which a slice without compression has at least
HEADERS_DIFFER = 256  # bytes, between slices of one series
PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)  # pixels as they are
SMALL_SLICE = 60_000  # bytes; 192 x 192 voxels of two bytes have more
TAGS = [
    *(
        "Rows",
        "Columns",
        "BitsAllocated",
        "SamplesPerPixel",
        "NumberOfFrames",
        "SliceThickness",
        "SpacingBetweenSlices",
    ),
    *("Manufacturer", "ManufacturerModelName", "PixelSpacing", "ImagesInAcquisition"),
]


@dataclass(frozen=True)
class Protocol:
    """How an image was taken, by one of its headers: ``step`` between slices (mm), ``least`` bytes of a file
    with nearly all its pixels (None: compressed), and what else must agree between two images of one protocol;
    ``declared``: the number of images that the scanner says it took, where it does."""

    frames: int
    step: float | None
    least: int | None
    scanner: tuple[str, ...]
    declared: int | None = None

    def is_like(self, other: "Protocol") -> bool:
        """Whether two images have as many slices, unless some are missing."""
        steps = self.step is not None and other.step is not None and abs(self.step - other.step) < 0.01 * self.step
        return steps and self.scanner == other.scanner


class Headers:
    """Reads one header of each image that is asked for, of at most ``LOOKED_AT`` images."""

    def __init__(self) -> None:
        self.known: dict[str, Protocol | None] = {}

    def of(self, path: str) -> Protocol | None:
        """None where there are too many, or the file is no DICOM image."""
        if path not in self.known and len(self.known) < LOOKED_AT:
            self.known[path] = protocol(Path(path))
        return self.known.get(path)


def protocol(path: Path) -> Protocol | None:
    """What the header of a file says of its image; None of a file that is no DICOM image."""
    with open(path, "rb") as handle:
        header, before = header_of(handle, TAGS), handle.tell()
    if header is None:
        return None
    step = as_number(header.get("SpacingBetweenSlices")) or as_number(header.get("SliceThickness"))
    syntax = transfer_syntax(path)
    pixels = int(header.Rows) * int(header.Columns) * int(as_number(header.get("SamplesPerPixel")) or 1)
    bits = int(as_number(header.get("BitsAllocated")) or 0)
    frames = int(as_number(header.get("NumberOfFrames")) or 1)
    plain = syntax in PLAIN
    names = ("Rows", "Columns", "Manufacturer", "ManufacturerModelName", "PixelSpacing")
    scanner = tuple(str(header.get(name, "")) for name in names)
    size = frames * pixels * bits // 8
    least = before + size - max(size // 10, HEADERS_DIFFER) if plain else None
    declared = as_number(header.get("ImagesInAcquisition"))
    return Protocol(frames, step, least, scanner, None if declared is None else int(declared))


def as_number(cell: object) -> float | None:
    """A positive number of a header; None for anything else."""
    try:
        number = float(str(cell))
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


@dataclass(frozen=True)
class Series:
    """One listed image on disk: its ``subject``, ``image`` ID and ``files``."""

    subject: str
    image: str
    files: ImageFiles

    @cached_property
    def slices(self) -> int:
        """Number of its slices, each once: the different numbers in LONI's names; else the different names, or
        folders if there are more."""
        every = names(self.files.dicom)
        numbers = {match.group(1) for name in every if (match := OF_LONI.search(name))}
        folders = {path.rpartition("/")[0] for path in self.files.dicom}  # some viewers write a folder for every slice
        return len(numbers) or max(len({plain_name(name) for name in every}), len(folders))


def look_for_short_series(
    files: Mapping[str, SubjectFiles], listed: Mapping[str, str], headers: Headers | None = None
) -> int:
    """Fill in ``gaps`` of each subject; returns the number of the first slice of most images (of LONI: 0 or 1).

    Args:
        files: PTID -> files on disk.
        listed: image ID -> sequence, of the list of images: what is compared, and may be converted.
        headers: reads a bounded number of them.
    """
    groups: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for name, item in files.items():
        for image, own in item.images.items():
            if own.dicom and image in listed and image not in item.gaps:
                groups[name, REPEAT.sub("", listed[image].lower())].append(Series(name, image, own))
    several = (series for group in groups.values() for series in group if series.slices > 1)  # not all in one file
    some = islice(several, LOOKED_AT)
    firsts = Counter(first for series in some if (first := first_number(series.files)) is not None)
    usual = firsts.most_common(1)[0][0] if firsts else 1
    headers = Headers() if headers is None else headers
    for group in groups.values():
        alike = len({len(series.files.dicom) for series in group}) == 1 and len(group[0].files.dicom) >= ENOUGH
        longest = group[0] if alike else max(group, key=lambda series: series.slices)
        largest = max(max(series.files.sizes, default=0) for series in group)
        for series in group:
            trouble = None if alike else missing_slices(series, longest, usual, headers)
            trouble = trouble or cut_off(series, largest, headers)
            if trouble is not None:
                files[series.subject].gaps[series.image] = trouble
    return usual


def fewer_than_declared(files: Mapping[str, SubjectFiles], listed: Collection[str], headers: Headers) -> list[str]:
    """``I123 has 150 of 170``: images with fewer slices than their scanner says it took, of a few that are spread over
    all; none where that is so of fewer than half of them (other images counted, perhaps)."""
    every = [
        Series(name, image, own)
        for name, item in files.items()
        for image, own in item.images.items()
        if own.dicom and image in listed and image not in item.gaps
    ]
    some = [
        (series, taken.declared)
        for series in every[:: max(len(every) // ASKED, 1)]
        if (taken := headers.of(series.files.dicom[0])) is not None and taken.declared is not None and taken.frames == 1
    ]
    short = [(series, number) for series, number in some if number / 2 < series.slices < number]
    return (
        [f"I{series.image} has {series.slices} of {number}" for series, number in short]
        if 2 * len(short) > len(some)
        else []
    )


def first_number(files: ImageFiles) -> int | None:
    """The lowest number of a slice in LONI's file names; None where they have none."""
    found = [int(match.group(1)) for name in names(files.dicom) if (match := OF_LONI.search(name))]
    return min(found, default=None)


def missing_slices(series: Series, longest: Series, usual: int, headers: Headers) -> str | None:
    """Why an image lacks slices at an end; None where nothing speaks for it.

    Args:
        longest: the image of the same subject and sequence with the most slices.
        usual: the number of the first slice of most images.
    """
    few, fewer = series.slices < ENOUGH, series.slices < ALIKE * longest.slices
    first = first_number(series.files) if series.slices < longest.slices else None
    late = first is not None and first > usual
    if not (few or fewer or late):
        return None
    taken = headers.of(series.files.dicom[0])
    if taken is not None and taken.frames > 1:
        return None  # all slices in one file
    width = None if taken is None or taken.step is None else series.slices * taken.step
    if width is not None and width < NARROWEST:
        return Trouble.GAPS.because(
            f"I{series.image} has {series.slices} slices, which span {width:.0f} mm; a head is wider"
        )
    if not (fewer or late):
        return None
    compared = Trouble.GAPS.because(
        f"I{series.image} has {series.slices} slices, I{longest.image} of the same subject and sequence has "
        f"{longest.slices}"
    )
    if first is not None and late and first - usual + series.slices <= longest.slices:
        return compared
    other = headers.of(longest.files.dicom[0])
    if taken is None or other is None or width is None or other.step is None:
        return compared if series.slices < ROUGHLY * longest.slices else None
    if other.frames > 1 or not fewer:
        return None
    return compared if taken.is_like(other) or width < ROUGHLY * longest.slices * other.step else None


def cut_off(series: Series, largest: int, headers: Headers) -> str | None:
    """Why files of an image are too small for their pixels; None where they are not.

    Args:
        largest: bytes of the largest slice of the same subject and sequence.
    """
    sizes = series.files.sizes
    most = max(sizes, default=0)
    if not sizes or (min(sizes) >= WHOLE_SIZE * most and most >= ROUGHLY * largest and most >= SMALL_SLICE):
        return None
    first = series.files.dicom[0]
    taken = headers.of(first)
    if taken is None and first in headers.known:
        what = f"{first.rpartition('/')[2]} of I{series.image} has no usable header"
        return Trouble.UNREADABLE.because(f"{what} (copy or download it again)")
    if taken is None or taken.least is None:
        return None
    short = sum(number for size, number in sizes.items() if size < taken.least)
    if not short:
        return None
    of = f"{short} of {series.slices} files of I{series.image} {'has' if short == 1 else 'have'}"
    return Trouble.CUT_OFF.because(f"{of} fewer bytes than the pixels need (copy or download them again)")
