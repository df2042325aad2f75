"""The real workflow on the tiny cohort: the volume store and the splits are there, so only training runs."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from held import HOLD, hold_jobs, write_hold
from tiny import SETTINGS, SIZE, STAGES, progress, write_splits, write_volumes

ROOT = Path(__file__).parents[2]
RESULTS = "results/tiny"
MARK = "LDAE_TEST_WORKFLOW"  # in the environment of every process of one


@dataclass(frozen=True)
class TinyWorkflow:
    folder: Path

    def train(self, stage: str) -> Path:
        """Folder of a stage."""
        return self.folder / RESULTS / "train" / stage

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """The real Snakemake, in the background; its output goes to snakemake.log."""
        binaries = Path(sys.executable).parent
        variables = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"} | {MARK: str(self.folder)}
        command = [str(binaries / "snakemake"), "--profile", "profiles/local"]
        with open(self.folder / "snakemake.log", "ab") as log:
            return subprocess.Popen(
                [*command, *arguments, "--configfile", "tiny.json"],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
                **options,
            )

    def output(self) -> str:
        return (self.folder / "snakemake.log").read_text()

    def hold(self, stage: str, step: int) -> None:
        """The stage waits when it has done ``step`` steps, until this is said again or :meth:`release`."""
        write_hold(self.folder / HOLD, step, stage=stage)

    def release(self) -> None:
        (self.folder / HOLD).unlink(missing_ok=True)

    def job_at(self, running: subprocess.Popen, stage: str, step: int, attempt: int) -> int:
        """Wait until a stage's attempt has done ``step`` steps; the process that holds its lock."""
        while running.poll() is None:
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
    hold_jobs(folder)
    write_splits(folder / RESULTS / "manifest/splits.tsv")
    write_volumes(folder / RESULTS / "store/volumes")
    (folder / RESULTS / "logs").mkdir()
    (folder / RESULTS / "logs/pack_volumes.log").touch()  # as if a run had made them
    overlay = {"results_dir": RESULTS, "seed": 1, "launch": {"pictures_every": 0}}
    overlay |= {"preprocessing": {"conform": {"shape": list(SIZE)}}, "dae": {"shape": [16, 16, 16]}} | {
        stage: SETTINGS[stage] for stage in STAGES
    }
    (folder / "tiny.json").write_text(json.dumps(overlay))
    return TinyWorkflow(folder)
