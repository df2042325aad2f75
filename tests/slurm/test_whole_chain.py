"""The whole smoke chain on a real SLURM: every rule as a job, and the same bytes as without SLURM."""

import filecmp
from pathlib import Path

import pytest
import yte
from runs import ROOT, SMOKE, Run, copy_workflow, run_locally, write_profile

PAIRS = ("train_diffusion:gpu=2", "train_representation:gpu=2")  # two processes, as the profile has it


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The chain without SLURM."""
    folder = copy_workflow(tmp_path_factory.mktemp("alone"))
    run_locally(folder, "--set-resources", *PAIRS, configs=SMOKE)
    return folder / "results/smoke"


@pytest.fixture(scope="module")
def run(lab, tmp_path_factory) -> Run:
    """On SLURM, with the one job array the guide allows."""
    folder = copy_workflow(tmp_path_factory.mktemp("chain"))
    profile = write_profile(
        folder, {"convert_adni_to_bids": {"mem_mb": 8000}}, **{"slurm-array-jobs": "convert_adni_to_bids"}
    )
    run = Run(lab, folder, profile, configs=SMOKE)
    run.wait(1500)
    return run


def test_every_job_lands_where_the_profile_sends_it(run):
    profile = yte.process_yaml((ROOT / "profiles/slurm/config.yaml").read_text(), require_use_yte=True)
    jobs = run.jobs()
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    for job in jobs:
        gpus = profile["set-resources"].get(job["rule"], {}).get("gpu")
        assert job["Partition"] == ("gpu" if gpus else "cpu"), job["rule"]
        assert job["JOB_GRES"] == (f"gpu:a100:{gpus}" if gpus else "(null)"), job["rule"]
    rules = [job["rule"] for job in jobs]
    assert {"make_phantom", "train_representation", "report_html"} <= set(rules)
    assert all(rules.count(rule) == 2 for rule in ("correct_bias_field", "extract_brain", "register_mni"))


def test_conversion_was_one_array(run):
    tasks = run.jobs("convert_adni_to_bids")
    assert len(tasks) == 2 and len({task["ArrayJobId"] for task in tasks}) == 1


def test_every_table_is_that_of_the_local_run_byte_for_byte(run, alone):
    cluster = run.folder / "results/smoke"
    tables = [
        path.relative_to(alone)
        for part in ("status", "manifest", "derivatives", "evaluate", "paper", "public")
        for path in sorted((alone / part).rglob("*"))
        if path.suffix in (".tsv", ".csv", ".md") and "timings" not in path.parts and "efficiency" not in path.parts
    ]
    assert len(tables) > 30
    assert [str(path) for path in tables if not filecmp.cmp(alone / path, cluster / path, shallow=False)] == []


def test_every_model_is_that_of_the_local_run_byte_for_byte(run, alone):
    models = sorted(alone.glob("train/*/model.safetensors"))
    assert len(models) >= 3
    for path in models:
        assert filecmp.cmp(path, run.folder / "results/smoke" / path.relative_to(alone), shallow=False), path
