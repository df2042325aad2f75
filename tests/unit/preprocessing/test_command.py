"""``ldae preprocess`` on one small head, as a user calls it."""

import nibabel as nib
import numpy as np
import pytest
import yaml

from ldae.cli import main
from ldae.errors import QuarantinedScan, UserError
from ldae.files import read_json, read_tsv
from ldae.phantom.dicom import write_series
from ldae.phantom.images import images_of
from ldae.phantom.schedule import plan_subject
from ldae.preprocessing.reading import read_scan
from ldae.preprocessing.scan import as_nifti, scan_names

FAST = {
    "shards": 1,
    "bias_field": {"shrink_factor": 6, "iterations": [5], "tolerance": 1e-3},
    "brain_extraction": {"second_stage": False},
    "registration": {"transform": "affine", "resolution_mm": 4.0},
    "conform": {"shape": [48, 56, 48], "spacing_mm": 3.5, "centre_mm": [0, -17, 5], "intensity": "robust"},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The small networks' configuration with these settings."""
    path = tmp_path_factory.mktemp("config") / "fast.yaml"
    path.write_text(yaml.safe_dump({"preprocessing": FAST}))
    return ["--config", "config/config.yaml", "config/small_networks.yaml", str(path)]


@pytest.fixture(scope="module")
def scan(tmp_path_factory, head):
    """The head with axes L-A-S, as scanners often store it."""
    path = tmp_path_factory.mktemp("scan") / "sub-01_ses-M006_T1w.nii.gz"
    image = nib.Nifti1Image(np.rint(head.get_fdata()[::-1]).astype(np.int16), head.affine @ mirror(head.shape[0]))
    nib.save(image, path)
    return path


def mirror(size: int) -> np.ndarray:
    matrix = np.diag([-1.0, 1, 1, 1])
    matrix[0, 3] = size - 1
    return matrix


def test_one_scan_leaves_everything_and_says_so(config, scan, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(__file__.split("/tests/")[0])
    assert main(["preprocess", str(scan), str(tmp_path), *config]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("sub-01 ses-M006: ") and "ncc_template 0." in line and "\n" not in line
    anat = tmp_path / "sub-01/ses-M006/anat"
    mask, original = nib.load(anat / "sub-01_ses-M006_desc-brain_mask.nii.gz"), nib.load(scan)
    assert np.array_equal(mask.affine, original.affine) and mask.shape == original.shape
    assert nib.aff2axcodes(mask.affine) == ("L", "A", "S")
    derivative = next(anat.glob("*_res-3p5_desc-preproc_T1w.nii.gz"))
    assert nib.load(derivative).shape == (48, 56, 48)
    row = read_tsv(anat / "sub-01_ses-M006_desc-qc_T1w.tsv").iloc[0]
    assert row["qc"] in ("pass", "warn") and row["path"].endswith(derivative.name)
    assert np.loadtxt(next(anat.glob("*_xfm.txt"))).shape == (4, 4)
    assert (tmp_path / "sub-01/figures/sub-01_ses-M006_desc-qc_T1w.png").is_file()
    record = read_json(derivative.with_name(derivative.name.replace(".nii.gz", ".json")))
    assert {"inputs", "parameters", "versions", "sha256", "metrics"} <= set(record)


def test_a_refused_scan_is_one_sentence_and_status_3(config, scan, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(__file__.split("/tests/")[0])
    broken = tmp_path / "scan.nii.gz"
    broken.write_bytes(scan.read_bytes()[:5000])
    assert main(["preprocess", str(broken), str(tmp_path / "out"), *config]) == 3
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"ldae: {broken} is refused: unreadable: EOFError") and "\n" not in said


def test_a_dicom_folder_becomes_one_volume(tmp_path):
    plan = plan_subject(0, 2, 2, extra=False, converter=False)
    series = images_of(0, plan, plan.visits[0])[0]
    volume = np.arange(40 * 44 * 36, dtype=np.int16).reshape(40, 44, 36) % 900
    write_series(volume, (4.0, 4.0, 4.0), tmp_path / "dicom", series, "F", 70.0)
    (tmp_path / "scratch").mkdir()
    found = read_scan(as_nifti(tmp_path / "dicom", tmp_path / "scratch"))
    values = nib.as_closest_canonical(found).get_fdata()
    assert values.shape == volume.shape and np.corrcoef(values.ravel(), volume.ravel())[0, 1] > 0.9999


def test_names_and_sources(tmp_path):
    assert scan_names(tmp_path / "sub-ADNI002S0295_ses-M006_T1w.nii.gz") == ("sub-ADNI002S0295", "ses-M006")
    assert scan_names(tmp_path / "my scan_1.nii") == ("sub-myscan1", "ses-M000")
    with pytest.raises(UserError, match="does not exist"):
        as_nifti(tmp_path / "none.nii", tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "scratch").mkdir()
    with pytest.raises(QuarantinedScan, match="made 0 volumes"):
        as_nifti(tmp_path / "empty", tmp_path / "scratch")
