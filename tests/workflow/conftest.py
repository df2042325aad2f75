"""A copy of the workflow in a temporary folder, and one finished smoke run that all workflow tests read."""

from pathlib import Path

import pytest
from chain import SMOKE, Workflow, copy_workflow


def pytest_itemcollected(item: pytest.Item) -> None:
    """All readers of one shared run go to one worker of pytest-xdist, so that it is made once."""
    if "smoke" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("smoke"))


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


@pytest.fixture(scope="session")
def copy():
    """Makes a copy of the workflow in a folder."""
    return copy_workflow
