import gzip

import nibabel
import numpy as np
import pytest

from ldae.adni.publication import check_size, checked_image
from ldae.core.errors import QuarantinedScan

NAME = "sub-ADNI002S0295_ses-M000_T1w"


@pytest.fixture
def series(download):
    """(folder of the DICOM files, image id, a faithful volume)"""
    image = download.chosen(download.plans[0].subject.ptid)[0]
    voxels = np.random.default_rng(0).integers(0, 900, (12, 14, 10)).astype(np.int16)
    return download.images / image.folder, str(image.image_id), voxels


def write(folder, voxels, affine=None, name=f"{NAME}.nii.gz", **header):
    folder.mkdir(exist_ok=True)
    image = nibabel.Nifti1Image(voxels, np.diag([16.0, 16, 16, 1]) if affine is None else affine)
    for field, text in header.items():
        image.header[field] = text
    nibabel.save(image, folder / name)


def check(folder, series):
    return checked_image(folder, NAME, series[0], series[1], is_dicom=True)


def test_faithful_image_keeps_its_voxels_and_loses_its_text(tmp_path, series):
    write(tmp_path / "anat", series[2], descrip=b"TE=3;Time=101600.000", aux_file=b"002_S_0295")
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(check(tmp_path / "anat", series)))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), series[2])
    np.testing.assert_array_equal(image.affine, np.diag([16.0, 16, 16, 1]))
    assert image.get_data_dtype() == np.int16
    assert image.header["descrip"] == b"" and image.header["aux_file"] == b""


def test_same_input_same_bytes(tmp_path, series):
    write(tmp_path / "anat", series[2])
    assert check(tmp_path / "anat", series) == check(tmp_path / "anat", series)


def test_lost_slice(tmp_path, series):
    write(tmp_path / "anat", series[2][1:])
    with pytest.raises(QuarantinedScan, match=r"slices lost: .* 1540 voxels, its DICOM files hold 1680"):
        check(tmp_path / "anat", series)


def test_missing_dicom_file(tmp_path, series):
    sorted(series[0].iterdir())[0].unlink()
    write(tmp_path / "anat", series[2])
    with pytest.raises(QuarantinedScan, match="slices lost"):
        check(tmp_path / "anat", series)


@pytest.mark.parametrize("stray", [f"{NAME}_Eq_1.nii", f"{NAME}a.nii.gz", f"{NAME}.nii"])
def test_stray_files(tmp_path, series, stray):
    write(tmp_path / "anat", series[2])
    write(tmp_path / "anat", series[2], name=stray)
    with pytest.raises(QuarantinedScan, match="split or unfinished series"):
        check(tmp_path / "anat", series)


def test_no_image(tmp_path, series):
    with pytest.raises(QuarantinedScan, match="no image: dcm2niix made nothing"):
        check(tmp_path / "anat", series)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_truncated_file(tmp_path, series, keep):
    write(tmp_path / "anat", series[2])
    path = tmp_path / "anat" / f"{NAME}.nii.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(QuarantinedScan, match="unreadable image"):
        check(tmp_path / "anat", series)


def test_four_dimensions(tmp_path, series):
    write(tmp_path / "anat", np.stack([series[2], series[2]], axis=-1))
    with pytest.raises(QuarantinedScan, match=r"not a volume: .* 4 dimensions"):
        check(tmp_path / "anat", series)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_affine(tmp_path, series, value):
    affine = np.diag([16.0, 16, 16, 1])
    affine[0, 3] = value
    write(tmp_path / "anat", series[2], affine)
    with pytest.raises(QuarantinedScan, match="bad affine"):
        check(tmp_path / "anat", series)


def test_constant_image(tmp_path, series):
    write(tmp_path / "anat", np.zeros_like(series[2]))
    with pytest.raises(QuarantinedScan, match="empty image"):
        check(tmp_path / "anat", series)


def test_unreadable_dicom(tmp_path, series):
    for path in series[0].iterdir():
        path.write_bytes(b"not a DICOM file")
    write(tmp_path / "anat", series[2])
    with pytest.raises(QuarantinedScan, match="unreadable DICOM"):
        check(tmp_path / "anat", series)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ((16.0, 16.0, 33.0), "the voxels of I.* have 16 x 16 x 33 mm"),
        ((1.0, 1.0, 1.0), "covers 12 x 14 x 10 mm"),
        ((50.0, 50.0, 50.0), "covers 600 x 700 x 500 mm"),
    ],
)
def test_implausible_geometry(tmp_path, series, steps, sentence):
    write(tmp_path / "anat", series[2], np.diag([*steps, 1]))
    with pytest.raises(QuarantinedScan, match=f"implausible geometry: .*{sentence}"):
        check(tmp_path / "anat", series)


def test_mprage_voxels_are_plausible():
    check_size((256, 256, 166), np.array([0.94, 0.94, 1.2]), "1")
    check_size((170, 256, 256), np.array([1.2, 1.0, 1.0]), "1")
