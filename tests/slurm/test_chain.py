"""The whole smoke chain on a real SLURM: every rule as a job, and the same bytes as without SLURM."""

import filecmp
from dataclasses import dataclass
from pathlib import Path

import pytest
import yte
from runs import ROOT, SMOKE, Run, copy_workflow, run_locally, write_profile

PAIRS = ("train_diffusion:gpu=2", "train_representation:gpu=2")  # two processes, as the profile has it
RESULTS = (".tsv", ".csv", ".md", ".tex", ".svg", ".png")
MEASURED = {"efficiency", "timings"}  # folders of measured times, which no two runs share


@dataclass(frozen=True)
class Both:
    """The same chain twice: on SLURM, and by Snakemake alone."""

    run: Run
    alone: Path

    @property
    def cluster(self) -> Path:
        return self.run.folder / "results/smoke"

    def differing(self, paths: list[Path]) -> list[str]:
        """Those of the alone run's files that the cluster has not, or has with other bytes."""
        names = [path.relative_to(self.alone) for path in paths]
        same, _, _ = filecmp.cmpfiles(self.alone, self.cluster, list(map(str, names)), shallow=False)
        return sorted(set(map(str, names)) - set(same))


@pytest.fixture(scope="module")
def both(lab, tmp_path_factory) -> Both:
    """At the same time: the cluster's Snakemake mostly waits. With the one job array the guide allows."""
    folder, alone = (copy_workflow(tmp_path_factory.mktemp(name)) for name in ("chain", "alone"))
    profile = write_profile(
        folder, {"convert_adni_to_bids": {"mem_mb": 8000}}, **{"slurm-array-jobs": "convert_adni_to_bids"}
    )
    run = Run(lab, folder, profile, configs=SMOKE)
    run_locally(alone, "--set-resources", *PAIRS, configs=SMOKE)
    run.wait(3600)
    return Both(run, alone / "results/smoke")


def test_every_job_lands_where_the_profile_sends_it(both):
    profile = yte.process_yaml((ROOT / "profiles/slurm/config.yaml").read_text(), require_use_yte=True)
    jobs = both.run.jobs()
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    for job in jobs:
        gpus = profile["set-resources"].get(job["rule"], {}).get("gpu")
        assert job["Partition"] == ("gpu" if gpus else "cpu"), job["rule"]
        assert job["NodeList"].startswith(job["Partition"]), job["rule"]
        assert job["JOB_GRES"] == (f"gpu:a100:{gpus}" if gpus else "(null)"), job["rule"]


def test_every_rule_that_runs_alone_was_a_job_and_only_once(both):
    """As many SLURM jobs of a rule as the run without SLURM has logs of it; every shard is one."""
    logs = both.alone / "logs"
    alone = {path.stem: 1 for path in logs.glob("*.log")}
    alone |= {folder.name: len(list(folder.glob("*.log"))) for folder in logs.iterdir() if folder.is_dir()}
    rules = [job["rule"] for job in both.run.jobs()]
    assert {rule: rules.count(rule) for rule in rules} == alone
    assert all(alone[rule] == 2 for rule in ("convert_adni_to_bids", "correct_bias_field", "register_mni"))


def test_conversion_was_one_array(both):
    tasks = both.run.jobs("convert_adni_to_bids")
    assert len(tasks) == 2 and len({task["ArrayJobId"] for task in tasks}) == 1


def test_every_table_and_figure_is_that_of_the_local_run_byte_for_byte(both):
    parts = ("status", "manifest", "derivatives", "evaluate", "paper", "public")
    results = [path for part in parts for path in (both.alone / part).rglob("*") if path.suffix in RESULTS]
    kept = [path for path in results if not MEASURED.intersection(path.parts)]
    assert len(kept) > 60
    assert both.differing(kept) == []


def test_every_model_and_store_is_that_of_the_local_run_byte_for_byte(both):
    models = list(both.alone.glob("train/*/model.safetensors"))
    arrays = list(both.alone.glob("store/**/data.npy"))
    assert len(models) >= 3 and len(arrays) >= 3
    assert both.differing(models + arrays) == []
