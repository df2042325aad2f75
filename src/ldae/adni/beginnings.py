"""Files that are named like slices and are none: the first 132 bytes of one file of every image are read.

LONI's server answers with a web page once the session has expired, and some copies leave zeros of the full length:
names and sizes say nothing of either. More files of an image are read where the first one is no DICOM, or sizes differ
much. Zeros of the full length among whole slices are found by the conversion alone. Of a NIfTI file in place of the
slices the header tells whether it may be a head.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ldae.adni.disk import SubjectFiles
from ldae.adni.image_files import ImageFiles, have
from ldae.adni.troubles import Trouble
from ldae.core.errors import is_machine_error

PREAMBLE, MAGIC = 128, b"DICM"
ALL_OF = 200  # images with a file that is no DICOM, of which every file is read; of further ones FEW
FEW = 5
SIMILAR = 0.9  # of the bytes of the largest slice: smaller ones are read too
WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")


def look_at_beginnings(files: Mapping[str, SubjectFiles]) -> None:
    """Fill in ``gaps`` of each subject for images whose files are no DICOM, or whose NIfTI file is no head."""
    looked = 0
    for item in files.values():
        for image, own in item.images.items():
            if not own.dicom:
                if own.nifti and own.trouble(image) is None and (why := unusable_nifti(image, own.nifti[0])):
                    item.gaps[image] = why
                continue
            middle = own.dicom[len(own.dicom) // 2]
            asked = [] if is_dicom(middle) else own.dicom
            asked = asked or unlike(own)
            if not asked:
                continue
            looked += 1
            step = 1 if looked <= ALL_OF else max(len(asked) // FEW, 1)
            if (trouble := no_slices(image, own, asked[::step])) is not None:
                item.gaps[image] = trouble


def unusable_nifti(image: str, path: str) -> str | None:
    """Why the NIfTI file that is there in place of an image's slices cannot be used, by its beginning and length."""
    from ldae.core.image_starts import no_head

    try:
        why = no_head(Path(path))
    except OSError as error:
        if is_machine_error(error):
            raise
        why = "it cannot be read"
    return None if why is None else Trouble.NO_NIFTI.because(f"{Path(path).name} of I{image}: {why}")


def is_dicom(path: str) -> bool:
    """Whether a file begins as DICOM files do; a file that cannot be read is not judged."""
    return (start := beginning(path)) is None or start[PREAMBLE:] == MAGIC


def beginning(path: str) -> bytes | None:
    """The first bytes of a file; None where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as handle:
            return handle.read(PREAMBLE + len(MAGIC))
    except OSError as error:
        if is_machine_error(error):
            raise
        return None


def unlike(own: ImageFiles) -> list[str]:
    """The slices of an image that are much smaller than its largest one."""
    least = SIMILAR * max(own.sizes, default=0)
    if not own.sizes or min(own.sizes) >= least:
        return []
    return [path for path in own.dicom if Path(path).stat().st_size < least]


def no_slices(image: str, own: ImageFiles, asked: Iterable[str]) -> str | None:
    """Why an image cannot be had; None where all its slices are DICOM, or what is none is no slice of it either.

    Args:
        asked: the files to look at.
    """
    bad = [path for path in asked if not is_dicom(path)]
    good = [path for path in own.dicom if path not in set(bad)]
    bad = own.missing(bad, good)
    if not bad:
        return None
    number = f"none of the {len(own.dicom)} files of I{image} is DICOM"
    if good:
        number = f"{len(bad)} of {len(own.dicom)} files of I{image} {have(bad)} no DICOM header"
    start = beginning(bad[0]) or b""
    told = "they are zeros" if not start.strip(b"\0") else ""
    if start.lstrip().lower().startswith(WEB_PAGE):
        told = "they are web pages, such as LONI sends when the session has expired"
    return Trouble.UNREADABLE.because(f"{number}{f': {told}' if told else ''} (download them again)")
