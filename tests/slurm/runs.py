"""Snakemake on the lab: a copy of the workflow, the shipped profile with a few changes, and a process to watch."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
import yte
from held import HOLD, hold_jobs
from lab import Lab

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
PARTS = ("Snakefile", "rules", "workflow", "config", "envs", "profiles")
SMOKE = ("config/small_networks.yaml", "config/demo.yaml", "config/smoke.yaml", "pairs.yaml")
LAB = (*SMOKE, "lab.yaml")
PATIENCE = 1200  # seconds for anything, on a machine that does other things too
THREADS = {"correct_bias_field": 2, "extract_brain": 2, "register_mni": 2}  # processes: this machine has not more cores


def copy_workflow(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    for overlay in Path(__file__).parent.glob("*.yaml"):
        shutil.copy(overlay, folder)
    hold_jobs(folder)
    return folder


def with_binaries(environment: dict[str, str]) -> dict[str, str]:
    keep = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return keep | {"PATH": f"{environment['PATH']}:{BINARIES}"}


def run_locally(folder: Path, *arguments: str, configs: tuple[str, ...] = LAB) -> None:
    command = [BINARIES / "snakemake", "--profile", "profiles/local", *arguments, "--configfile", *configs]
    environment = with_binaries(os.environ | {"PATH": f"{BINARIES}:{os.environ['PATH']}"})
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def write_profile(folder: Path, changes: dict[str, dict[str, Any]], **options: Any) -> str:
    """profiles/slurm with some resources of some rules changed, and asking for job states every second at first."""
    profile = yte.process_yaml((ROOT / "profiles/slurm/config.yaml").read_text(), require_use_yte=True)
    profile |= {
        "slurm-init-seconds-before-status-checks": 1,
        "latency-wait": 5,
        "set-threads": profile["set-threads"] | THREADS,
    }
    profile |= options
    for rule, resources in changes.items():
        profile["set-resources"].setdefault(rule, {}).update(resources)
    (folder / "lab-profile").mkdir(exist_ok=True)
    (folder / "lab-profile/config.yaml").write_text(yaml.safe_dump(profile))
    return "lab-profile"


def rewound(local: Path, folder: Path, step: str) -> Path:
    """A copy of a local run, put back to where registration (``register``) or the autoencoder (``train``) starts."""
    shutil.copytree(local, folder, symlinks=True)
    results = folder / "results/lab"
    shutil.rmtree(results / "train")
    shutil.rmtree(results / "store/latents")
    if step == "register":
        shutil.rmtree(results / "status/register")
        shutil.rmtree(results / "store")
        products = results / "derivatives/ldae-preproc"
        for path in (*products.rglob("*_space-*"), *products.glob("qc*")):
            path.unlink()
    return folder


class Run:
    """A Snakemake that submits to the lab."""

    def __init__(self, lab: Lab, folder: Path, profile: str, *arguments: str, configs: tuple[str, ...] = LAB):
        self.lab, self.folder = lab, folder
        self.before = {job["JobId"] for job in lab.jobs()}
        command = [BINARIES / "snakemake", "--profile", profile, *arguments, "--configfile", *configs]
        self.output = folder / f"snakemake-{time.time_ns()}.txt"
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=with_binaries(lab.environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def jobs(self, rule: str | None = None) -> list[dict[str, str]]:
        """SLURM jobs of this run, in the order of submission."""
        new = [job for job in self.lab.jobs() if job["JobId"] not in self.before]
        return [job for job in new if rule in (None, job["rule"])]

    def wait(self, seconds: float = PATIENCE) -> str:
        """Until Snakemake ends; its output. Anything but success within the time is an error."""
        try:
            status = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill(signal.SIGTERM)
            status = f"none within {seconds:g} s"
        text = self.output.read_text()
        assert status == 0, f"Snakemake ended with {status}\n{text}\n{self.logs()}"
        return text

    def wait_for(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Until something happens while Snakemake runs; what the condition returned."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process.poll() is None and time.monotonic() < deadline, self.output.read_text() + self.logs()
            time.sleep(0.2)
        return found

    def release(self) -> None:
        """The trainings wait no longer where hold.json says."""
        (self.folder / HOLD).unlink()

    def release_after(self, number: str, *states: str) -> None:
        """When SLURM says one of these of a job (anything but that it runs, without them)."""

        def changed() -> bool:
            (job,) = (job for job in self.jobs() if job["JobId"] == number)
            return job["JobState"] in states if states else job["JobState"] != "RUNNING"

        self.wait_for(changed)
        self.release()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """The Snakemake process only; its SLURM jobs stay."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.wait()

    def logs(self) -> str:
        """The end of every log of a failed job."""
        paths = sorted((self.folder / ".snakemake/slurm_logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"--- {path.name}\n{path.read_text()[-10_000:]}" for path in paths[-5:])


def checkpointed_step(folder: Path, stage: str) -> int:
    """Step of the newest checkpoint of a stage; 0 without one."""
    checkpoints = (folder / "results/lab/train" / stage).glob("checkpoints/step-*.json")
    return max((int(path.stem.removeprefix("step-")) for path in checkpoints), default=0)


def continued_from(folder: Path, stage: str) -> int:
    """Step at which the last attempt of a stage went on; 0 if it started anew."""
    log = (folder / f"results/lab/logs/train_{stage}.log").read_text()
    found = re.search(r"continued from step (\d+)", log)
    return int(found[1]) if found else 0


def memory_mb(job: dict[str, str]) -> int:
    """What a job asked for."""
    amount = dict(item.split("=") for item in job["TRES"].split(","))["mem"]
    return round(float(amount[:-1]) * {"M": 1, "G": 1024}[amount[-1]])
