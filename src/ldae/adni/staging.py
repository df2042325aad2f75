"""The tree that the converters see: links to the verified files of the images that are listed, and nothing else.

A user's tree may hold anything beside the slices: hidden files, metadata, NIfTI made in place, slices copied twice,
other series, names that Clinica does not find. Which of the files are the image is decided here, from the DICOM
headers; an image whose files cannot be trusted is not staged and gets its reason.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ldae.adni.beginnings import unusable_nifti
from ldae.adni.dicom_headers import header_of, other_kind, series_of, subject_of, transfer_syntax, voxels_of
from ldae.adni.disk import A_SERIES, SubjectFiles
from ldae.adni.image_files import ImageFiles, have
from ldae.adni.slices import missing_positions
from ldae.adni.troubles import Trouble
from ldae.core.errors import QuarantinedScan
from ldae.core.file_names import IMAGE_FILE
from ldae.core.text_tables import count

MOST_VOXELS = 1e9  # that the headers of an image may claim together
MIXED = 0.5  # of the files of the largest series: another one with so many may be the image as well


@dataclass
class Staged:
    """``reasons``: image ID -> why it was not staged; ``notes``: what was left aside of staged images."""

    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def stage_subject(subject: str, files: SubjectFiles, listed: set[str], out: Path) -> Staged:
    """Link the files of the listed images of one subject into ``out/<subject>/I<image ID>``.

    DICOM comes before NIfTI: a NIfTI beside the slices is the user's own.
    """
    staged = Staged()
    (out / subject).mkdir(parents=True)
    for image in sorted(listed & set(files.images)):
        try:
            if image in files.foreign:
                raise QuarantinedScan(files.troubles[image])
            paths = image_paths(image, files.images[image], staged.notes, subject)
        except QuarantinedScan as broken:
            staged.reasons[image] = str(broken)
            continue
        folder = out / subject / f"I{image}"
        folder.mkdir()
        for number, path in enumerate(paths, 1):
            suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else ".nii"
            suffix = ".dcm" if str(path) in files.images[image].dicom else suffix
            place(path, folder / f"{number:05d}_I{image}{suffix}")
    return staged


def place(path: Path, target: Path) -> None:
    """Link a file; one in the deflated transfer syntax, which dcm2niix cannot read, is written inflated instead."""
    if target.suffix == ".dcm" and transfer_syntax(path) == DeflatedExplicitVRLittleEndian:
        whole = pydicom.dcmread(path)
        whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        whole.save_as(target)
    else:
        target.symlink_to(path.resolve())


def image_paths(image: str, files: ImageFiles, notes: list[str], subject: str | None = None) -> list[Path]:
    """The DICOM files of an image, each slice once, or its one NIfTI file.

    Args:
        subject: whose the image must be, where its headers name a subject of the study.

    Raises:
        QuarantinedScan: links to nowhere, empty or packed files, files without a usable header, with that of another
            subject or with more voxels than any image has, or no file at all.
    """
    if (trouble := files.trouble(image)) is not None:
        raise QuarantinedScan(trouble)
    if not files.dicom:
        nifti = [Path(path) for path in files.nifti]
        if len(nifti) > 1:
            notes.append(f"I{image}: {nifti[0].name} is used, {count(len(nifti) - 1, 'other NIfTI file')} not")
        if nifti and (why := unusable_nifti(image, str(nifti[0]))) is not None:
            raise QuarantinedScan(why)
        return nifti[:1]
    headers = {path: header_of(path) for path in map(Path, files.dicom)}
    good = {path: header for path, header in headers.items() if header is not None}
    unread = [str(path) for path, header in headers.items() if header is None]
    bad = files.missing(unread, map(str, good))
    if not good:
        raise QuarantinedScan(
            Trouble.UNREADABLE.because(f"none of the {len(files.dicom)} files of I{image} has a usable header")
        )
    if bad:
        raise QuarantinedScan(
            Trouble.UNREADABLE.because(
                f"{len(bad)} of {len(files.dicom)} files of I{image} {have(bad)} no usable header"
            )
        )
    if unread and not files.named:
        notes.append(f"I{image}: {count(len(unread), 'file')} beside the slices left aside: {Path(unread[0]).name}")
    good = of_one_series(image, good, notes, files.named)
    if (kind := other_kind(image, next(iter(good.values())))) is not None:
        raise QuarantinedScan(kind)
    others = Counter(whose for header in good.values() if (whose := subject_of(header)) not in (None, subject))
    if subject is not None and others:
        whose = others.most_common(1)[0][0]
        raise QuarantinedScan(Trouble.OF_ANOTHER.because(f"PatientID of {others.total()} files of I{image} is {whose}"))
    if (claimed := sum(map(voxels_of, good.values()))) > MOST_VOXELS:
        raise QuarantinedScan(Trouble.UNREADABLE.because(f"the headers of I{image} claim {claimed:.1e} voxels"))
    once: dict[object, Path] = {}
    for path, header in good.items():
        once.setdefault(header.get("SOPInstanceUID") or path, path)
    if len(once) < len(good):
        if missing := missing_positions([str(path) for path in once.values()]):
            lost = f"{missing} of {len(once) + missing} slices of I{image} are not there"
            raise QuarantinedScan(Trouble.GAPS.because(f"{lost}, copies of others have their names"))
        notes.append(f"I{image}: {count(len(good) - len(once), 'slice')} copied twice, read once")
    return list(once.values())


def of_one_series(
    image: str, headers: dict[Path, pydicom.Dataset], notes: list[str], named: bool = False
) -> dict[Path, pydicom.Dataset]:
    """The files of the largest series, where another one was copied into the image's folder without a name of its
    own.

    Args:
        named: files of the image have LONI's ending, so that others beside them are none of its.

    Raises:
        QuarantinedScan: several series have many files, and nothing tells which of them is the image.
    """
    own = {path: header for path, header in headers.items() if IMAGE_FILE.search(path.name)} if named else {}
    series = Counter(map(series_of, headers.values()))
    if len(series) > 1 and len({series_of(header) for header in own.values()}) == 1:
        kept = own
    else:
        if (sizes := sizes_of_mixed(series)) is not None:
            raise QuarantinedScan(mixed(image, sizes))
        largest, number = series.most_common(1)[0]
        if len(series) == 1 or 2 * number <= len(headers):
            return headers
        kept = {path: header for path, header in headers.items() if series_of(header) == largest}
    notes.append(f"I{image}: {count(len(headers) - len(kept), 'file')} of another series left aside")
    return kept


def sizes_of_mixed(series: Counter[tuple[str, ...]]) -> list[int] | None:
    """Numbers of files of series that may each be the image whose folder they lie in; None where one alone may."""
    first, *others = sizes = [number for _, number in series.most_common()]
    if not others or first < A_SERIES:  # some programs give each slice a series of its own
        return None
    several = others[0] >= max(A_SERIES, MIXED * first) or 2 * first <= sum(sizes)
    return [number for number in sizes if number >= A_SERIES] if several else None


def mixed(image: str, sizes: list[int]) -> str:
    """The reason to leave out an image in whose folder there are several.

    Args:
        sizes: numbers of files of the series there.
    """
    return Trouble.MIXED.because(
        f"the folder I{image} holds {len(sizes)} series ({' and '.join(map(str, sizes))} files), and no name tells "
        f"which is I{image}"
    )
