"""A raw download under the real Snakemake: what a broken one stops, and what a changed one plans."""

import json

import numpy as np
import pytest
from chain import SMOKE

from ldae import cli
from ldae.config import Phantom
from ldae.core.files import read_tsv
from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import images_of
from ldae.phantom.loni_tables import write_todays_tables
from ldae.phantom.visit_schedule import plan_cohort

STEPS = ("preflight_adni", "adapt_tables")


@pytest.fixture
def download(workflow):
    """Tables with today's names and a dozen slices per image; an overlay that points there."""
    plans = plan_cohort(Phantom(subjects={"CN": 1, "MCI": 1, "AD": 1}, extra_visit_fraction=0), 3)
    taken = [(plan, image) for plan in plans for visit in plan.visits for image in images_of(3, plan, visit)]
    for plan, image in taken:
        folder = workflow.folder / "raw/ADNI" / image.folder
        volume = np.random.default_rng(image.image_id).normal(300, 20, (12, 4, 4))
        write_series(volume, (16.0, 16.0, 16.0), folder, image, plan.subject.sex, 70.0)
    images = [image for _, image in taken]
    write_todays_tables(workflow.folder / "raw/clinical", plans, images, 3)
    overlay = {"raw": {"images": "raw/ADNI", "tables": "raw/clinical"}}
    (workflow.folder / "mine.json").write_text(json.dumps(overlay))
    return workflow.folder / "raw"


def test_a_broken_download_stops_the_chain_and_a_changed_one_plans_its_steps(workflow, download, monkeypatch):
    monkeypatch.chdir(workflow.folder)
    target = ("results/scratch/tables/adapted.json", "--configfile", "mine.json")
    (quality,) = download.glob("clinical/MRIPROT*")
    quality.rename(download / quality.name)
    stopped = workflow.run(*target)
    assert stopped.returncode != 0 and "table MRIQUALITY is missing" in stopped.stdout + stopped.stderr
    written = {path.relative_to(workflow.folder / "results").parts[0] for path in workflow.folder.glob("results/*/*")}
    assert written <= {"manifest", "logs", "benchmarks", "checksums"}
    assert not (workflow.folder / "results/manifest/preflight.json").exists()

    (download / quality.name).rename(quality)
    inventory = ["inventory", "--config", "config/config.yaml", "mine.json"]
    assert cli.main(inventory) == 0
    done = workflow.run(*target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((workflow.folder / target[0]).read_text())["MRIQUALITY"]["source"] == quality.name

    quality.touch()
    assert cli.main(inventory) == 0
    assert workflow.planned(*target) == {}
    quality.write_text(quality.read_text() + "999,m12,S1,2020-01-01,1\n")
    assert workflow.planned(*target) == {}
    assert cli.main(inventory) == 0
    assert workflow.planned(*target) == dict.fromkeys(STEPS, 1)


def test_a_moved_download_is_read_again(workflow, download, monkeypatch):
    """Its folder is a parameter of the steps that read it; their shards find the scans done."""
    monkeypatch.chdir(workflow.folder)
    target = ("results/manifest/preflight.json", "--configfile", "mine.json")
    done = workflow.run(*target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert workflow.planned(*target) == {}
    download.rename(workflow.folder / "elsewhere")
    overlay = {"raw": {"images": "elsewhere/ADNI", "tables": "elsewhere/clinical"}}
    (workflow.folder / "mine.json").write_text(json.dumps(overlay))
    assert set(workflow.planned(*target)) == {"inventory_raw", "preflight_adni"}


@pytest.mark.slow
def test_a_phantom_with_adni4_arrives_whole(workflow):
    """The real Snakemake from the synthetic download to scans.tsv: ADNI4 beside the other phases, every visit there."""
    phantom = {"subjects": {"CN": 4, "AD": 4, "MCI": 4}, "visits": 1, "voxel_mm": 4.0, "broken_scans": 0, "adni4": 1}
    (workflow.folder / "mine.json").write_text(json.dumps({"phantom": phantom, "seed": 3}))
    scans = workflow.folder / "results/smoke/manifest/scans.tsv"
    done = workflow.run(str(scans.relative_to(workflow.folder)), *SMOKE, "mine.json")
    assert done.returncode == 0, done.stdout + done.stderr
    table, truth = read_tsv(scans), read_tsv(workflow.folder / "results/smoke/raw/truth.tsv")
    key = ["participant_id", "session_id"]
    both = truth.merge(table, on=key, how="outer", suffixes=("_true", ""), indicator=True)
    assert (both["_merge"] == "both").all() and (both["status"] == "included").all()
    assert (both["phase"] == both["study_phase"]).all() and (both["diagnosis_true"] == both["diagnosis"]).all()
    assert ((both["phase"] == "ADNI4") == (both["converted_by"] == "dcm2niix")).all()
    assert (both["phase"] == "ADNI4").sum() == 2 and {"ADNI1", "ADNI2", "ADNI3"} <= set(both["phase"])
