"""The shard machinery without images: crashes, kills, order, resumption."""

import errno
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from ldae.core.errors import MachineError, QuarantinedScan, UserError
from ldae.core.files import read_tsv, sha256_file
from ldae.preprocessing.derivatives import ScanFiles, recorded, write_sidecar
from ldae.preprocessing.pool import name_of_end, run_isolated
from ldae.preprocessing.shard import Shard, alone, earlier_reasons, files_of, run_shard
from ldae.preprocessing.steps import Product

MACHINE = {
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "disk": OSError(errno.EIO, "Input/output error", "/raw/sub-2.nii.gz"),
    "stale": OSError(errno.ESTALE, "Stale file handle"),
    "files": OSError(errno.EMFILE, "Too many open files"),
    "memory": MemoryError(),
    "import": ModuleNotFoundError("No module named 'ants'"),
    "itk": RuntimeError("ITK ERROR: Could not write\nNo space left on device"),
    "words": QuarantinedScan("dcm2niix failed: No space left on device"),
}


def make_shard(folder: Path, count: int, **options) -> Shard:
    scans = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(count)], "session_id": "ses-M000"})
    return Shard(scans, folder, folder / "0.tsv", folder / "timings.tsv", **options)


def work(folder: Path, ends: dict[str, str], scan: dict) -> Product:
    """Write a file as a step does, unless it is there; ``ends`` names the scans that go wrong, and how."""
    files, how = files_of(scan, folder), ends.get(scan["participant_id"], "")
    if how.startswith("reason"):
        raise QuarantinedScan(how)
    if how == "library":
        raise RuntimeError("itk::ERROR\n  Registration failed with code 1")
    if how in MACHINE:
        raise MACHINE[how]
    if how == "chained":
        try:
            raise MACHINE["disk"]
        except OSError as error:
            raise QuarantinedScan("unreadable") from error
    if how == "surprise":
        raise ZeroDivisionError("division by zero")
    if how == "settings":
        raise UserError("The template is missing.")
    if how == "slow":
        time.sleep(3600)
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    if how == "once" and not (folder / "tried").exists():
        (folder / "tried").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    known = recorded(files.corrected, "key")
    if known:
        return Product(files.corrected, known, fresh=False)
    files.corrected.parent.mkdir(parents=True, exist_ok=True)
    files.corrected.write_text(scan["participant_id"])
    record = {"key": "key", "sha256": sha256_file(files.corrected), "metrics": {"pid": 0}}
    return Product(files.corrected, write_sidecar(files.corrected, record), fresh=True)


def run(shard: Shard, ends: dict[str, str] | None = None) -> pd.DataFrame:
    run_shard("step", shard, {}, partial(work, shard.derivatives, ends or {}))
    return read_tsv(shard.status)


def test_a_crash_costs_one_scan_and_names_the_signal(tmp_path):
    ends = {"sub-1": "SIGSEGV", "sub-3": "once", "sub-4": "SIGKILL"}
    status = run(make_shard(tmp_path, 6, workers=2, max_quarantined=0.5), ends)
    assert status["participant_id"].tolist() == [f"sub-{i}" for i in range(6)]
    assert status["state"].tolist() == ["done", "quarantined", "done", "done", "quarantined", "done"]
    assert status["reason"][1] == "its process died twice: SIGSEGV"
    assert status["reason"][4] == "its process died twice: SIGKILL (too little memory?)"


def test_an_error_inside_a_library_costs_one_scan(tmp_path):
    status = run(make_shard(tmp_path, 4, max_quarantined=0.5), {"sub-1": "library", "sub-2": "surprise"})
    assert status["state"].tolist() == ["done", "quarantined", "quarantined", "done"]
    assert status["reason"].tolist()[1:3] == [
        "Registration failed with code 1",
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize("how", [*MACHINE, "chained"])
def test_an_error_of_the_machine_stops_the_shard_and_costs_no_scan(how, tmp_path, caplog):
    shard = make_shard(tmp_path, 4, max_quarantined=1)
    with pytest.raises(MachineError, match=r"^step shard 0 stopped, no scan is lost: .*what is done is kept\.$"):
        run(shard, {"sub-2": how})
    assert not shard.status.exists()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*_T1w.json")}  # the last file of a scan
    assert len(done) >= 2
    with caplog.at_level("INFO", "ldae"):
        assert run(shard)["state"].eq("done").all()
    assert f"{4 - len(done)} processed, {len(done)} unchanged, 0 lost" in caplog.text
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())


@pytest.mark.parametrize("workers", [1, 2])
def test_two_scans_in_a_row_whose_processes_are_killed_are_not_to_blame(workers, tmp_path):
    shard = make_shard(tmp_path, 5, max_quarantined=1, workers=workers)
    with pytest.raises(MachineError, match=r"Two processes in a row.* killed by SIGKILL: give the job more memory"):
        run(shard, {"sub-1": "SIGKILL", "sub-2": "SIGKILL"})
    assert not shard.status.exists()
    assert run(shard)["state"].eq("done").all()


def test_crashes_in_a_row_are_their_scans_own(tmp_path):
    status = run(make_shard(tmp_path, 4, max_quarantined=1), {"sub-1": "SIGSEGV", "sub-2": "SIGSEGV"})
    assert status["state"].tolist() == ["done", "quarantined", "quarantined", "done"]


def test_what_an_earlier_version_blamed_on_scans_is_not_carried_on():
    rows = [("sub-0", "ses-M000", "quarantined", "OSError: [Errno 28] No space left on device")]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", "state", "reason"])
    with pytest.raises(UserError, match=r"1 scans were left out .* run `ldae inventory`"):
        earlier_reasons(table)
    own = table.assign(reason="constant image: every voxel is 0")
    assert earlier_reasons(own) == {("sub-0", "ses-M000"): "earlier: constant image: every voxel is 0"}


def test_a_wrong_configuration_stops_the_shard(tmp_path):
    with pytest.raises(UserError, match="template is missing"):
        run(make_shard(tmp_path, 3, max_quarantined=1), {"sub-1": "settings"})
    assert not (tmp_path / "0.tsv").exists()


@pytest.mark.parametrize(("scans", "broken", "stops"), [(1, 1, False), (5, 1, False), (5, 2, True), (30, 3, False)])
def test_too_many_broken_scans_stop_the_shard_but_never_one_alone(scans, broken, stops, tmp_path):
    ends = {f"sub-{i}": f"reason {i}" for i in range(broken)}
    if not stops:
        assert (run(make_shard(tmp_path, scans), ends)["state"] == "quarantined").sum() == broken
        return
    with pytest.raises(UserError, match=r"2 of 5 scans failed.*reason 0"):
        run(make_shard(tmp_path, scans), ends)
    assert not (tmp_path / "0.tsv").exists()


def test_a_shard_without_scans_writes_an_empty_table(tmp_path):
    assert len(run(make_shard(tmp_path, 0))) == 0


def test_the_number_of_workers_and_their_replacement_change_nothing(tmp_path):
    for name, options in (("one", {}), ("three", {"workers": 3, "scans_per_worker": 2})):
        run(make_shard(tmp_path / name, 7, **options))
    assert (tmp_path / "one/0.tsv").read_bytes() == (tmp_path / "three/0.tsv").read_bytes()


def own_process(item: int) -> int:
    return os.getpid()


def test_workers_are_replaced(tmp_path):
    pids = [outcome.value for _, outcome in run_isolated(own_process, range(5), 1, items_per_worker=2)]
    assert len(set(pids)) == 3 and os.getpid() not in pids


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_shard import make_shard, run
if __name__ == "__main__":
    run(make_shard(Path({folder!r}), 6), {{"sub-4": "slow"}})
"""


def children_of(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_killed_shard_goes_on_and_does_nothing_twice(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")])
    timings = tmp_path / "timings.tsv"
    while not (timings.is_file() and len(timings.read_text().splitlines()) > 4):
        assert parent.poll() is None
        time.sleep(0.05)
    workers = children_of(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # for an hour, if they outlived it
        time.sleep(0.05)
    assert not (tmp_path / "0.tsv").exists()
    leftover = ScanFiles(tmp_path, "sub-4", "ses-M000").scratch
    leftover.mkdir(parents=True)
    status = run(make_shard(tmp_path, 6))
    assert status["state"].eq("done").all()
    assert sorted(read_tsv(timings)["participant_id"]) == [f"sub-{i}" for i in range(6)]  # each exactly once
    assert not leftover.exists()
    run(make_shard(tmp_path / "again", 6))
    assert (tmp_path / "0.tsv").read_bytes() == (tmp_path / "again/0.tsv").read_bytes()


def test_a_shard_waits_for_a_job_that_outlived_its_snakemake(tmp_path):
    run(make_shard(tmp_path / "other", 2))  # starts the server of workers
    start = time.time()
    run(make_shard(tmp_path / "another", 2))
    usual, shard = time.time() - start, make_shard(tmp_path, 2)
    with alone(shard.timings.with_suffix(".lock")):
        waiting = Thread(target=run, args=(shard,))
        waiting.start()
        waiting.join(1 + 3 * usual)
        assert waiting.is_alive() and not shard.timings.exists()
    waiting.join()
    assert read_tsv(shard.status)["state"].eq("done").all()


@pytest.mark.parametrize(
    ("code", "name"), [(-11, "SIGSEGV"), (-9, "SIGKILL (too little memory?)"), (3, "exit status 3")]
)
def test_names_of_ends(code, name):
    assert name_of_end(code) == name
