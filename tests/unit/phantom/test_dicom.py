"""The DICOM series says where everything is, to pydicom and to dcm2niix."""

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import images_of
from ldae.phantom.visit_schedule import plan_subject

SPACING = (3.0, 2.0, 2.5)


@pytest.fixture(scope="module")
def image():
    plan = plan_subject(0, 2, 2, extra=False, converter=False)
    return images_of(0, plan, plan.visits[0])[0]


@pytest.fixture(scope="module")
def volume():
    """Each axis has its own ramp, so that no flip or swap goes unnoticed."""
    x, y, z = np.indices((12, 20, 16))
    return (30 * x + 7 * y + 2 * z + 50 * ((x > 9) & (y > 15))).astype(np.int16)


@pytest.fixture(scope="module")
def series(tmp_path_factory, image, volume):
    folder = tmp_path_factory.mktemp("dicom") / image.folder
    write_series(volume, SPACING, folder, image, "F", 71.3)
    return folder


def test_dcm2niix_restores_axes_and_positions(series, volume, tmp_path):
    program = Path(sys.executable).with_name("dcm2niix")
    command = [
        program if program.exists() else shutil.which("dcm2niix"),
        "-b",
        "n",
        "-f",
        "out",
        "-o",
        tmp_path,
        series,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Warning" not in printed.stdout + printed.stderr
    restored = nibabel.as_closest_canonical(nibabel.load(tmp_path / "out.nii"))
    assert restored.shape == volume.shape
    values = restored.get_fdata()
    assert np.corrcoef(values.ravel(), volume.ravel())[0, 1] > 0.9999
    half = (np.array(volume.shape) - 1) * SPACING / 2
    assert restored.affine == pytest.approx(np.block([[np.diag(SPACING), -half[:, None]], [np.eye(4)[3]]]), abs=1e-3)


def test_headers_are_valid_and_differ_where_they_must(series, image, volume):
    slices = [pydicom.dcmread(path) for path in series.iterdir()]
    assert len(slices) == volume.shape[0]
    assert len({item.SOPInstanceUID for item in slices}) == len(slices)
    assert all(item.file_meta.MediaStorageSOPInstanceUID == item.SOPInstanceUID for item in slices)
    assert {item.SeriesInstanceUID for item in slices} == {slices[0].SeriesInstanceUID}
    assert sorted(item.InstanceNumber for item in slices) == list(range(1, len(slices) + 1))
    assert all(item.SOPInstanceUID.is_valid and len(item.SOPInstanceUID) <= 64 for item in slices)
    assert {str(item.PatientName) for item in slices} == {image.ptid}
    assert all(path.stem.endswith(f"_I{image.image_id}") for path in series.iterdir())


def test_positions_step_through_the_head(series):
    slices = sorted((pydicom.dcmread(path) for path in series.iterdir()), key=lambda item: item.InstanceNumber)
    first, second = (np.array(item.ImagePositionPatient, float) for item in slices[:2])
    assert first.tolist() == [16.5, -19.0, 18.75]  # L-P-S: leftmost slice; most anterior, most superior pixel
    assert (second - first).tolist() == [-3.0, 0.0, 0.0]


def test_an_interrupted_series_leaves_no_folder(tmp_path, image, volume, monkeypatch):
    def full_disk(self, content):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_series(volume, SPACING, tmp_path / image.folder, image, "F", 70)
    assert not (tmp_path / image.folder).exists()
