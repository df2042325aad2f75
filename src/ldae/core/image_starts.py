"""Whether a file that is named as an image begins as a NIfTI file does, and what it is where it does not; whether it
ends where its header says."""

import gzip
import math
import os
import zlib
from pathlib import Path

from nibabel import Nifti1Header, Nifti2Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ldae.core.folders import ALIAS

NARROWEST, WIDEST = 120.0, 600.0  # mm; an adult's head is wider from ear to ear, and no field of view is larger
GZIP = b"\x1f\x8b"
HEADER_SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))  # NIfTI-1 and -2
READ = 1024  # bytes; gzip's own header, with a name in it, and a NIfTI-2 header of 540 bytes behind it
PREAMBLE, DICOM = 128, b"DICM"
OTHERS = (
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"PK", "a zip file"),
    (b"%PDF", "a PDF"),
    (b"\x89HDF", "HDF5 (MINC 2)"),
    (b"NRRD", "NRRD"),
    (ALIAS, "a shortcut of macOS (copy what it leads to)"),
)


def no_nifti(path: Path) -> str | None:
    """Why a file is no NIfTI file; None where it begins as one does, as its name says it is packed."""
    with open(path, "rb") as handle:
        start = handle.read(READ)
    packed, name = start.startswith(GZIP), path.name
    if packed:
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, READ)
        except zlib.error:
            return "no NIfTI file: damaged, it cannot be unpacked (copy it again)"
    if not start.startswith(HEADER_SIZES):
        return f"no NIfTI file: {what_begins_so(start)}"
    if packed and name.lower().endswith(".nii"):
        return f"packed by gzip: name it {name}.gz"
    if not packed and name.lower().endswith(".gz"):
        return f"not packed by gzip: name it {name[:-3]}"
    return "damaged: the file ends before its image does (copy it again)" if is_cut_off(path, start, packed) else None


def is_cut_off(path: Path, start: bytes, packed: bool) -> bool:
    """Whether a NIfTI file is shorter than its header says.

    A packed file ends with the size of what it holds. Where a file was cut off, before it was packed or after, another
    number stands there; only such a file is unpacked, to be sure (one that was packed in blocks ends so, too).
    """
    whole = bytes_of_image(start)
    size = path.stat().st_size
    if whole is None or whole >= 1 << 32:  # gzip tells the size modulo 2^32
        return False
    if not packed:
        return size < whole
    with open(path, "rb") as handle:
        handle.seek(-4, os.SEEK_END)
        if int.from_bytes(handle.read(), "little") == whole:
            return False
    held = 0
    try:
        with gzip.open(path) as unpacked:
            while part := unpacked.read(1 << 20):
                held += len(part)
    except (OSError, EOFError, zlib.error):
        return True
    return held < whole


def no_head(path: Path) -> str | None:
    """Why a file cannot be an image of a head: it is no NIfTI file, no volume, or of a size that holds none; None where
    its header speaks for one (or tells no size). What the voxels show is not looked at."""
    if (trouble := no_nifti(path)) is not None:
        return trouble
    with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as handle:
        header = header_of(handle.read(READ))
    try:
        shape, sides = header.get_data_shape(), header.get_zooms()[:3]
    except (HeaderDataError, ValueError):
        return None
    if len(shape) < 3 or math.prod(shape[3:]) > 1:
        return f"no volume: it has {' x '.join(map(str, shape))} voxels"
    lengths = [number * abs(float(side)) for number, side in zip(shape, sides, strict=False)]
    if min(lengths) > 0 and (min(lengths) < NARROWEST or max(lengths) > WIDEST):
        return f"no head: it is {' x '.join(f'{length:.0f}' for length in lengths)} mm large"
    return None


def header_of(start: bytes) -> Nifti1Header:
    """The header that a NIfTI file begins with."""
    kind = Nifti2Header if start.startswith(HEADER_SIZES[2:]) else Nifti1Header
    return kind(start[: kind.sizeof_hdr], check=False)


def bytes_of_image(start: bytes) -> int | None:
    """Bytes of header and voxels that a NIfTI header promises; None where it tells no size."""
    try:
        header = header_of(start)
        offset, shape = float(header["vox_offset"]), header.get_data_shape()
        voxel = header.get_data_dtype().itemsize
    except (WrapStructError, HeaderDataError, KeyError, ValueError):
        return None
    if not shape or min(shape) < 1 or not 0 <= offset < 1 << 20:
        return None
    return int(offset) + math.prod(shape) * voxel


def what_begins_so(start: bytes) -> str:
    """What a file is whose first bytes are no NIfTI header."""
    if not start.strip(b"\0"):
        return "it begins with zeros (copy it again)"
    if start[PREAMBLE:].startswith(DICOM):
        return "it is DICOM (convert the series with dcm2niix)"
    known = next((what for mark, what in OTHERS if start.lstrip().startswith(mark)), None)
    return f"it is {known}" if known else "it begins as no NIfTI file does"
