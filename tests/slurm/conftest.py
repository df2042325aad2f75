"""One SLURM for all tests of this folder, and one local run to compare with."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "faults"))

from lab import Lab
from runs import copy_workflow, rewound, run_locally


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.stop()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny cohort, run without SLURM as far as the latents. Never changed."""
    folder = copy_workflow(tmp_path_factory.mktemp("local"))
    run_locally(folder, "--until", "encode_latents")
    return folder


@pytest.fixture
def before_training(local: Path, tmp_path: Path) -> Path:
    """The local run, put back to where the autoencoder starts."""
    return rewound(local, tmp_path / "cluster", "train")
