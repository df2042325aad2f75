"""One template anatomy for all tests, built once and kept in pytest's cache directory."""

from pathlib import Path

import pytest

from ldae.config import Phantom
from ldae.phantom.anatomy import Anatomy, load_anatomy


@pytest.fixture(scope="session")
def anatomy_file(request: pytest.FixtureRequest) -> Path:
    return request.config.cache.mkdir("ldae_phantom") / "anatomy.npz"


@pytest.fixture(scope="session")
def anatomy(anatomy_file: Path) -> Anatomy:
    return load_anatomy(anatomy_file)


@pytest.fixture(scope="session")
def settings() -> Phantom:
    return Phantom(
        subjects={"CN": 1, "MCI": 1, "AD": 1}, visits=2, extra_visit_fraction=0, converter_fraction=1, voxel_mm=4
    )


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory, anatomy: Anatomy, anatomy_file: Path, settings: Phantom) -> Path:
    """A small download: three subjects, two visits, one broken scan, written by two processes."""
    from ldae.phantom.cohort import make_raw_adni

    out = tmp_path_factory.mktemp("raw")
    make_raw_adni(out, settings.model_copy(update={"broken_scans": 1}), 11, processes=2, anatomy_cache=anatomy_file)
    return out
