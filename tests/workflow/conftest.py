"""A copy of the workflow in a temporary folder, and one finished smoke run that all workflow tests read."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "workflow", "config", "envs", "profiles")
SMOKE = ("--configfile", "config/demo.yaml", "config/smoke.yaml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All readers of one shared run go to one worker of pytest-xdist, so that it is made once."""
    for item in items:
        if "smoke" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("smoke"))


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


@pytest.fixture(scope="session")
def copy():
    """Makes a copy of the workflow in a folder."""
    return copy_workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return copy_workflow(tmp_path)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """``make smoke``, once, from scratch."""
    workflow = copy_workflow(tmp_path_factory.mktemp("smoke"))
    result = workflow.run(*SMOKE)
    assert result.returncode == 0, result.stdout + result.stderr
    return workflow
