import gzip

import nibabel as nib
import numpy as np
import pytest

from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.reading import read_scan

SHAPE, AFFINE = (40, 44, 48), np.diag([4.0, 4, 4, 1])
GOOD = np.random.default_rng(0).integers(1, 1000, SHAPE).astype(np.int16)


def with_affine(**entries: float) -> np.ndarray:
    affine = AFFINE.copy()
    for name, value in entries.items():
        affine["xyz".index(name[0]), "xyz".index(name[1])] = value
    return affine


def colour() -> np.ndarray:
    return np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


def sparse_nan() -> np.ndarray:
    data = GOOD.astype(np.float32)
    data[0] = np.nan
    return data


BROKEN_IMAGES = {
    "four volumes": (np.stack([GOOD] * 4, axis=-1), AFFINE, "not three-dimensional"),
    "one slice": (GOOD[:, :, :1], AFFINE, "not three-dimensional"),
    "colour": (colour(), AFFINE, "not a scalar image"),
    "complex": (GOOD.astype(np.complex64), AFFINE, "not a scalar image"),
    "not a number": (sparse_nan(), AFFINE, "not finite"),
    "all zero": (np.zeros(SHAPE, np.int16), AFFINE, "constant image: every voxel is 0"),
    "constant": (np.full(SHAPE, 7, np.int16), AFFINE, "constant image: every voxel is 7"),
    "few slices": (GOOD[:, :, :8], AFFINE, "too few slices"),
    "sheared": (GOOD, with_affine(xy=2.0), "sheared"),
    "flat": (GOOD, with_affine(zz=0.0), "cannot be inverted"),
    "coarse": (GOOD, with_affine(zz=9.0), "voxel size"),
    "thick slices": (GOOD, np.diag([4.0, 4, 6, 1]), "voxel size"),
    "one hot voxel": (np.where(np.arange(GOOD.size).reshape(SHAPE) == 7, 1e9, GOOD), AFFINE, "extreme intensities"),
    "almost empty": ((np.arange(GOOD.size).reshape(SHAPE) < 99).astype(np.uint8), AFFINE, "99 % of the voxels"),
    "narrow": (GOOD, np.diag([1.0, 1, 1, 1]), "field of view"),
}


@pytest.mark.parametrize("name", BROKEN_IMAGES)
def test_a_broken_image_has_its_own_reason(name, tmp_path):
    data, affine, reason = BROKEN_IMAGES[name]
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, code=1)
    nib.save(nib.Nifti1Image(data, affine, image.header), tmp_path / "scan.nii.gz")
    with pytest.raises(QuarantinedScan, match=reason):
        read_scan(tmp_path / "scan.nii.gz")


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_bits(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 64]) + content[middle + 64 :]


def unknown_datatype(content: bytes) -> bytes:
    raw = bytearray(gzip.decompress(content))
    raw[70:72] = (9999).to_bytes(2, "little")
    return gzip.compress(bytes(raw))


DAMAGE = {
    "cut": cut_in_half,
    "two kilobytes short": lambda content: content[:-2048],
    "bits flipped": flip_bits,
    "unknown datatype": unknown_datatype,
    "empty": lambda content: b"",
    "text": lambda content: b"<html>not found</html>",
    "cut after the header": lambda content: gzip.compress(gzip.decompress(content)[:5000]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_unreadable(name, tmp_path):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(GOOD, AFFINE), path)
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    with pytest.raises(QuarantinedScan, match="unreadable"):
        read_scan(path)


def test_a_header_without_orientation_is_refused(tmp_path):
    image = nib.Nifti1Image(GOOD, None)
    image.header.set_zooms((4, 4, 4))
    nib.save(image, tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match="orientation"):
        read_scan(tmp_path / "scan.nii")


def test_a_header_that_contradicts_itself_is_refused(tmp_path):
    image = nib.Nifti1Image(GOOD, AFFINE)
    image.set_qform(AFFINE, code=1)
    image.set_sform(np.diag([-4.0, 4, 4, 1]), code=1)
    nib.save(image, tmp_path / "scan.nii")
    with pytest.raises(QuarantinedScan, match="left and right"):
        read_scan(tmp_path / "scan.nii")


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint16", "float64"])
def test_any_scalar_type_is_read(dtype, tmp_path):
    data = (GOOD % 251).astype(dtype)
    nib.save(nib.Nifti1Image(data, AFFINE, dtype=dtype), tmp_path / "scan.nii.gz")
    assert np.array_equal(read_scan(tmp_path / "scan.nii.gz").get_fdata(), data)


def test_a_good_scan_keeps_grid_and_values(tmp_path):
    data = GOOD.astype(np.float32)
    data[3, 3, 3] = np.inf  # one voxel in a hundred thousand
    nib.save(nib.Nifti1Image(data[..., None], AFFINE), tmp_path / "scan.nii.gz")
    image = read_scan(tmp_path / "scan.nii.gz")
    assert image.shape == SHAPE
    assert np.array_equal(image.affine, AFFINE)
    data[3, 3, 3] = 0
    assert np.array_equal(image.get_fdata(), data)
