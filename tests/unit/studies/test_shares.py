"""A study on several GPUs: a process for each, its own share, and one sentence where one of them fails."""

import faulthandler
import os
import signal
import time

import pytest

from ldae.core.errors import MachineError, UserError
from ldae.studies.common import shares
from ldae.studies.common.shares import in_shares


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("LDAE_DEVICE", "cpu")


def ends_soon(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def noting(folder):
    """A study that writes down who called it, with which share, for which GPU."""

    def study(share):
        name = "whole" if share is None else f"{share.own} of {share.of}"
        (folder / name).write_text(f"{os.getpid()} {os.environ.get('LOCAL_RANK')}")

    return study


@pytest.mark.parametrize("resources", [{}, {"gpu": 1}, {"gpu": 0}])
def test_with_one_gpu_or_none_it_is_called_here_alone(tmp_path, resources):
    in_shares(noting(tmp_path), resources)
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_text() == f"{os.getpid()} None"


def test_every_gpu_gets_a_process_and_a_share_and_the_study_comes_last(tmp_path):
    def study(share):
        if share is None:
            assert len(list(tmp_path.iterdir())) == 3
        noting(tmp_path)(share)

    in_shares(study, {"gpu": 3})
    said = {path.name: path.read_text().split() for path in tmp_path.iterdir()}
    assert set(said) == {"0 of 3", "1 of 3", "2 of 3", "whole"}
    assert [said[f"{own} of 3"][1] for own in range(3)] == ["0", "1", "2"] and said["whole"][1] == "None"
    assert len({pid for pid, _ in said.values()}) == 4


def failing(error):
    """The second process fails, the others would go on for a minute."""

    def study(share):
        assert share is not None, "the study itself has no work left"
        if share.own == 1:
            error()
        time.sleep(60)

    return study


def refuse():
    raise UserError("The store is damaged; make it again.")


def fill():
    raise OSError(28, "No space left on device", "/scratch/results")


def slip():
    raise ZeroDivisionError("a slip of ours")


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    faulthandler.disable()  # pytest's would print pages
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (refuse, UserError, "^The store is damaged; make it again.$"),
        (fill, MachineError, "/scratch/results"),
        (slip, RuntimeError, "^Process 1 of this study failed; its last words are above.$"),
        (be_killed, MachineError, "killed by SIGKILL: give the job more memory"),
        (crash, RuntimeError, "died .SIGSEGV."),
    ],
)
def test_a_process_that_fails_ends_the_study_at_once_with_its_words(error, kind, words):
    before = time.monotonic()
    with pytest.raises(kind, match=words):
        in_shares(failing(error), {"gpu": 3})
    assert time.monotonic() - before < 30


def test_processes_do_not_outlive_a_study_that_was_killed(tmp_path):
    def study(share):
        (tmp_path / str(share.own)).write_text(str(os.getpid()))
        time.sleep(60)

    parent = os.fork()
    if parent == 0:
        in_shares(study, {"gpu": 2})
        os._exit(0)
    while len(found := [path for path in tmp_path.iterdir() if path.read_text()]) < 2:
        time.sleep(0.05)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert all(ends_soon(int(path.read_text())) for path in found)


def test_gpus_of_several_nodes_are_refused(tmp_path):
    with pytest.raises(UserError, match="the GPUs of one node"):
        in_shares(noting(tmp_path), {"gpu": 4, "nodes": 2})
    assert list(tmp_path.iterdir()) == []


def test_each_process_looks_whether_there_are_gpus_for_all(monkeypatch):
    """Where this process has touched no GPU yet: a forked one could not use it any more."""
    asked = []
    monkeypatch.setattr("ldae.inference.device.require_gpus", asked.append)
    shares.take_gpu(5)
    assert asked == [5]
