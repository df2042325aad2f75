"""Slices that are missing from an image: by the numbers in the names of its files, then by the positions in them.

The numbers alone do not tell: some scanners count in another way. So of images whose numbers have a gap the headers are
read, of a few at most, and the others are judged as these were.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from math import gcd
from pathlib import Path

from ldae.adni.disk import SubjectFiles
from ldae.adni.troubles import Trouble

OF_LONI = re.compile(r"_([0-9]{1,6})_S[0-9]+_I[0-9]+\.[^.]+$")
DIGITS = re.compile(r"[0-9]+")
LONGEST = 6  # digits; what is longer is a date or a time
FEWEST = 4  # slices, of which something can be said
LOOKED_AT = 20  # images whose headers are read
STEP = ["Rows", "Columns", "SpacingBetweenSlices", "SliceThickness"]
SEVERAL = 1.9  # times as far apart as the header says: slices between them are missing
POSITION = ["Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"]


def numbers_of(names: Sequence[str]) -> list[int]:
    """The numbers of slices in the names of their files; none where no part of the names numbers them."""
    found = [OF_LONI.search(name) for name in names]
    if all(found):
        numbers = [int(match.group(1)) for match in found if match]
        return numbers if len(set(numbers)) == len(numbers) else []
    runs = [DIGITS.findall(name.rpartition(".")[0] or name) for name in names]
    if len({len(run) for run in runs}) != 1:
        return []
    columns = [[int(run) for run in column] for column in zip(*runs, strict=True) if max(map(len, column)) <= LONGEST]
    columns = [column for column in columns if len(set(column)) == len(column)]
    return min(columns, key=lambda column: max(column) - min(column), default=[])


def missing_numbers(names: Sequence[str]) -> int:
    """How many numbers are missing between the first and the last slice, where they go up by equal steps else."""
    numbers = numbers_of(names)
    if len(numbers) < FEWEST or max(numbers) - min(numbers) + 1 == len(numbers):
        return 0
    first = min(numbers)
    step = gcd(*(number - first for number in numbers))
    return (max(numbers) - first) // step + 1 - len(numbers)


def places_of(paths: Sequence[str]) -> list[float] | None:
    """Where some slices lie along the normal of their planes (mm); None where that cannot be read."""
    from ldae.adni.dicom_headers import header_of

    places = []
    for path in paths:
        header = header_of(Path(path), POSITION)
        if header is None or not {"ImagePositionPatient", "ImageOrientationPatient"} <= set(header.dir()):
            return None
        try:
            row, column = (list(map(float, header.ImageOrientationPatient[i : i + 3])) for i in (0, 3))
            normal = [row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2]]
            normal.append(row[0] * column[1] - row[1] * column[0])
            places.append(sum(n * float(p) for n, p in zip(normal, header.ImagePositionPatient, strict=True)))
        except (ValueError, TypeError, IndexError):  # too few numbers, or one where there should be several
            return None
    return places


def step_of(path: str) -> float | None:
    """Distance between neighbouring slices (mm), as a header says it; None where it does not."""
    from ldae.adni.dicom_headers import header_of

    header = header_of(Path(path), STEP)
    cells = () if header is None else (header.get(name) for name in STEP[2:])
    try:
        return next((step for cell in cells if cell is not None and (step := float(cell)) > 0), None)
    except (ValueError, TypeError):
        return None


def missing_positions(paths: Sequence[str]) -> int | None:
    """How many slices are missing between the first and the last one, by their positions; None where these cannot be
    read."""
    if (places := places_of(paths)) is None:
        return None
    places.sort()
    step = step_of(paths[0])
    steps = [after - before for before, after in pairwise(places) if after > before]
    middle = sorted(steps)[len(steps) // 2] if steps else 0.0
    usual = min((step for step in steps if step > middle / 4), default=0.0)  # half of the slices may be missing
    if step and usual > SEVERAL * step:  # or more, so that no two neighbours are left
        usual /= round(usual / step)
    return sum(round(step / usual) - 1 for step in steps) if usual else None


def look_for_gaps(
    files: Mapping[str, SubjectFiles],
    listed: Collection[str],
    positions: Callable[[Sequence[str]], int | None] = missing_positions,
) -> None:
    """Fill in ``gaps`` of each subject.

    Args:
        files: PTID -> files on disk.
        listed: image IDs that may be converted.
        positions: reads the headers of one image.
    """
    found = []
    for name, item in files.items():
        for image, own in item.images.items():
            if image in item.gaps or image not in listed:
                continue
            if len(own.dicom) >= FEWEST and (missing := missing_numbers(names(own.dicom))):
                found.append((name, image, missing))
    confirmed = looked = 0
    for name, image, missing in found:
        paths, real = files[name].images[image].dicom, missing
        if looked < LOOKED_AT:
            looked += 1
            by_position = positions(paths)
            real = missing if by_position is None else by_position
            confirmed += real > 0
        if real > 0 and confirmed:
            files[name].gaps[image] = Trouble.GAPS.because(
                f"{real} of {len(paths) + real} slices of I{image} are not there"
            )


def names(paths: Sequence[str]) -> list[str]:
    """Names of some files without their folders."""
    return [path.rpartition("/")[2] for path in paths]
