"""A copy of the repository's workflow, run by the real Snakemake."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "workflow", "config", "envs", "profiles")
DEMO = ("--configfile", "config/small_networks.yaml", "config/demo.yaml")
SMOKE = (*DEMO, "config/smoke.yaml")


@dataclass(frozen=True)
class Workflow:
    """A copy of the repository's workflow; ``run`` calls the real Snakemake in it."""

    folder: Path

    def run(self, *arguments: str, profile: str = "profiles/local") -> subprocess.CompletedProcess[str]:
        binaries = Path(sys.executable).parent
        environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
        command = [str(binaries / "snakemake"), "--profile", profile, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def planned(self, *arguments: str, profile: str = "profiles/local") -> dict[str, int]:
        """Rule -> number of jobs a dry run would execute."""
        result = self.run(*arguments, "--dry-run", "--quiet", "rules", profile=profile)
        assert result.returncode == 0, result.stdout + result.stderr
        rows = re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, flags=re.MULTILINE)
        return {rule: int(count) for rule, count in rows if rule != "total"}


def copy_workflow(folder: Path) -> Workflow:
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    return Workflow(folder)
