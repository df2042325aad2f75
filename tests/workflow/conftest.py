"""A copy of the workflow in a temporary folder, and one finished smoke run that all workflow tests read."""

import os
import shutil
from pathlib import Path

import pytest
from chain import SMOKE, Workflow, copy_workflow

from ldae.phantom.anatomy import Anatomy, load_anatomy

KEPT = "LDAE_SMOKE"  # set by .ci/run: its two sessions test one commit, and the second need not wait for the same run


def pytest_itemcollected(item: pytest.Item) -> None:
    """All readers of one shared run go to one worker of pytest-xdist, so that it is made once."""
    if "smoke" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("smoke"))


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return copy_workflow(tmp_path)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """``make smoke``, once, from scratch; where ``LDAE_SMOKE`` names a folder, what an earlier session left there."""
    folder, kept = tmp_path_factory.mktemp("smoke"), os.environ.get(KEPT)
    if kept and Path(kept).is_dir():
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        return Workflow(folder)
    workflow = copy_workflow(folder)
    result = workflow.run(*SMOKE)
    assert result.returncode == 0, result.stdout + result.stderr
    if kept:
        shutil.copytree(folder, f"{kept}.part", symlinks=True)
        Path(f"{kept}.part").rename(kept)
    return workflow


@pytest.fixture(scope="session")
def anatomy(request: pytest.FixtureRequest) -> Anatomy:
    """The phantom's, which takes ten CPU seconds to build; kept in pytest's cache beside that of the unit tests."""
    return load_anatomy(request.config.cache.mkdir("ldae_phantom") / "anatomy.npz")


@pytest.fixture(scope="session")
def copy():
    """Makes a copy of the workflow in a folder."""
    return copy_workflow
