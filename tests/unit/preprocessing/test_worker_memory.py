"""What a worker of the shard machinery loads and holds; in processes of their own, whose server has loaded nothing."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from test_syn import brain_points, carried_back, distance_mm, native, preset, to_template

from ldae.config import Registration
from ldae.core.files import read_tsv
from ldae.preprocessing.derivatives import ScanFiles, save_image
from ldae.preprocessing.registration_template import template_of

SYN, LIMIT_MB = Registration(), 1200
SCAN = {"participant_id": "sub-A", "session_id": "ses-M000"}
SHARD = """
import json
import sys
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import pandas as pd

from ldae.config import BrainExtraction, Conform, Registration
from ldae.preprocessing.pool import run_isolated
from ldae.preprocessing.shard import Shard, brain_work, run_extract_brain, run_register

SCAN = {"participant_id": "sub-A", "session_id": "ses-M000"}


def extract_and_look(folder, settings, scan):
    brain_work(folder, settings, scan)
    return [name for name in ("ants", "deepbet", "torch") if name in sys.modules]


if __name__ == "__main__":
    folder, backend = Path(sys.argv[1]), sys.argv[2]
    shard = Shard(pd.DataFrame([SCAN]), folder, folder / "status.tsv", folder / "timings.tsv")
    before = pd.DataFrame([SCAN | {"state": "done", "reason": None}])
    if backend == "none":
        run_register(shard, before, Registration(), Conform(), True)
    else:
        settings = BrainExtraction(backend=backend, second_stage=False)
        run_extract_brain(shard, before, settings)  # starts the server
        changed = settings.model_copy(update={"revision": 2})
        ((_, found),) = run_isolated(partial(extract_and_look, folder, changed), [SCAN], 1, 1)
        print(json.dumps(found.value))
"""


def run_shard(folder, backend: str) -> str:
    (folder / "shard.py").write_text(SHARD)
    command = [sys.executable, str(folder / "shard.py"), str(folder), backend]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize(("backend", "loaded"), [("template", ["ants"]), ("deepbet", ["deepbet", "torch"])])
def test_a_worker_loads_what_its_backend_needs(backend, loaded, head, tmp_path):
    save_image(ScanFiles(tmp_path, *SCAN.values()).corrected, head, "int16")
    assert json.loads(run_shard(tmp_path, backend)) == loaded
    assert read_tsv(tmp_path / "status.tsv")["state"].tolist() == ["done"]


@pytest.mark.slow
def test_syn_at_1_mm_stays_below_its_limit_and_finds_what_the_preset_of_ants_finds(tmp_path):
    files, scan = ScanFiles(tmp_path, *SCAN.values()), carried_back(template_of(SYN).brain, 1.0)
    save_image(files.corrected, scan, "int16")
    save_image(files.mask, nib.Nifti1Image((scan.get_fdata() > 0).astype(np.uint8), scan.affine), "uint8")
    run_shard(tmp_path, "none")
    spent = read_tsv(tmp_path / "timings.tsv").iloc[0]
    assert spent["state"] == "done" and 300 < float(spent["peak_mb"]) < LIMIT_MB
    points, space = brain_points(scan), template_of(SYN).space
    moved = native([str(files.warp(space))], to_template(points))
    ours = nib.affines.apply_affine(np.linalg.inv(np.loadtxt(files.transform(space))), moved)
    theirs = native(preset(scan, SYN, tmp_path), to_template(points))
    assert distance_mm(ours, theirs) < 0.1
    assert distance_mm(ours, points) < distance_mm(theirs, points) + 0.02
