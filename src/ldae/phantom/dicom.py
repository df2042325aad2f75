"""A cohort as LONI offers it: DICOM series, one sagittal slice a file, in folders by subject, and the study tables."""

import hashlib
import shutil
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from ldae.phantom.loni_images import Image
from ldae.phantom.loni_tables import write_tables
from ldae.phantom.scan import Scan
from ldae.phantom.visit_schedule import Plan, Visit

MAX_VALUE = 4095  # 12 bits stored
TYPICAL_VALUE = 1000.0  # the 99.9th percentile is scaled to this
UID_ROOT = "1.2.826.0.1.3680043.8.498."  # pydicom's root for everybody
# Stand-ins of fixed length, replaced in the encoded header of each slice.
INSTANCE_DIGITS = 4
UID_MARK = "9" * INSTANCE_DIGITS
NUMBER_MARK = "+99997"
POSITION_MARKS = ("+9991.000000", "+9992.000000", "+9993.000000")
GHOST_SHIFT, GHOST_WEIGHT = 9, 0.35  # voxels, fraction: how motion spoils a refused image


def write_series(
    volume: np.ndarray,
    spacing: tuple[float, float, float],
    folder: Path,
    image: Image,
    sex: str,
    age: float,
    truncate: bool = False,
) -> None:
    """Write ``volume`` (x, y, z; axes R-A-S; spacing in mm) to ``folder``, which appears only when it is complete.

    Columns run from anterior to posterior, rows from superior to inferior, slices from left to right; the grid is
    centred on the scanner's origin. ``truncate`` damages the series as a broken transfer does: the middle slice's
    file ends half-way.
    """
    pixels = _scale(volume)[:, ::-1, ::-1].transpose(0, 2, 1)  # slice, row (z down), column (y down)
    header = _encode_header(pixels, spacing, image, sex, age)
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for number, (slice_pixels, position) in enumerate(zip(pixels, _positions(volume.shape, spacing), strict=True), 1):
        content = _patch(header, number, position) + np.ascontiguousarray(slice_pixels).tobytes()
        if truncate and number == len(pixels) // 2:
            content = content[: len(content) // 2]
        (temporary / image.file_name(number)).write_bytes(content)
    temporary.replace(folder)


def _scale(volume: np.ndarray) -> np.ndarray:
    low, high = float(volume.min()), float(np.percentile(volume, 99.9))
    return np.clip((volume - low) * (TYPICAL_VALUE / max(high - low, 1e-6)), 0, MAX_VALUE).astype("<u2")


def _positions(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """ImagePositionPatient (L-P-S mm) of each slice's first pixel: most anterior, most superior."""
    half = [(size - 1) * step / 2 for size, step in zip(shape, spacing, strict=True)]
    return [(half[0] - index * spacing[0], -half[1], half[2]) for index in range(shape[0])]


def _uid(*parts: object) -> str:
    """A reproducible UID without the slice's digits (at most 64 - INSTANCE_DIGITS characters)."""
    value = int.from_bytes(hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=12).digest(), "big")
    return f"{UID_ROOT}1{value}"  # the leading 1 keeps the number apart from UID_MARK


def _encode_header(
    pixels: np.ndarray, spacing: tuple[float, float, float], image: Image, sex: str, age: float
) -> bytes:
    """The file up to the pixel values, with the stand-ins in place."""
    dataset = _dataset(pixels, spacing, image, sex, age)
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    encoded = buffer.getvalue()
    return encoded[: len(encoded) - pixels[0].nbytes]


def _patch(header: bytes, number: int, position: tuple[float, float, float]) -> bytes:
    instance = f".{10 ** (INSTANCE_DIGITS - 1) + number}"
    header = header.replace(f".{UID_MARK}".encode(), instance.encode())
    header = header.replace(NUMBER_MARK.encode(), f"{number:+06d}".encode())
    for mark, value in zip(POSITION_MARKS, position, strict=True):
        header = header.replace(mark.encode(), f"{value:+012.6f}".encode())
    return header


def _dataset(
    pixels: np.ndarray, spacing: tuple[float, float, float], image: Image, sex: str, age: float
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{_uid('image', image.image_id)}.{UID_MARK}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    _set_study(dataset, image, sex, age)
    _set_protocol(dataset, image)
    _set_pixels(dataset, pixels, spacing)
    return dataset


def _set_study(dataset: FileDataset, image: Image, sex: str, age: float) -> None:
    dataset.StudyInstanceUID = _uid("study", image.study_id)
    dataset.SeriesInstanceUID = _uid("series", image.image_id)
    dataset.FrameOfReferenceUID = _uid("frame", image.image_id)
    for part in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{part}Date", f"{image.acquired:%Y%m%d}")
        setattr(dataset, f"{part}Time", f"{image.acquired:%H%M%S}.000000")
    dataset.AccessionNumber, dataset.StudyID = "", str(image.study_id)
    dataset.PatientName = dataset.PatientID = image.ptid
    dataset.PatientSex, dataset.PatientAge = sex, f"{int(age):03d}Y"
    dataset.PatientBirthDate, dataset.PatientWeight, dataset.PatientPosition = "", "70", "HFS"
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 2, 1, NUMBER_MARK


def _set_protocol(dataset: FileDataset, image: Image) -> None:
    """A Siemens MPRAGE without its private header (which converters do not need)."""
    dataset.Modality, dataset.Manufacturer = "MR", "SIEMENS"
    dataset.ManufacturerModelName = dataset.InstitutionName = "Synthetic"
    dataset.SeriesDescription = dataset.ProtocolName = image.sequence
    dataset.ImageType, dataset.BodyPartExamined = ["ORIGINAL", "PRIMARY", "M", "ND"], "HEAD"
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = ["GR", "IR"], ["SP", "MP"], "IR"
    dataset.MRAcquisitionType, dataset.SequenceName = "3D", "*tfl3d1_ns"
    dataset.MagneticFieldStrength, dataset.ImagedNucleus = image.field_strength, "1H"
    dataset.ImagingFrequency = round(42.577 * image.field_strength, 6)
    dataset.RepetitionTime, dataset.EchoTime, dataset.InversionTime, dataset.FlipAngle = 2300.0, 2.98, 900.0, 9.0
    dataset.EchoTrainLength, dataset.NumberOfAverages, dataset.PixelBandwidth = 1, 1, 240


def _set_pixels(dataset: FileDataset, pixels: np.ndarray, spacing: tuple[float, float, float]) -> None:
    across, down_columns, down_rows = (f"{step:.6f}" for step in spacing)
    dataset.SliceThickness = dataset.SpacingBetweenSlices = across
    dataset.PixelSpacing = [down_rows, down_columns]  # between rows, between columns
    dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    dataset.ImagePositionPatient = list(POSITION_MARKS)
    dataset.SliceLocation = POSITION_MARKS[0]
    dataset.Rows, dataset.Columns = pixels.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 500, 1000
    dataset.PixelData = np.ascontiguousarray(pixels[0]).tobytes()


@dataclass(frozen=True)
class Download:
    """``images``: one folder per subject (NNN_S_NNNN); ``tables``: ADNIMERGE, MPRAGEMETA, ..."""

    images: Path
    tables: Path

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Folders that the cohort is written to: images and tables."""
        return self.images, self.tables

    def holds(self, plan: Plan, visit: Visit, images: list[Image]) -> bool:
        """Whether all series of the visit are there, so that a cohort that was interrupted goes on behind it."""
        return all((self.images / image.folder).is_dir() for image in images)

    def write_images(self, plan: Plan, visit: Visit, images: list[Image], scan: Scan, broken: frozenset[int]) -> None:
        """One folder of slices per image; an image that the study refuses has motion ghosts."""
        x, y, z = (float(step) for step in np.diag(scan.affine)[:3])
        age, sex = float(scan.truth["age"]), str(scan.truth["sex"])
        for image in images:
            folder = self.images / image.folder
            if not folder.is_dir():
                volume = scan.image if image.chosen else ghosted(scan.image)
                write_series(volume, (x, y, z), folder, image, sex, age, truncate=image.image_id in broken)

    def write_tables(self, plans: list[Plan], images: list[Image], seed: int) -> None:
        """The study tables of all subjects, in LONI's names and columns; ``seed`` draws the cognitive scores."""
        write_tables(self.tables, plans, images, seed)


def ghosted(image: np.ndarray) -> np.ndarray:
    """The same head with motion ghosts along the phase-encoding axis (y): why quality control refuses it."""
    ghosts = np.roll(image, GHOST_SHIFT, axis=1) + np.roll(image, -GHOST_SHIFT, axis=1)
    return (image * (1 - GHOST_WEIGHT) + ghosts * (GHOST_WEIGHT / 2)).astype(np.int16)
