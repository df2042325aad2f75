"""A raw ADNI download of a few subjects with coarse, featureless heads: enough for Clinica, quick to write."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Phantom
from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import Image, images_of
from ldae.phantom.loni_tables import write_tables
from ldae.phantom.visit_schedule import Plan, plan_cohort

SEED = 3
SHAPE = (12, 14, 10)


class Download:
    """``images`` and ``tables`` as LONI would leave them, and how to harm them."""

    def __init__(self, folder: Path, plans: list[Plan], broken: set[int] = frozenset()) -> None:
        self.images, self.tables, self.plans = folder / "ADNI", folder / "clinical", plans
        self.listed = [image for plan in plans for visit in plan.visits for image in images_of(SEED, plan, visit)]
        self.sexes = {plan.subject.ptid: plan.subject.sex for plan in plans}
        for image in self.listed:
            self.write(image, image.image_id in broken)
        write_tables(self.tables, plans, self.listed, SEED)

    def volume(self, image: Image) -> np.ndarray:
        """An ellipsoid in noise that no other image has."""
        grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij"))
        noise = np.random.default_rng(image.image_id).normal(0, 20, SHAPE)
        return np.where((grid**2).sum(0) < 0.8, 500, 20) + noise

    def write(self, image: Image, truncate: bool = False) -> None:
        write_series(
            self.volume(image),
            (16.0, 16.0, 16.0),
            self.images / image.folder,
            image,
            self.sexes[image.ptid],
            70.0,
            truncate,
        )

    def chosen(self, ptid: str) -> list[Image]:
        """The images of a subject that Clinica should take, by visit."""
        return [image for image in self.listed if image.ptid == ptid and image.chosen]

    def table(self, name: str) -> Path:
        return self.tables / f"{name}_01Jan2025.csv"

    def edit(self, name: str, rows: dict[str, object], column: str, value: str) -> None:
        """Set ``column`` of the rows of a study table that match ``rows``."""
        table = pd.read_csv(self.table(name), dtype=str, keep_default_na=False)
        table.loc[(table[list(rows)] == pd.Series(rows)).all(axis=1), column] = value
        table.to_csv(self.table(name), index=False)

    def remove(self, name: str, rows: dict[str, object]) -> None:
        """Take the rows of a study table that match ``rows`` away."""
        table = pd.read_csv(self.table(name), dtype=str, keep_default_na=False)
        table[~(table[list(rows)] == pd.Series(rows)).all(axis=1)].to_csv(self.table(name), index=False)


@pytest.fixture(scope="session")
def plans() -> list[Plan]:
    """Five subjects with two visits each; the first two are of different phases, the second of ADNI2 or ADNI3."""
    settings = Phantom(subjects={"CN": 3, "MCI": 3, "AD": 3}, visits=2, extra_visit_fraction=0)
    cohort = plan_cohort(settings, SEED)
    late = [plan for plan in cohort if plan.phase in ("ADNI2", "ADNI3")]
    early = [plan for plan in cohort if plan.phase in ("ADNI1", "ADNIGO")]
    return [early[0], late[0], *early[1:2], *late[1:3]]


@pytest.fixture(scope="session")
def make_download() -> type[Download]:
    return Download


@pytest.fixture(scope="session")
def start_conversion_job() -> Callable[..., subprocess.Popen]:
    """Start conversion_job.py with the given arguments, in a process group of its own."""

    def start(*arguments, **options) -> subprocess.Popen:
        command = [sys.executable, Path(__file__).with_name("conversion_job.py"), *map(str, arguments)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, start_new_session=True, **pipes, **options)

    return start


@pytest.fixture(scope="session")
def conversion_job(start_conversion_job) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same, and wait for its end."""

    def run(*arguments, **options) -> subprocess.CompletedProcess[str]:
        job = start_conversion_job(*arguments, **options)
        _, errors = job.communicate()
        return subprocess.CompletedProcess(job.args, job.returncode, "", errors)

    return run


@pytest.fixture(scope="session")
def require_valid_bids() -> Callable[[Path], None]:
    """Run the BIDS validator (offline) on a dataset and demand that it finds no error."""

    def validate(bids: Path) -> None:
        validator = Path(sys.executable).with_name("bids-validator-deno")
        report = subprocess.run([validator, bids], capture_output=True, text=True)
        assert report.returncode == 0 and "[ERROR]" not in report.stdout, report.stdout

    return validate


@pytest.fixture
def download(tmp_path: Path, plans: list[Plan]) -> Download:
    return Download(tmp_path / "raw", plans[:3])


@pytest.fixture
def image(download: Download) -> Image:
    """The first of the first subject that Clinica should take."""
    return download.chosen(download.plans[0].subject.ptid)[0]
