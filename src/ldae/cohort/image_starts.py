"""Whether a file that is named as an image begins as a NIfTI file does, and what it is where it does not."""

import zlib
from pathlib import Path

GZIP = b"\x1f\x8b"
HEADER_SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))  # NIfTI-1 and -2
READ = 512  # bytes; gzip's own header, with a name in it, and the first bytes behind it
PREAMBLE, DICOM = 128, b"DICM"
OTHERS = (
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"PK", "a zip file"),
    (b"%PDF", "a PDF"),
    (b"\x89HDF", "HDF5 (MINC 2)"),
    (b"NRRD", "NRRD"),
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
    return None


def what_begins_so(start: bytes) -> str:
    """What a file is whose first bytes are no NIfTI header."""
    if not start.strip(b"\0"):
        return "it begins with zeros (copy it again)"
    if start[PREAMBLE:].startswith(DICOM):
        return "it is DICOM (convert the series with dcm2niix)"
    known = next((what for mark, what in OTHERS if start.lstrip().startswith(mark)), None)
    return f"it is {known}" if known else "it begins as no NIfTI file does"
