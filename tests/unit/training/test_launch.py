"""The command that starts a training on two nodes. It is run in tests/faults and tests/slurm."""

import sys
from pathlib import Path

from ldae.core.job_resources import Processes
from ldae.training import launch
from ldae.training.launch import torchrun


def words(monkeypatch, job: str) -> list[str]:
    monkeypatch.setenv("LDAE_HEAD_NODE", "node7")
    monkeypatch.setenv("SLURM_JOB_ID", job)
    return torchrun(Processes.of({"gpu": 4, "nodes": 2}), Path("job.json"))


def test_gpus_are_those_of_the_whole_job(monkeypatch):
    command = words(monkeypatch, "5")
    assert {"--nproc-per-node=2", "--nnodes=2", "--rdzv-id=5", "--rdzv-endpoint=node7:29405"} <= set(command)
    assert command[:4] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]


def test_jobs_that_share_a_first_node_meet_on_ports_of_their_own(monkeypatch):
    endpoints = {
        word for job in ("1000", "1001", "123456789") for word in words(monkeypatch, job) if "endpoint" in word
    }
    assert len(endpoints) == 3


def test_many_signals_at_once_are_one_request(tmp_path):
    """A doubled Ctrl-C: the second comes while the request of the first is being written."""
    storm = "import os, signal\nfor _ in range(500):\n    os.kill(os.getppid(), signal.SIGINT)"
    assert launch._wait([sys.executable, "-c", storm], {}, tmp_path / "stop") == 0
    assert (tmp_path / "stop").read_text() == "SIGINT"
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]
