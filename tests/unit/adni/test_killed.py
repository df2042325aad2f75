"""kill -9 at any moment of the conversion, then the same command again: the same bytes as an uninterrupted run."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ldae.core.files import sha256_file

CAP = 0.9


@pytest.fixture(scope="module")
def download(tmp_path_factory, plans, make_download):
    """Three subjects; one scan of the first is damaged."""
    folder = tmp_path_factory.mktemp("killed")
    broken = make_download(folder / "sound", plans[:1]).chosen(plans[0].subject.ptid)[1]
    return make_download(folder / "raw", plans[:3], broken={broken.image_id})


@pytest.fixture(scope="module")
def uninterrupted(download, tmp_path_factory, conversion_job) -> dict[str, str]:
    results = tmp_path_factory.mktemp("uninterrupted")
    job = conversion_job(download.images.parent, results, CAP)
    assert job.returncode == 0, job.stderr
    tree = products(results)
    assert sum(path.endswith("T1w.nii.gz") for path in tree) == 5
    return tree


def products(results: Path) -> dict[str, str]:
    """Digest of every file of the dataset, the status tables and the records."""
    files = [path for folder in ("bids", "status") for path in (results / folder).rglob("*") if path.is_file()]
    return {path.relative_to(results).as_posix(): sha256_file(path) for path in files}


def kill_when(job, condition) -> None:
    """SIGKILL to the job and everything it started, as soon as ``condition()`` holds."""
    while job.poll() is None and not condition():
        time.sleep(0.005)
    assert job.poll() is None, "the job ended before it could be killed"
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def test_killed_four_times(download, uninterrupted, tmp_path, conversion_job, start_conversion_job):
    raw = download.images.parent

    def clinica_writes() -> bool:
        return any(tmp_path.glob("scratch/0/run-*/bids/sub-*/ses-*/anat/*.nii*"))

    kill_when(start_conversion_job(raw, tmp_path, CAP), clinica_writes)
    assert not (tmp_path / "bids").exists()

    # The renames of a subject: image and scans.tsv for each of its scans, sessions.tsv, the folder, the record. The
    # first subject has one sound scan, the others two.
    amid_second = 2 * (5 + 3)  # the first is in place, the second half built
    published = 2 * 5 + 1  # of the two that are left, the first has its folder but not its record
    for moment, subjects, records in ((amid_second, 1, 1), (published, 2, 1)):
        job = conversion_job(raw, tmp_path, CAP, moment)
        assert job.returncode == -signal.SIGKILL
        assert len(list(tmp_path.glob("bids/sub-*"))) == subjects
        assert len(list(tmp_path.glob("status/convert/subjects/sub-*.json"))) == records
        assert not (tmp_path / "status" / "convert" / "0.tsv").exists()

    in_merge = 2 * (8 + 7 + 1 + 3)  # one subject replaced, one fresh, the status table, two dictionaries and README
    assert conversion_job(raw, tmp_path, CAP, in_merge).returncode == -signal.SIGKILL
    assert (tmp_path / "bids" / "README").exists() and not (tmp_path / "bids" / "participants.tsv").exists()
    assert any((tmp_path / "bids").glob(".tmp-*"))

    assert conversion_job(raw, tmp_path, CAP).returncode == 0
    assert products(tmp_path) == uninterrupted


@pytest.mark.slow
def test_killed_at_random_times(download, uninterrupted, tmp_path, start_conversion_job, conversion_job):
    """Anywhere in the time that a whole conversion takes on this machine."""
    raw, draw, kills = download.images.parent, random.Random(1), 0
    started = time.monotonic()
    assert conversion_job(raw, tmp_path / "whole", CAP).returncode == 0
    whole = time.monotonic() - started
    while kills < 6:
        job = start_conversion_job(raw, tmp_path, CAP)
        try:
            job.wait(timeout=draw.uniform(0.1, 1) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
            kills += 1
        else:  # one subject less to keep: there is work again
            next(tmp_path.glob("status/convert/subjects/*.json")).unlink()
    assert conversion_job(raw, tmp_path, CAP).returncode == 0
    assert products(tmp_path) == uninterrupted
