"""Images that lack slices at an end as all others of their subject do: told by other subjects' images.

Within a subject nothing is short then (:mod:`ldae.adni.short_series`). The same protocol gives every subject nearly
the same number of slices, so other subjects tell it, of the same kind of sequence, matrix, scanner and
distance between slices, and of the same site where there are some. A site may have used a smaller slab for a small
head, though: such a slab lies in the middle as the others do, and one that lost an end does not.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from statistics import median

from ldae.adni.disk import SubjectFiles
from ldae.adni.short_series import ALIKE, Headers, Protocol, Series
from ldae.adni.slices import missing_numbers, names, numbers_of, places_of
from ldae.adni.troubles import Trouble

PROCESSED = r";|gradwarp|scaled|(?<![a-z0-9])n3m?(?![a-z0-9])"
KINDS = tuple(re.compile(word, re.IGNORECASE) for word in ("spgr", "acc|sense|grappa", PROCESSED))
SAME_MATRIX = 0.04  # by so much two slices of one matrix differ in bytes
WITNESSES = 2  # other subjects with more slices by the same protocol
ASKED = 6  # of whom headers are read, to find the witnesses
AS_FEW = 1.05  # of the slices: another subject has no more either
LONG = 50.0  # mm; by so much a slab is shortened for no head
ASIDE = 0.35  # of the missing width, by which the middle of a slab lies aside that lost an end (it would be 0.5)


def look_for_short_subjects(files: Mapping[str, SubjectFiles], listed: Mapping[str, str], headers: Headers) -> None:
    """Fill in ``gaps`` of each subject.

    Args:
        files: PTID -> files on disk.
        listed: image ID -> sequence, of the list of images.
        headers: reads a bounded number of them.
    """
    groups: dict[tuple[bool, ...], dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    for name, item in files.items():
        for image, own in item.images.items():
            if own.dicom and image in listed and image not in item.gaps:
                groups[kind_of_sequence(listed[image])][name].append(Series(name, image, own))
    for group in groups.values():
        for longest in by_matrix([max(some, key=lambda series: series.slices) for some in group.values()]):
            for series in suspicious(longest):
                if (usual := usual_number(series, longest, headers)) is None:
                    continue
                for short in group[series.subject]:
                    if short.slices < ALIKE * usual:
                        files[short.subject].gaps[short.image] = Trouble.GAPS.because(
                            f"I{short.image} has {short.slices} slices, images of other subjects by the same protocol "
                            f"have {usual}"
                        )


def kind_of_sequence(name: str) -> tuple[bool, ...]:
    """What tells sequences apart that have another number of slices; sites spell one and the same differently."""
    return tuple(pattern.search(name) is not None for pattern in KINDS)


def by_matrix(longest: Iterable[Series]) -> list[list[Series]]:
    """Images in groups whose slices have as many bytes, but for their headers."""
    found, last = list[list[Series]](), -1.0
    for series in sorted(longest, key=size_of):
        if size_of(series) > (1 + SAME_MATRIX) * last:
            found.append([])
        found[-1].append(series)
        last = size_of(series)
    return found


def size_of(series: Series) -> int:
    """Bytes of an image's largest slice."""
    return max(series.files.sizes, default=0)


def suspicious(longest: Collection[Series]) -> list[Series]:
    """Images with clearly fewer slices than is usual at their site, or at all sites where theirs has too few
    subjects."""
    if len(longest) <= WITNESSES:
        return []
    sites: dict[str, list[int]] = defaultdict(list)
    for series in longest:
        sites[series.subject[:3]].append(series.slices)
    usual = {site: median(numbers) for site, numbers in sites.items() if len(numbers) > WITNESSES}
    everywhere = median(series.slices for series in longest)
    return [series for series in longest if series.slices < ALIKE * usual.get(series.subject[:3], everywhere)]


def usual_number(series: Series, longest: Iterable[Series], headers: Headers) -> int | None:
    """How many slices others have by the protocol of an image that lost an end; None where nothing speaks for it.

    Args:
        series: the image of its subject and sequence with the most slices.
        longest: the same of every subject with that sequence and matrix.
    """
    taken = headers.of(series.files.dicom[0])
    if taken is None or taken.step is None or taken.frames > 1 or taken.declared == series.slices:
        return None
    others = [other for other in longest if other.subject != series.subject]
    others.sort(key=lambda other: other.subject[:3] != series.subject[:3])  # those of the same site first
    witnesses = like_ones(taken, [other for other in others if other.slices > series.slices / ALIKE], headers)
    if len(witnesses) < WITNESSES:
        return None
    usual = round(median(other.slices for other in witnesses))
    if taken.declared is not None and taken.declared >= ALIKE * usual:
        return usual
    missing = (usual - series.slices) * taken.step
    rivals = like_ones(taken, [other for other in others if other.slices <= AS_FEW * series.slices], headers)
    middle, middles = middle_of(series), [place for other in witnesses if (place := middle_of(other)) is not None]
    if middle is None or not middles:
        return None if rivals else usual
    aside = abs(middle - median(middles)) > ASIDE * missing
    return usual if aside and (missing > LONG or not rivals) else None


def like_ones(taken: Protocol, some: Iterable[Series], headers: Headers) -> list[Series]:
    """The first few of some images that were taken by the same protocol."""
    found = []
    for other in list(some)[:ASKED]:
        theirs = headers.of(other.files.dicom[0])
        if theirs is not None and theirs.frames == 1 and taken.is_like(theirs):
            found.append(other)
    return found


def middle_of(series: Series) -> float | None:
    """Place of the middle of a slab along its normal (mm); None where names or headers do not tell it."""
    every = names(series.files.dicom)
    numbers = numbers_of(every)
    if not numbers or missing_numbers(every):
        return None
    order = sorted(zip(numbers, series.files.dicom, strict=True))
    places = places_of([order[0][1], order[-1][1]])
    return None if places is None else sum(places) / 2
