"""The real workflow on the tiny cohort: the volume store and the splits are there, so only training runs."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tiny import SETTINGS, SIZE, STAGES, progress, write_splits, write_volumes

ROOT = Path(__file__).parents[2]
RESULTS = "results/tiny"


@dataclass(frozen=True)
class TinyWorkflow:
    folder: Path

    def train(self, stage: str) -> Path:
        """Folder of a stage."""
        return self.folder / RESULTS / "train" / stage

    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """The real Snakemake, in the background; its output goes to snakemake.log."""
        binaries = Path(sys.executable).parent
        variables = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"} | (environment or {})
        command = [str(binaries / "snakemake"), "--profile", "profiles/local"]
        with open(self.folder / "snakemake.log", "ab") as log:
            return subprocess.Popen(
                [*command, *arguments, "--configfile", "tiny.json"],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
            )

    def output(self) -> str:
        return (self.folder / "snakemake.log").read_text()

    def job_at(self, running: subprocess.Popen, stage: str, step: int, attempt: int, seconds: float = 900.0) -> int:
        """Wait until a stage's attempt has done ``step`` steps; the process that holds its lock."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and running.poll() is None:
            number, done = progress(self.train(stage))
            if number >= attempt and done >= step:
                return json.loads((self.train(stage) / "checkpoints/.lock").read_text())["pid"]
            time.sleep(0.002)
        raise AssertionError(f"{stage}: step {step} of attempt {attempt} was not reached\n{self.output()[-3000:]}")


def make_workflow(folder: Path) -> TinyWorkflow:
    """A copy of the workflow with a fabricated store and splits, and the tiny networks in its configuration."""
    for part in ("Snakefile", "rules", "workflow", "config", "envs", "profiles"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    write_splits(folder / RESULTS / "manifest/splits.tsv")
    write_volumes(folder / RESULTS / "store/volumes")
    overlay = {"results_dir": RESULTS, "seed": 1, "launch": {"pictures_every": 0}}
    overlay |= {"preprocessing": {"conform": {"shape": list(SIZE)}}, "dae": {"shape": [16, 16, 16]}} | {
        stage: SETTINGS[stage] for stage in STAGES
    }
    (folder / "tiny.json").write_text(json.dumps(overlay))
    return TinyWorkflow(folder)
