"""What a DICOM header says of its slice: which series, whose, of what scanner."""

from pathlib import Path
from typing import BinaryIO

import pydicom

from ldae.adni.troubles import Trouble
from ldae.core.errors import is_machine_error
from ldae.core.keys import PTID

SERIES = ("SeriesInstanceUID", "SeriesNumber", "StudyDate")
TAGS = ["SOPInstanceUID", *SERIES, "InstanceNumber", "Rows", "Columns", "PatientID", "Modality"]


def subject_of(header: pydicom.Dataset) -> str | None:
    """The subject of the study (PTID) that PatientID names; None where it names none."""
    patient = str(header.get("PatientID", "")).strip().upper()
    return patient if PTID.fullmatch(patient) else None


def header_of(path: Path | BinaryIO, tags: list[str] = TAGS) -> pydicom.Dataset | None:
    """The few tags that tell slices apart, or None where the file is no DICOM image."""
    try:
        header = pydicom.dcmread(path, specific_tags=[*tags], stop_before_pixels=True)
    except (pydicom.errors.InvalidDicomError, AttributeError, EOFError, ValueError, KeyError, OSError) as error:
        if is_machine_error(error):
            raise
        return None
    return header if header.get("Rows") and header.get("Columns") else None


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
    except (pydicom.errors.InvalidDicomError, EOFError, ValueError):
        return None
