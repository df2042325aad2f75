"""Every kind of bad scan: how it is made of a healthy one, and the words that it is refused with."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

NO_BRAIN = "quality control|not a brain"


def write(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, code=1)
    image.header.set_zooms(np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1).tolist() + [1] * (data.ndim - 3))
    nib.save(nib.Nifti1Image(data, affine, image.header), path)


def cut(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    write(path, data, affine)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_voxel(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    write(path, data, affine)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[80:92] = struct.pack("<3f", 0, 0, 0)  # pixdim
    raw[252:256] = struct.pack("<2h", 1, 0)  # qform_code, sform_code
    path.write_bytes(gzip.compress(bytes(raw)))


def changed(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    return lambda path, data, affine: write(path, *change(data, affine))


def entry(row: int, column: int, value: float) -> Callable:
    def change(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        affine = affine.copy()
        affine[row, column] = value
        return data, affine

    return changed(change)


def with_nan(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = data.astype(np.float32)
    data[:2] = np.nan
    data[2] = np.inf
    return data, affine


def hot(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = data.astype(np.float32)
    data[30, 30, 30] = 1e9
    return data, affine


def colour(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(data.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), affine


def no_orientation(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(data, affine)
    image.set_qform(None, code=0)
    image.set_sform(None, code=0)
    nib.save(image, path)


def two_orientations(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Mirrored by a program that turned the sform and forgot the qform."""
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code=1)
    image.set_sform(np.diag([-1.0, 1, 1, 1]) @ affine, code=1)
    nib.save(image, path)


def random_numbers(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 255, data.shape).astype(np.int16), affine


BAD = {
    "truncated": (cut, "unreadable: EOFError"),
    "zerobytes": (lambda path, data, affine: path.write_bytes(b""), "unreadable"),
    "missing": (lambda path, data, affine: None, "missing from the BIDS dataset"),
    "four": (changed(lambda data, affine: (np.stack([data] * 3, axis=-1), affine)), "not three-dimensional"),
    "two": (changed(lambda data, affine: (data[:, :, :1], affine)), "not three-dimensional"),
    "zero": (changed(lambda data, affine: (np.zeros_like(data), affine)), "constant image"),
    "nan": (changed(with_nan), "not finite"),
    "flat": (entry(2, 2, 0.0), "cannot be inverted"),
    "sheared": (entry(0, 1, 1.5), "sheared"),
    "zerovoxel": (zero_voxel, "voxel size of zero"),
    "thick": (entry(2, 2, 6.0), "voxel size"),
    "cropped": (
        changed(lambda data, affine: (data[:, :, : data.shape[2] // 2 + 6], affine)),
        NO_BRAIN,
    ),
    "contrast": (
        changed(lambda data, affine: (np.where(data > 20, 260 - data, data), affine)),
        NO_BRAIN,
    ),
    "extreme": (changed(hot), "extreme intensities"),
    "colour": (changed(colour), "not a scalar image"),
    "unplaced": (no_orientation, "no orientation"),
    "mirrored": (two_orientations, "disagree about left and right"),
    "random": (changed(random_numbers), NO_BRAIN),
}
