"""A cohort of strangers without diagnosis, sessions or dates, as most of OpenNeuro is: its three stages train."""

import nibabel as nib
import pandas as pd
import pytest
from chain import SMOKE

from ldae.config import Phantom
from ldae.core.files import read_tsv, write_json, write_tsv
from ldae.phantom.cohort import visit_scan
from ldae.phantom.visit_schedule import plan_cohort

SEED, VOXEL_MM = 11, 3.0
OVERLAY = {
    "source": "bids",
    "phantom": None,
    "results_dir": "results/unlabelled",
    "bids": {"path": "dataset"},
    "manifest": {"require_diagnosis": False},
    "preprocessing": {"shards": 1},
}


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, copy, anatomy):
    """Six heads in BIDS with age, gender and a group that is no diagnosis; the workflow beside them."""
    workflow = copy(tmp_path_factory.mktemp("unlabelled"))
    root = workflow.folder / "dataset"
    people = []
    for number, plan in enumerate(plan_cohort(Phantom(subjects={"CN": 3, "AD": 3}), SEED), start=1):
        scan = visit_scan(anatomy, plan, plan.visits[0], SEED, VOXEL_MM)
        path = root / f"sub-{number:02}/anat/sub-{number:02}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(scan.image, scan.affine), path)
        people.append((f"sub-{number:02}", plan.subject.age, plan.subject.sex, "depr"))
    write_tsv(root / "participants.tsv", pd.DataFrame(people, columns=["participant_id", "age", "gender", "group"]))
    write_json(root / "dataset_description.json", {"Name": "unlabelled", "BIDSVersion": "1.10.0"})
    write_json(workflow.folder / "unlabelled.json", OVERLAY)
    return workflow


@pytest.mark.slow
def test_an_unlabelled_cohort_trains(unlabelled):
    arguments = ("train", *SMOKE, "unlabelled.json")
    result = unlabelled.run(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    results = unlabelled.folder / "results/unlabelled"
    scans = read_tsv(results / "manifest/scans.tsv")
    assert list(scans["status"]) == ["included"] * 6 and scans["diagnosis"].isna().all()
    assert set(read_tsv(results / "manifest/splits.tsv")["stratum"]) == {"unknown"}
    assert all((results / f"train/{stage}/model.safetensors").is_file() for stage in ("autoencoder", "representation"))
