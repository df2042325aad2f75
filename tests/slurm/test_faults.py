"""What goes wrong on a cluster, done to a real one: killed, timed out and requeued trainings, a controller that is
away, a Snakemake that is killed."""

import filecmp
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from held import HOLD, write_hold
from lab import wait_for
from runs import LAB, PATIENCE, Run, checkpointed_step, continued_from, run_locally, with_binaries, write_profile

STAGE = "autoencoder"
MODEL = f"results/lab/train/{STAGE}/model.safetensors"


HELD = {"autoencoder": 50, "diffusion": 30}  # steps after which they wait: ten after their first checkpoint


def start(lab, folder: Path, changes: dict | None = None, configs: tuple[str, ...] = LAB, stage: str = STAGE) -> Run:
    """A training that waits once it has something to lose, until it is released or gets a signal."""
    if not (folder / HOLD).exists():
        write_hold(folder / HOLD, HELD[stage])
    return Run(lab, folder, write_profile(folder, changes or {}), "--until", f"train_{stage}", configs=configs)


def until_checkpointed(run: Run, stage: str = STAGE) -> dict[str, str]:
    """The training's SLURM job, once it has something to lose."""
    run.wait_for(lambda: checkpointed_step(run.folder, stage))
    return run.jobs(f"train_{stage}")[-1]


def states(run: Run, stage: str = STAGE) -> list[str]:
    return [job["JobState"] for job in run.jobs(f"train_{stage}")]


def same_model(one: Path, other: Path) -> bool:
    return filecmp.cmp(one / MODEL, other / MODEL, shallow=False)


def test_a_killed_training_is_submitted_again_and_continues(lab, local, before_training):
    run = start(lab, before_training)
    number = until_checkpointed(run)["JobId"]
    lab.call("scancel", "--signal=KILL", "--full", number)
    run.release_after(number)
    run.wait()
    assert len(states(run)) == 2 and states(run)[0] != "COMPLETED" and states(run)[1] == "COMPLETED"
    assert continued_from(run.folder, STAGE) >= 40
    assert same_model(local, run.folder)


@pytest.fixture(scope="module")
def pair(local, tmp_path_factory) -> Path:
    """Stage 2 without SLURM, on two processes, as the profile runs it."""
    folder = tmp_path_factory.mktemp("pair") / "local"
    shutil.copytree(local, folder, symlinks=True)
    run_locally(folder, "--set-resources", "train_diffusion:gpu=2", "--until", "train_diffusion")
    return folder


@pytest.mark.parametrize("signal", ["KILL", "CANCEL"])
def test_a_training_on_two_gpus_continues_too(lab, local, pair, tmp_path, signal):
    folder = tmp_path / "cluster"
    shutil.copytree(local, folder, symlinks=True)
    run = start(lab, folder, stage="diffusion")
    number = until_checkpointed(run, "diffusion")["JobId"]
    lab.call("scancel", *(["--signal=KILL", "--full"] if signal == "KILL" else []), number)
    run.release_after(number)
    run.wait()
    assert len(states(run, "diffusion")) == 2 and states(run, "diffusion")[1] == "COMPLETED"
    assert {job["JOB_GRES"] for job in run.jobs("train_diffusion")} == {"gpu:a100:2"}
    assert continued_from(folder, "diffusion") >= 20
    model = "results/lab/train/diffusion/model.safetensors"
    assert filecmp.cmp(pair / model, folder / model, shallow=False)


TWO_NODES = {"nodes": 2, "gpu": 4, "mpi": "srun", "tasks_per_node": 2}  # as docs/cluster.md says


def test_a_training_on_two_nodes(lab, local, tmp_path, monkeypatch):
    """Two processes on each of two nodes. (The nodes' names lead nowhere here: the lab is one machine.)"""
    monkeypatch.setenv("LDAE_HEAD_NODE", "localhost")
    folder = tmp_path / "cluster"
    shutil.copytree(local, folder, symlinks=True)
    run = Run(lab, folder, write_profile(folder, {"train_diffusion": TWO_NODES}), "--until", "train_diffusion")
    run.wait()
    (job,) = run.jobs("train_diffusion")
    assert (job["JobState"], job["NumNodes"], job["NodeList"]) == ("COMPLETED", "2", "gpu[01-02]")
    assert job["JOB_GRES"] == "gpu:a100:4"
    assert "4 processes" in (folder / "results/lab/logs/train_diffusion.log").read_text()


def test_training_stops_before_its_time_limit_and_the_retry_goes_on(lab, before_training):
    """A training that is longer than its queue: exit 75 well before the limit, never a TIMEOUT. The first two attempts
    stop half a minute after their start, nine and a half before their limit; a step takes a quarter of a second at
    least, so they cannot do its 400. The third has time."""
    margin, steps = 600 - 30, 400
    (before_training / "margin.json").write_text(json.dumps({"launch": {"stop_margin_seconds": margin}}))
    write_hold(before_training / HOLD, 10 * steps, seconds=0.25)
    limits = {f"train_{STAGE}": {"runtime": "10 if attempt < 3 else 60"}}
    run = start(lab, before_training, limits, (*LAB, "margin.json"))
    run.wait_for(lambda: len(states(run)) == 3)
    run.release()
    run.wait()
    assert states(run) == ["FAILED", "FAILED", "COMPLETED"]
    assert run.jobs(f"train_{STAGE}")[0]["TimeLimit"] == "00:10:00"
    first, second = sorted(
        {int(step) for step in re.findall(rf"limit is near; saved after step (\d+) of {steps}", run.logs())}
    )
    assert 0 < first < second < steps
    assert continued_from(run.folder, STAGE) == second


def test_a_timed_out_training_is_submitted_again_and_continues(lab, before_training):
    """The time limit comes as a surprise: it is brought forward when the training has looked at it already."""
    run = start(lab, before_training)
    number = until_checkpointed(run)["JobId"]
    lab.call("scontrol", "update", f"JobId={number}", "EndTime=now")
    run.release_after(number, "TIMEOUT")
    run.wait()
    assert states(run) == ["TIMEOUT", "COMPLETED"]
    assert 40 <= continued_from(run.folder, STAGE) <= 51  # SIGTERM saves after the step under way


def test_a_requeued_training_continues_under_its_number(lab, local, before_training):
    """What pre-emption and a failed node do."""
    run = start(lab, before_training)
    number = until_checkpointed(run)["JobId"]
    lab.call("scontrol", "requeue", number)
    run.release_after(number)
    run.wait()
    (job,) = run.jobs(f"train_{STAGE}")
    assert (job["JobId"], job["Restarts"], job["JobState"]) == (number, "1", "COMPLETED")
    assert continued_from(run.folder, STAGE) >= 40
    assert same_model(local, run.folder)


def test_a_controller_that_restarts_disturbs_nothing(lab, local, before_training):
    run = start(lab, before_training)
    until_checkpointed(run)
    old = lab.controller()
    subprocess.run(["kill", "-TERM", str(old)], check=True)  # as `systemctl restart` does
    wait_for(lambda: lab.controller() not in (None, old), "the controller stays away", PATIENCE)
    run.release()
    run.wait()
    assert states(run) == ["COMPLETED"]
    assert same_model(local, run.folder)


def unlock(lab, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = with_binaries(lab.environment)
    return subprocess.run(
        [Path(sys.executable).parent / "ldae", "unlock"], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_after_kill_9_unlock_refuses_while_jobs_run_and_works_after(lab, local, before_training):
    run = start(lab, before_training)
    number = until_checkpointed(run)["JobId"]
    run.kill()
    refused = unlock(lab, run.folder)
    assert refused.returncode == 1, refused.stdout
    assert f"{number}  RUNNING" in refused.stderr and f"scancel {number}" in refused.stderr
    assert list((run.folder / ".snakemake/locks").glob("*.lock"))
    run.release()

    wait_for(lambda: not lab.call("squeue", "--noheader"), "the orphan runs on", PATIENCE)
    done = unlock(lab, run.folder)
    assert done.returncode == 0 and "is unlocked" in done.stdout, done.stderr

    again = Run(lab, run.folder, write_profile(run.folder, {}), "--until", f"train_{STAGE}")
    again.wait()
    assert again.jobs() == []  # the orphan's work is kept: nothing is submitted twice
    assert same_model(local, run.folder)
