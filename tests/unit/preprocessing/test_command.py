"""``ldae preprocess`` on one small head, as a user calls it."""

import os
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
import yaml
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from ldae.cli import main
from ldae.config import BiasField, Conform, Preprocessing, Registration
from ldae.core.errors import QuarantinedScan, UserError
from ldae.core.files import read_json, read_tsv, sha256_file, write_json
from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import images_of
from ldae.phantom.visit_schedule import plan_subject
from ldae.preprocessing.derivatives import ScanFiles, sidecar
from ldae.preprocessing.one_scan import as_nifti, claim, claim_of, recipe_of, release, scan_names
from ldae.preprocessing.reading import read_scan
from ldae.preprocessing.shard import Shard, run_bias_field, run_register

FAST = {
    "shards": 1,
    "bias_field": {"shrink_factor": 6, "iterations": [5], "tolerance": 1e-3},
    "brain_extraction": {"second_stage": False},
    "registration": {"transform": "affine", "resolution_mm": 4.0},
    "conform": {"shape": [48, 56, 48], "spacing_mm": 3.5, "centre_mm": [0, -17, 5], "intensity": "robust"},
}
RECIPE = recipe_of(Preprocessing.model_validate(FAST))


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
    assert main(["preprocess", str(scan), str(tmp_path), "--pages", *config]) == 0
    line, page = capsys.readouterr().out.strip().split("\n")
    assert line.startswith("sub-01 ses-M006: ") and "ncc_template 0." in line
    text = (tmp_path / "qc/index.html").read_text()
    assert page == f"pages: {tmp_path / 'qc/index.html'}" and '"sub-01"' in text
    assert (
        "leave its scans out where you use the volumes" in text and "qc: {exclude:" not in text
    )  # no workflow reads it
    drawn = Image.open(tmp_path / "qc/pictures/sub-01/sub-01_ses-M006.webp")
    assert min(drawn.size) > 200 and np.asarray(drawn).std() > 20
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


@pytest.fixture
def volume(tmp_path):
    """One DICOM series in ``dicom``, and a folder ``scratch``."""
    plan = plan_subject(0, 2, 2, extra=False, converter=False)
    series = images_of(0, plan, plan.visits[0])[0]
    volume = np.arange(40 * 44 * 36, dtype=np.int16).reshape(40, 44, 36) % 900
    write_series(volume, (4.0, 4.0, 4.0), tmp_path / "dicom", series, "F", 70.0)
    (tmp_path / "scratch").mkdir()
    return volume


def slices_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def packed(path, syntax):
    """The slice in another transfer syntax; pydicom packs by itself what has run lengths alone."""
    slice_ = pydicom.dcmread(path)
    if syntax.is_compressed:
        slice_.compress(syntax)
    slice_.file_meta.TransferSyntaxUID = syntax
    slice_.save_as(path)


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_a_dicom_folder_becomes_one_volume(syntax, volume, tmp_path):
    for path in slices_of(tmp_path / "dicom") if syntax else []:
        packed(path, syntax)
    found = read_scan(as_nifti(tmp_path / "dicom", tmp_path / "scratch"))
    values = nib.as_closest_canonical(found).get_fdata()
    assert values.shape == volume.shape and np.corrcoef(values.ravel(), volume.ravel())[0, 1] > 0.9999


def test_dicom_files_that_nothing_here_unpacks_are_named(volume, tmp_path):
    for path in slices_of(tmp_path / "dicom"):
        packed(path, DeflatedExplicitVRLittleEndian)
    with pytest.raises(QuarantinedScan, match=r"does not read \(Deflated .*: unpack them, with `gdcmconv") as refused:
        as_nifti(tmp_path / "dicom", tmp_path / "scratch")
    assert "\n" not in str(refused.value)


def test_missing_slices_are_told_in_the_words_of_dcm2niix(volume, tmp_path):
    slices_of(tmp_path / "dicom")[17].unlink()
    with pytest.raises(QuarantinedScan, match=r"missing, .* Warning: Missing images\? Expected 39 images") as refused:
        as_nifti(tmp_path / "dicom", tmp_path / "scratch")
    assert "seconds" not in str(refused.value) and "\n" not in str(refused.value)


def test_an_orientation_is_stated_or_the_scan_is_refused(config, head, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(__file__.split("/tests/")[0])
    image = nib.AnalyzeImage(np.rint(head.get_fdata()[::-1]).astype(np.int16), None)
    image.header.set_zooms((3, 3, 3))
    nib.save(image, tmp_path / "scan.img")
    run = ["preprocess", str(tmp_path / "scan.img"), str(tmp_path / "out"), *config]
    assert main(run) == 3
    assert "no orientation (Analyze keeps none): left and right are unknown" in capsys.readouterr().err
    for wrong in ("LLS", "XYZ", "LA", "LASS"):
        assert main([*run, "--orientation", wrong]) == 1
        assert f"--orientation {wrong} must have one letter of each pair" in capsys.readouterr().err
    assert main([*run, "--orientation", "las"]) == 0
    mask = nib.load(next((tmp_path / "out").rglob("*ses-M000_desc-brain_mask.nii.gz")))
    assert nib.aff2axcodes(mask.affine) == ("L", "A", "S")
    assert main([*run, "--orientation", "RAS"]) == 1  # the folder holds it as LAS
    assert "made with other settings (preprocessing: bias_field)" in capsys.readouterr().err


def test_few_thick_slices_go_through_where_the_user_wants_them(head, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(__file__.split("/tests/")[0])
    data = np.rint(head.get_fdata())[:, :, :66].reshape(*head.shape[:2], 33, 2).mean(axis=3)[:, :, 3:]
    affine = head.affine @ np.diag([1, 1, 2, 1])
    nib.save(nib.Nifti1Image(data.astype(np.int16), affine), tmp_path / "thick.nii")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"preprocessing": FAST | {"min_slices": 24}}))
    run = ["preprocess", str(tmp_path / "thick.nii"), str(tmp_path / "out"), "--config", "config/config.yaml"]
    assert main([*run, "config/small_networks.yaml"]) == 3 and "too few slices" in capsys.readouterr().err
    assert main([*run, "config/small_networks.yaml", str(overlay)]) in (0, 3)
    said = capsys.readouterr()
    assert said.out.startswith("sub-thick ses-M000: "), said  # it was worked on, whatever its verdict


def test_names_and_sources(tmp_path):
    assert scan_names(tmp_path / "sub-ADNI002S0295_ses-M006_T1w.nii.gz") == ("sub-ADNI002S0295", "ses-M006")
    assert scan_names(tmp_path / "my scan_1.nii") == ("sub-myscan1", "ses-M000")
    with pytest.raises(UserError, match="does not exist"):
        as_nifti(tmp_path / "none.nii", tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "scratch").mkdir()
    with pytest.raises(QuarantinedScan, match="made 0 volumes"):
        as_nifti(tmp_path / "empty", tmp_path / "scratch")


def saved(path, image, data) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, image.affine), path)
    return path


def test_a_scan_of_the_same_name_and_other_content_is_refused(config, scan, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(__file__.split("/tests/")[0])
    image, out = nib.load(scan), tmp_path / "out"
    voxels = np.asarray(image.dataobj)
    first, second = (saved(tmp_path / name, image, voxels) for name in ("a/T1.nii.gz", "b/T1.nii"))
    other = saved(tmp_path / "c/T1.nii", image, voxels // 2)
    assert main(["preprocess", str(first), str(out), *config]) == 0
    line = capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in out.rglob("sub-*_desc-preproc_T1w*")}
    assert len(before) == 2
    assert main(["preprocess", str(other), str(out), *config]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(
        f"ldae: {out} already holds sub-T1 ses-M000, made from {first}, and {other} has other content"
    )
    assert "\n" not in said and "--subject" in said
    assert main(["preprocess", str(second), str(out), *config]) == 0  # the same image, packed otherwise: done already
    assert capsys.readouterr().out == line
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert main(["preprocess", str(other), str(out), "--session", "ses-M001", *config]) == 0
    assert (out / "sub-T1/ses-M001/anat").is_dir()


def test_two_runs_of_a_visit_have_one_name_and_two_claims(tmp_path):
    names = [f"sub-01_ses-M006_run-{run}_T1w.nii" for run in (1, 2)]
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    runs = [saved(tmp_path / name, image, np.full((4, 4, 4), run, np.uint8)) for run, name in enumerate(names)]
    assert scan_names(runs[0]) == scan_names(runs[1])
    files = ScanFiles(tmp_path / "out", *scan_names(runs[0]))
    assert claim(files, runs[0], runs[0], RECIPE) == claim(files, runs[0], runs[0], RECIPE) == sha256_file(runs[0])
    with pytest.raises(UserError, match=r"already holds sub-01 ses-M006, made from .*run-1_T1w\.nii, and .*run-2"):
        claim(files, runs[1], runs[1], RECIPE)
    release(files)  # nothing was made of the first
    assert claim(files, runs[1], runs[1], RECIPE) == sha256_file(runs[1])


def test_what_was_made_before_there_were_claims_is_not_replaced(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    old, new = (saved(tmp_path / f"{i}/T1.nii", image, np.full((4, 4, 4), i, np.uint8)) for i in range(2))
    files = ScanFiles(tmp_path / "out", "sub-T1", "ses-M000")
    fast = Preprocessing.model_validate(FAST).bias_field.model_dump(mode="json")
    write_json(sidecar(files.corrected), {"inputs": {"t1w": sha256_file(old)}, "parameters": fast})
    with pytest.raises(UserError, match="made from another image"):
        claim(files, new, new, RECIPE)
    claim(files, old, old, RECIPE)


def state_of(folder) -> dict:
    """Every file with its content and time."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


OTHER = {
    "bias_field": {"bias_field": FAST["bias_field"] | {"iterations": [6]}},
    "brain_extraction": {"brain_extraction": {"backend": "template"}},
    "registration": {"registration": {"transform": "rigid", "resolution_mm": 4.0}},
    "conform": {"conform": FAST["conform"] | {"spacing_mm": 3.0}},  # whose volume has a name of its own
}


def test_other_settings_replace_nothing(config, scan, tmp_path, capsys, monkeypatch):
    """Nor where the claim is one of an earlier version, which kept no settings: there the sidecars tell them."""
    monkeypatch.chdir(__file__.split("/tests/")[0])
    out, files = tmp_path / "out", ScanFiles(tmp_path / "out", "sub-01", "ses-M006")
    run = ["preprocess", str(scan), str(out)]
    assert main([*run, *config]) == 0
    line = capsys.readouterr().out
    with_recipe = read_json(claim_of(files))
    for recipe in ({"recipe": with_recipe["recipe"]}, {}):
        write_json(claim_of(files), {name: with_recipe[name] for name in with_recipe if name != "recipe"} | recipe)
        before = state_of(out)
        for section, settings in OTHER.items():
            overlay = tmp_path / f"{section}.yaml"
            overlay.write_text(yaml.safe_dump({"preprocessing": FAST | settings}))
            assert main([*run, *config[:-1], str(overlay)]) == 1
            said = capsys.readouterr().err.strip()
            assert said.startswith(
                f"ldae: {out} already holds sub-01 ses-M006, made with other settings (preprocessing: "
            )
            assert section in said and "give another OUT_DIR" in said and "\n" not in said
            assert state_of(out) == before
    images = {path: seen for path, seen in before.items() if "nii" in path.name}
    assert main([*run, *config]) == 0  # done already, and the claim is completed
    assert capsys.readouterr().out == line
    assert images.items() <= state_of(out).items() and read_json(claim_of(files)) == with_recipe


def test_what_a_killed_run_left_is_removed_and_its_name_is_free_for_other_settings(config, scan, tmp_path, monkeypatch):
    """Killed before the first product: its claim and its temporary files are all there is."""
    monkeypatch.chdir(__file__.split("/tests/")[0])
    files = ScanFiles(tmp_path / "out", "sub-01", "ses-M006")
    claim(files, scan, scan, RECIPE | {"conform": "other"})
    leftovers = [files.anat / f".tmp-1-{files.stem}", files.anat / f".tmp-1-{files.stem}_desc-n4_T1w.nii.gz"]
    leftovers += [files.picture.parent / f".tmp-1-{files.picture.name}"]
    others = files.picture.parent / ".tmp-1-sub-01_ses-M0060_desc-qc_T1w.png"  # of a session whose name goes on
    leftovers[0].mkdir()
    files.picture.parent.mkdir(parents=True)
    for path in (*leftovers[1:], others):
        path.write_bytes(b"half")
    assert main(["preprocess", str(scan), str(tmp_path / "out"), *config]) == 0
    assert list((tmp_path / "out").rglob(".tmp-*")) == [others]


def test_of_several_processes_one_takes_the_name(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    sources = [saved(tmp_path / f"{i}/T1.nii", image, np.full((4, 4, 4), i, np.uint8)) for i in range(6)]
    files = ScanFiles(tmp_path / "out", "sub-T1", "ses-M000")
    with ThreadPoolExecutor(6) as pool:
        ends = [pool.submit(claim, files, source, source, RECIPE).exception() for source in sources]
    assert sum(end is None for end in ends) == 1
    assert not list(files.anat.glob(".tmp-*"))


def test_dicom_folders_of_one_name_are_told_apart(tmp_path):
    plan = plan_subject(0, 2, 2, extra=False, converter=False)
    series = images_of(0, plan, plan.visits[0])[0]
    volume = np.arange(40 * 44 * 36, dtype=np.int16).reshape(40, 44, 36) % 900
    files, images = ScanFiles(tmp_path / "out", "sub-T1", "ses-M000"), []
    for place, voxels in (("a", volume), ("b", volume), ("c", volume[::-1].copy())):
        write_series(voxels, (4.0, 4.0, 4.0), tmp_path / place / "T1", series, "F", 70.0)
        (tmp_path / f"scratch-{place}").mkdir()
        images.append((tmp_path / place / "T1", as_nifti(tmp_path / place / "T1", tmp_path / f"scratch-{place}")))
    assert claim(files, *images[0], RECIPE) == claim(files, *images[1], RECIPE)
    with pytest.raises(UserError, match=r"made from .*/a/T1, and .*/c/T1 has other content"):
        claim(files, *images[2], RECIPE)


@pytest.mark.parametrize(
    "arguments",
    [("--subject", "../esc"), ("--subject", "sub-1/2"), ("--session", "M000"), ("--subject", f"sub-{'a' * 400}")],
)
def test_a_name_that_is_none_of_bids_is_refused_and_writes_nothing(tmp_path, capsys, arguments):
    (tmp_path / "scan.nii").write_bytes(b"")
    assert main(["preprocess", str(tmp_path / "scan.nii"), str(tmp_path / "out"), *arguments]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{arguments[0]} '{arguments[1]}' is no name of BIDS" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder", ["left, right", "run[1]", "run]"])
def test_a_path_that_ants_would_take_apart_is_refused_before_anything_is_written(tmp_path, capsys, folder, scan):
    assert main(["preprocess", str(scan), str(tmp_path / folder)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{tmp_path / folder} has a '" in said and "choose a folder" in said
    assert not (tmp_path / folder).exists()
    shard = Shard(pd.DataFrame(), tmp_path / folder, tmp_path / "status.tsv", tmp_path / "timings.tsv")
    with pytest.raises(UserError, match="ANTs takes a path apart"):
        run_bias_field(shard, tmp_path, BiasField())
    with pytest.raises(UserError, match="ANTs takes a path apart"):
        run_register(shard, pd.DataFrame(), Registration(), Conform(), True)
    assert not (tmp_path / folder).exists()


def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "scan.nii.gz")
    names = ["--subject", "sub-1", "--session", "ses-1"]
    assert main(["preprocess", str(tmp_path / "scan.nii.gz"), str(tmp_path / "out"), *names]) == 1
    assert "scan.nii.gz is a pipe or a device" in capsys.readouterr().err
