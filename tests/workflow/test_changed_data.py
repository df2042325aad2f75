"""Data that changed under the same names, by the real Snakemake: what reads them is planned, what changed is done."""

import json

import nibabel as nib
import numpy as np
import pytest

from ldae import cli
from ldae.config import load_config
from ldae.core.files import read_tsv
from ldae.preprocessing.conform import grid_affine

CONFIGS = ("config/small_networks.yaml", "mine.json")
ARGUMENTS = ("--configfile", *CONFIGS)


def head(bright: float, shape=(32, 36, 32), affine=None) -> nib.Nifti1Image:
    """A ball with a brighter core, darker outwards: of few values it were a mask."""
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    volume = np.where(radius < 0.8, 300 - 60 * radius, 0) + np.where(radius < 0.5, bright, 0)
    return nib.Nifti1Image(volume.astype(np.int16), np.diag([5.0, 5, 5, 1]) if affine is None else affine)


@pytest.fixture
def mine(workflow, monkeypatch):
    """Writes the overlay; ``ldae inventory`` finds it."""
    monkeypatch.chdir(workflow.folder)

    def write(**content):
        common = {"results_dir": "results/mine", "preprocessing": {"shards": 1}}
        (workflow.folder / "mine.json").write_text(json.dumps(common | content))

    return write


def inventory() -> int:
    return cli.main(["inventory", "--config", "config/config.yaml", *CONFIGS])


def done(workflow, *arguments: str) -> None:
    result = workflow.run(*arguments, *ARGUMENTS)
    assert result.returncode == 0, result.stdout + result.stderr


def write_dataset(root):
    """Two participants, uncompressed images: a replaced one has the same size."""
    for name, diagnosis in (("sub-1", "CN"), ("sub-2", "AD")):
        (root / name / "anat").mkdir(parents=True)
        nib.save(head(400 if diagnosis == "CN" else 450), root / name / f"anat/{name}_T1w.nii")
        (root / name / f"anat/{name}_T1w.json").write_text("{}")
        (root / name / f"{name}_sessions.tsv").write_text(f"session_id\tdiagnosis\tage\nses-M000\t{diagnosis}\t70\n")
    (root / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    (root / "participants.tsv").write_text("participant_id\tsex\nsub-1\tF\nsub-2\tM\n")


@pytest.mark.slow
def test_a_changed_dataset_plans_what_reads_it_and_does_what_changed(workflow, mine, capsys):
    target = "results/mine/status/bias_field/0.tsv"
    mine(source="bids", bids={"path": "dataset"})
    write_dataset(workflow.folder / "dataset")
    assert set(workflow.planned(target, *ARGUMENTS)) == {"inventory_dataset", "build_manifest", "correct_bias_field"}
    assert not (workflow.folder / "results").exists()
    done(workflow, target)
    reads = {"build_manifest": 1, "correct_bias_field": 1}
    assert inventory() == 0 and workflow.planned(target, *ARGUMENTS) == {}

    image = workflow.folder / "dataset/sub-1/anat/sub-1_T1w.nii"
    size = image.stat().st_size
    nib.save(head(500), image)
    sessions = workflow.folder / "dataset/sub-2/sub-2_sessions.tsv"
    sessions.write_text(sessions.read_text().replace("AD", "MCI"))
    assert image.stat().st_size == size
    assert inventory() == 0 and workflow.planned(target, *ARGUMENTS) == reads
    done(workflow, target)
    log = (workflow.folder / "results/mine/logs/correct_bias_field/0.log").read_text()
    assert "1 processed, 1 unchanged, 0 lost" in log
    assert read_tsv(workflow.folder / "results/mine/manifest/scans.tsv")["diagnosis"].tolist() == ["CN", "MCI"]

    (workflow.folder / "dataset/sub-1/anat/sub-1_T1w.json").write_text('{"MagneticFieldStrength": 3}')
    assert inventory() == 0 and workflow.planned(target, *ARGUMENTS) == reads

    write_dataset(workflow.folder / "others")
    for path in (workflow.folder / "others").rglob("*_T1w.nii"):
        nib.save(head(1, (20, 20, 20)), path)
    mine(source="bids", bids={"path": "others"})
    before = {path: path.read_bytes() for path in (workflow.folder / "results").rglob("*") if path.is_file()}
    result = workflow.run(target, *ARGUMENTS)
    assert result.returncode != 0 and "Error: results/mine was made of a BIDS dataset" in result.stderr
    assert "Traceback" not in result.stderr and "rule" not in result.stdout
    assert before == {path: path.read_bytes() for path in (workflow.folder / "results").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_replaced_volume_of_the_authors_table_is_read_again(workflow, mine):
    target = "results/mine/status/volumes/qc.tsv"
    mine(source="csv", csv={"path": "scans.csv"})
    grid = load_config("config/config.yaml", *CONFIGS).preprocessing.conform
    rows = ["subject,path,diagnosis,session,age"]
    for name, bright in (("a", 400), ("b", 450)):
        nib.save(head(bright, grid.shape, grid_affine(grid)), workflow.folder / f"{name}.nii")
        rows.append(f"{name},{name}.nii,CN,0,70")
    (workflow.folder / "scans.csv").write_text("\n".join(rows) + "\n")
    done(workflow, target)
    before = read_tsv(workflow.folder / target)["sha256"].tolist()
    nib.save(head(500, grid.shape, grid_affine(grid)), workflow.folder / "b.nii")
    assert inventory() == 0 and workflow.planned(target, *ARGUMENTS) == {"build_manifest": 1, "check_volumes": 1}
    done(workflow, target)
    after = read_tsv(workflow.folder / target)["sha256"].tolist()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]
    assert workflow.planned(target, *ARGUMENTS) == {}
