"""Faults of a training: a tiny cohort, tiny networks, and processes that are really killed."""

import signal
import sys
from pathlib import Path

import pytest
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit/training")]
signal.signal(signal.SIGINT, signal.default_int_handler)  # children inherit it where pytest runs in the background
signal.signal(signal.SIGHUP, signal.SIG_DFL)
torch.set_num_threads(1)  # children are forked: a pool of threads would not survive that

from tiny import Cohort, make_cohort  # noqa: E402


def pytest_itemcollected(item: pytest.Item) -> None:
    """All readers of the tiny cohort go to one worker of pytest-xdist, so that it is made once."""
    if "cohort" in getattr(item, "fixturenames", ()) and "faults" in item.path.parts:
        item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"))
