"""`make real` in its smallest form: conformed brains of people without a diagnosis, from one file to the report.

Where LDAE_REAL_VOLUMES names a file of real brains (what it holds: benchmarks/real_brains.py), its first ten are taken;
anywhere else phantoms stand in for them, on the paper's grid.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import real_brains
import rehearsal
import yaml
from chain import ROOT, SMOKE, Workflow

from ldae.config import load_config
from ldae.core.files import read_json, read_tsv, write_json, write_tsv
from ldae.phantom.anatomy import Anatomy
from ldae.phantom.population import draw_subject, roster_number

PEOPLE = 10
REAL = ("config/small_networks.yaml", "config/real.yaml")
STEPS = yaml.safe_load((ROOT / SMOKE[-1]).read_text())
TINY = {key: STEPS[key] for key in ("splits", "autoencoder", "diffusion", "representation", "evaluation")}
TINY |= {"baselines": False, "results_dir": "results/real"}  # in half the time


def stand_ins(file: Path, anatomy: Anatomy) -> None:
    """Conformed phantoms and their ages, as a file of real ones is made."""
    config = load_config(ROOT / "config/config.yaml")
    subjects = [draw_subject(7, roster_number("CN", number)) for number in range(PEOPLE)]
    volumes = [
        np.asarray(rehearsal.volume(anatomy, rehearsal.Visit(subject, 0), config).dataobj) for subject in subjects
    ]
    names = [f"sub-{number:02}" for number in range(1, PEOPLE + 1)]
    np.savez_compressed(file, volumes=(np.stack(volumes) * 255).astype(np.uint8), participant_id=np.array(names))
    people = pd.DataFrame(
        {
            "participant_id": names,
            "age": [round(subject.age, 1) for subject in subjects],
            "gender": [subject.sex for subject in subjects],
        }
    )
    write_tsv(file.with_name(f"{file.stem}_participants.tsv"), people)


def first_people(given: Path, file: Path) -> None:
    with np.load(given, allow_pickle=False) as content:
        np.savez(file, volumes=content["volumes"][:PEOPLE], participant_id=content["participant_id"][:PEOPLE])
    people = given.with_name(f"{given.stem}_participants.tsv")
    file.with_name(f"{file.stem}_participants.tsv").write_bytes(people.read_bytes())


@pytest.mark.slow
def test_brains_of_people_without_a_diagnosis_reach_the_report(
    workflow: Workflow, anatomy: Anatomy, monkeypatch
) -> None:
    monkeypatch.chdir(workflow.folder)
    file = workflow.folder / "ten.npz"
    given = os.environ.get("LDAE_REAL_VOLUMES")
    first_people(Path(given), file) if given else stand_ins(file, anatomy)
    write_json(workflow.folder / "tiny.json", TINY)
    layers = [*REAL, "tiny.json"]
    assert real_brains.main([str(file), "--config", "config/config.yaml", *layers]) == 0
    done = workflow.run("--configfile", *layers)
    assert done.returncode == 0, done.stdout + done.stderr

    results = workflow.folder / "results/real"
    scans = read_tsv(results / "manifest/scans.tsv")
    assert len(scans) == PEOPLE and (scans["status"] == "included").all() and scans["diagnosis"].isna().all()
    splits = read_tsv(results / "manifest/splits.tsv").set_index("participant_id")["split"]
    tested = read_tsv(results / "evaluate/reconstruction/scans.tsv")
    assert set(tested["participant_id"]) == set(splits.index[splits == "test"])
    headline = read_json(results / "paper/headline.json")
    of_ad = [entry for name, entry in headline.items() if "auc_ad_" in name]
    assert of_ad and all(entry["value"] is None and entry["reason"] for entry in of_ad)
    assert headline["age_mae_cv"]["value"] > 0 and headline["age_mae_cv"]["n_subjects"] == PEOPLE
    assert "a class is missing among the other subjects" in (results / "paper/tables/probes.md").read_text()
    for page in ("paper/report.html", "public/report.html"):
        assert "<title>LDAE-ADNI" in (results / page).read_text()
    assert workflow.planned("--configfile", *layers) == {}
