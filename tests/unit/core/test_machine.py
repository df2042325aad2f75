"""Errors of the machine: said in one sentence, never a scan's fault, and what blamed a scan before is tried again.

A limit on the size of files (RLIMIT_FSIZE) stands for the full disk: writes are cut short and fail, for root as well.
"""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core.errors import (
    MachineError,
    QuarantinedScan,
    UserError,
    blaming_the_machine,
    fault_of_the_machine,
    forget_machine_errors,
    full_disk,
    is_machine_error,
    require_own,
    require_own_reasons,
    require_sound,
    speaks_of_the_machine,
)
from ldae.core.files import read_tsv, write_text, write_tsv
from ldae.core.store import open_store, write_store


def limited(folder: Path, size: int, work: Callable[[Path], str]) -> str:
    """What ``work`` returns in a process that may write no file of more than ``size`` bytes."""
    ours, theirs = get_context("fork").Pipe()
    child = get_context("fork").Process(target=_limited, args=(folder, size, work, theirs))
    child.start()
    child.join()
    return ours.recv()


def _limited(folder: Path, size: int, work: Callable[[Path], str], pipe) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        pipe.send(work(folder))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def refused(by: str, cause: BaseException | None = None) -> QuarantinedScan:
    try:
        raise QuarantinedScan(by) from cause
    except QuarantinedScan as error:
        return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "No space left on device (/a/b): make room"),
        (OSError(errno.EIO, "Input/output error"), r"Input/output error (/out): look at that disk"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), "Read-only file system (/a): make it writable"),
        (OSError(errno.EMFILE, "Too many open files", "/a"), "allow more open files"),
        (MemoryError("Unable to allocate 10 GiB"), "MemoryError: Unable to allocate 10 GiB: give the job more memory"),
        (ModuleNotFoundError("No module named 'ants'"), "No module named 'ants': run `make setup`"),
        (RuntimeError("ITK ERROR: No space left on device"), "No space left on device (/out): make room or look"),
        (refused("registration failed", RuntimeError("std::bad_alloc")), "std::bad_alloc: give the job more memory"),
        (PermissionError(errno.EACCES, "Permission denied", "/out/sub-01"), "denied (/out/sub-01): make it writable"),
    ],
    ids=repr,
)
def test_what_where_and_what_to_do(error: Exception, words: str) -> None:
    assert words in fault_of_the_machine(error, Path("/out"))
    with (
        pytest.raises(MachineError, match=r"run the same command again, what is done is kept\.$"),
        blaming_the_machine(Path("/out")),
    ):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        refused("constant image: every voxel is 0"),
        refused("unreadable: EOFError: ", EOFError("Compressed file ended")),
        RuntimeError("ITK ERROR: Registration failed with code 1"),
        PermissionError(errno.EACCES, "Permission denied", "/raw/sub-01"),
        ZeroDivisionError("division by zero"),
    ],
    ids=repr,
)
def test_a_scan_s_own_error_stays_its_own(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised, blaming_the_machine(tmp_path, always=True):
        raise error
    assert raised.value is error


def blame(folder: Path) -> str:
    try:
        with blaming_the_machine(folder):
            raise RuntimeError("ITK ERROR: writing failed")
    except MachineError as error:
        return str(error)


def test_a_library_that_hides_why_its_write_failed_is_not_believed(tmp_path: Path) -> None:
    assert "File too large" in limited(tmp_path, 1000, blame) and not list(tmp_path.iterdir())
    assert full_disk(tmp_path) is None


def test_the_output_of_a_command_is_read(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="mri_synthstrip: No space left on device"):
        require_sound("loading\nmri_synthstrip: No space left on device\n", tmp_path)
    require_sound("error: not a DICOM folder", tmp_path)


def write_two_stores(folder: Path) -> str:
    index = pd.DataFrame({"participant_id": ["a", "b"], "session_id": "s"})
    write_store(folder / "s", [np.zeros(10, np.float32)] * 2, index)
    write_store(folder / "s", [np.ones(10_000, np.float32)] * 2, index)
    return "written"


def test_a_full_disk_leaves_the_old_store_whole_and_no_half_one(tmp_path: Path) -> None:
    said = limited(tmp_path, 20_000, write_two_stores)
    assert said.startswith("OSError: [Errno 27] File too large") and "data.npy" in said
    assert open_store(tmp_path / "s").data.sum() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_table_that_does_not_fit_is_named_and_the_old_one_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "t.tsv", "old")
    said = limited(tmp_path, 100, lambda folder: write_tsv(folder / "t.tsv", pd.DataFrame({"a": range(1000)})))
    assert said.startswith("OSError: [Errno 27] File too large") and f"{tmp_path}/t.tsv" in said
    assert (tmp_path / "t.tsv").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


JOB = """
import resource
from pathlib import Path
from ldae.core.runtime import running
with running("logs/job.log"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    Path("x").write_bytes(b"0" * 100)
"""


def test_a_job_ends_with_one_sentence_though_its_log_cannot_be_written(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", JOB], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: OSError: File too large") and len(done.stderr.splitlines()) == 1


def test_tables_of_a_former_run_that_blame_scans_for_the_machine_are_removed(tmp_path: Path) -> None:
    old = {"0": "OSError: [Errno 28] No space left on device", "1": "constant image: every voxel is 0", "2": None}
    old |= {"3": "earlier: its process died twice: SIGKILL (out of memory?)", "4": "ModuleNotFoundError: No module"}
    for shard, reason in old.items():
        row = {"participant_id": "sub-1", "state": "quarantined" if reason else "done", "reason": reason}
        write_tsv(tmp_path / f"status/bias_field/{shard}.tsv", pd.DataFrame([row]))
    removed = forget_machine_errors(tmp_path)
    assert [path.stem for path in removed] == ["0", "3", "4"] and not any(path.exists() for path in removed)
    require_own_reasons(read_tsv(tmp_path / "status/bias_field/1.tsv")["reason"])
    with pytest.raises(UserError, match=r"1 scans were left out .*Errno 28.*`ldae inventory`"):
        require_own_reasons([None, old["0"], old["1"]])


def test_no_reason_that_is_written_is_one_that_would_be_removed() -> None:
    require_own("its process died twice: SIGKILL (too little memory?)")
    for reason in ("OSError: [Errno 5] Input/output error", "ANTs: std::bad_alloc"):
        assert speaks_of_the_machine(reason)
        with pytest.raises(MachineError):
            require_own(reason)


def test_a_sentence_of_ours_that_quotes_one_is_no_error_of_the_machine() -> None:
    assert not is_machine_error(UserError("left out by an earlier run ([Errno 28] No space left on device)"))
    assert is_machine_error(MachineError("anything"))
