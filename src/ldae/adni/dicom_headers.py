"""What a DICOM header says of its slice: which series, whose, of what scanner."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ldae.adni.troubles import Trouble
from ldae.core.errors import is_machine_error
from ldae.core.keys import PTID

SERIES = ("SeriesInstanceUID", "SeriesNumber", "StudyDate")
TAGS = ["SOPInstanceUID", *SERIES, "InstanceNumber", "Rows", "Columns", "NumberOfFrames", "PatientID", "Modality"]
MOST_INFLATED = 1 << 27  # bytes of a file in the deflated transfer syntax; a whole head of 0.5 mm has 0.1 GB
DEFLATE = 1032  # bytes that one deflated byte can become, at most
BEFORE_DATASET = 144  # bytes of preamble, mark and the element that says how long the file's own description is
NO_HEADER = (
    *(pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException, AttributeError, EOFError, OSError),
    *(struct.error, zlib.error, ValueError, TypeError, LookupError, OverflowError, NotImplementedError),
)  # what pydicom raises over bytes that are no header


def subject_of(header: pydicom.Dataset) -> str | None:
    """The subject of the study (PTID) that PatientID names; None where it names none."""
    patient = str(header.get("PatientID", "")).strip().upper()
    return patient if PTID.fullmatch(patient) else None


def header_of(path: Path | BinaryIO, tags: list[str] = TAGS) -> pydicom.Dataset | None:
    """The few tags that tell slices apart, or None where the file is no DICOM image, or one that unpacks to more than
    any."""
    try:
        if unpacks_to_too_much(path if isinstance(path, Path) else Path(path.name)):
            return None
        header = pydicom.dcmread(path, specific_tags=[*tags], stop_before_pixels=True)
        for tag in list(header.keys()):
            try:
                _ = header[tag]
            except NO_HEADER:  # what it says cannot be read: as good as not there
                del header[tag]
        return header if voxels_of(header) else None
    except NO_HEADER as error:
        if is_machine_error(error):
            raise
        return None


def voxels_of(header: pydicom.Dataset) -> int:
    """Frames x rows x columns, as the header of a file claims them.

    Raises:
        ValueError: they are no numbers.
    """
    try:
        return int(header.get("NumberOfFrames") or 1) * int(header["Rows"].value) * int(header["Columns"].value)
    except NO_HEADER as error:
        raise ValueError(f"Rows, Columns or NumberOfFrames: {error}") from None


def unpacks_to_too_much(path: Path) -> bool:
    """Whether a deflated file holds more than :data:`MOST_INFLATED`: what is inside is counted, never kept."""
    size = path.stat().st_size
    if size * DEFLATE <= MOST_INFLATED or transfer_syntax(path) != DeflatedExplicitVRLittleEndian:
        return False
    described = pydicom.filereader.read_file_meta_info(path).get("FileMetaInformationGroupLength") or 0
    packed, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with open(path, "rb") as handle:
        handle.seek(BEFORE_DATASET + described)
        while (piece := packed.unconsumed_tail or handle.read(1 << 16)) and not packed.eof:
            inflated += len(packed.decompress(piece, 1 << 20))
            if inflated > MOST_INFLATED:
                return True
    return False


def series_of(header: pydicom.Dataset) -> tuple[str, ...]:
    """What the slices of one series have in common, and those of two do not all."""
    return tuple(str(header.get(name, "")) for name in SERIES)


def other_kind(image: str, header: pydicom.Dataset) -> str | None:
    """Why an image is none of the MR scanner's, by the modality in its header; None where it may be."""
    kind = str(header.get("Modality", "")).strip().upper()
    return (
        None if kind in ("", "MR") else Trouble.OTHER_KIND.because(f"the headers of I{image} say {kind[:16]}, not MR")
    )


def transfer_syntax(path: Path) -> str | None:
    """How a DICOM file is encoded; None where it does not say."""
    try:
        return pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
    except NO_HEADER as error:
        if is_machine_error(error):
            raise
        return None
