"""Training jobs of the real workflow are killed and asked to stop; Snakemake runs them again to the same bytes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import held
import numpy as np
import psutil
import pytest
import torch
from held import write_hold
from safetensors.torch import load_file
from tiny import STAGES, STEPS, assert_same_model, copied, progress
from tiny_workflow import MARK, RESULTS, make_workflow

KILLS = {"autoencoder": 4, "diffusion": 3, "representation": 3}


SHORT = """
import time
from pathlib import Path
order = Path("order.txt")
def say(word):
    with order.open("a") as file:
        file.write(word + " ")
say("begun")
until = time.monotonic() + {seconds}
while time.monotonic() < until and order.read_text().split().count("begun") < 2:
    time.sleep(0.01)
say("ended")
for path in snakemake.output:
    Path(path).write_text(str(snakemake.resources.gpu))
"""


@pytest.mark.parametrize(("gpus", "seconds"), [(1, 1), pytest.param(0, 60, marks=pytest.mark.slow)])
def test_two_trainings_are_side_by_side_only_where_there_is_no_gpu_to_share(tmp_path, gpus, seconds):
    """Two cores. With one GPU the second begins when the first has ended; without any it does not wait."""
    workflow, both = make_workflow(tmp_path), ("train_supervised_ad", "train_supervised_age")
    for rule in both:
        (tmp_path / f"workflow/scripts/{rule}.py").write_text(SHORT.format(seconds=seconds))
    running = workflow.start(*both, "--cores", "2", "--resources", f"gpu={gpus}")
    assert running.wait() == 0, workflow.output()
    assert (workflow.train("supervised_ad") / "model.json").read_text() == str(gpus)
    order = (tmp_path / "order.txt").read_text().split()
    assert order == (["begun", "ended"] * 2 if gpus else ["begun", "begun", "ended", "ended"])


@pytest.mark.slow
def test_a_retry_continues_the_step_counter(cohort, tmp_path):
    """SIGUSR1 (status 75), then SIGKILL; no kill reaches Snakemake itself, which starts the job again."""
    workflow, stage = make_workflow(tmp_path), "autoencoder"
    workflow.hold(stage, 10)
    running = workflow.start("train_autoencoder", "--retries", "3")
    job = workflow.job_at(running, stage, 10, attempt=1)
    workflow.hold(stage, 20)  # of the next attempt
    os.kill(job, signal.SIGUSR1)
    os.kill(workflow.job_at(running, stage, 20, attempt=2), signal.SIGKILL)
    workflow.release()
    assert running.wait() == 0, workflow.output()
    assert "exit status 75" in workflow.output()
    assert "continued from step 16 of 40" in (tmp_path / RESULTS / "logs/train_autoencoder.log").read_text()
    assert_same_model(workflow.train(stage), cohort.folder / "train" / stage)


@pytest.mark.slow
def test_ten_kills_over_the_chain_and_the_delivered_files_do_not_change(cohort, tmp_path):
    """Every other kill ends Snakemake, too (no retries): the same target is asked for again."""
    workflow, rng, killed = make_workflow(tmp_path), np.random.default_rng(0), 0
    running, allowed = None, 0
    for stage in STAGES:
        reached, retries = 0, allowed  # Snakemake counts the retries of each job
        for attempt, step in enumerate(sorted(rng.choice(np.arange(1, STEPS - 3), KILLS[stage], replace=False)), 1):
            workflow.hold(stage, max(int(step), reached + 1))
            if running is None:
                retries = allowed = killed % 2
                running = workflow.start("train_representation", "--retries", str(retries))
            os.kill(workflow.job_at(running, stage, max(int(step), reached + 1), attempt), signal.SIGKILL)
            killed += 1
            if retries:
                retries -= 1
            else:
                assert running.wait() == 1
                running = None
            reached = progress(workflow.train(stage))[1]
            assert not (workflow.train(stage) / "model.safetensors").exists()
    workflow.release()
    running = running or workflow.start("train_representation")
    assert running.wait() == 0, workflow.output()
    assert killed == 10
    for stage in STAGES:
        assert_same_model(workflow.train(stage), cohort.folder / "train" / stage)


@pytest.mark.slow
def test_two_processes_by_torchrun_under_snakemake(cohort, tmp_path):
    """The rule has gpu=2. SIGUSR1 and SIGKILL of the job, SIGKILL of one of its processes: the retry goes on."""
    workflow, stage = make_workflow(tmp_path), "autoencoder"
    workflow.hold(stage, 9)
    running = workflow.start("train_autoencoder", "--retries", "4", "--set-resources", "train_autoencoder:gpu=2")
    for attempt, event in enumerate(("asked to stop", "killed", "one process killed"), start=1):
        first = psutil.Process(workflow.job_at(running, stage, 9 * attempt, attempt))
        torchrun = first.parent()
        job, workers = torchrun.parent(), torchrun.children()
        assert len(workers) == 2
        if event == "asked to stop":
            job.send_signal(signal.SIGUSR1)
            while not (workflow.train(stage) / "checkpoints/stop").exists():
                time.sleep(0.01)
        elif event == "killed":
            job.kill()
        else:
            next(worker for worker in workers if worker != first).kill()
        workflow.hold(stage, 9 * (attempt + 1))  # the next attempt; this one finds the stop after its next step
        psutil.wait_procs([torchrun, *workers])
    workflow.release()
    assert running.wait() == 0, workflow.output()
    assert workflow.output().count("exit status 75") == 1
    two, one = (
        load_file(folder / "model.safetensors") for folder in (workflow.train(stage), cohort.folder / "train" / stage)
    )
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4, msg=name)


def ctrl_c(workflow, *arguments):
    """Snakemake in a terminal of its own, the process group of which gets both signals of a doubled Ctrl-C."""
    running = workflow.start("train_autoencoder", *arguments, start_new_session=True)
    workflow.job_at(running, "autoencoder", 10, attempt=1)
    os.killpg(running.pid, signal.SIGINT)
    os.killpg(running.pid, signal.SIGINT)
    return running


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_saves_and_the_same_command_goes_on(cohort, tmp_path, processes):
    """The terminal sends it to Snakemake, the job, torchrun and its processes at once; a second one changes nothing."""
    workflow, stage = make_workflow(tmp_path), "autoencoder"
    arguments = ["--set-resources", f"train_autoencoder:gpu={processes}"]
    workflow.hold(stage, 10)
    running = ctrl_c(workflow, *arguments)
    if processes == 2:  # their launcher has made a request of it
        while not (workflow.train(stage) / "checkpoints/stop").exists():
            time.sleep(0.01)
        workflow.release()
    assert running.wait() != 0
    for process in psutil.process_iter(["environ"]):  # a second Ctrl-C ends Snakemake before its job has saved
        if (process.info["environ"] or {}).get(MARK) == str(tmp_path):
            process.wait()
    log = (tmp_path / RESULTS / "logs/train_autoencoder.log").read_text()
    saved = re.search(r"(SIGINT received|another process was asked to stop); saved after step (\d+) of 40", log)
    assert saved and "Traceback" not in log
    if processes == 1:  # of two, either may be the first to be told, before its next step or after it
        assert saved.groups() == ("SIGINT received", "11")
    [attempt] = json.loads((workflow.train(stage) / "checkpoints/attempts.json").read_text())["attempts"]
    assert not attempt["fault"]
    workflow.release()
    again = workflow.start("train_autoencoder", *arguments)
    assert again.wait() == 0, workflow.output()
    log = (tmp_path / RESULTS / "logs/train_autoencoder.log").read_text()
    assert f"continued from step {saved[2]} of 40" in log
    if processes == 1:
        assert_same_model(workflow.train(stage), cohort.folder / "train" / stage)


SRUN = """#!/usr/bin/env python3
# Two "nodes" on this host: starts the command once for each.
import subprocess, sys
command = [word for word in sys.argv[1:] if not word.startswith(("--nodes=", "--ntasks"))]
tasks = [subprocess.Popen(command) for _ in range(2)]
sys.exit(max(task.wait() for task in tasks))
"""
JOB = """
import json, sys
from ldae.core.runtime import running
sys.path.append(sys.argv[3])
with running(sys.argv[1]):
    import held
    held.install()
    from ldae.training.launch import launch
    launch("train_autoencoder", {"gpu": 1, "nodes": 2}, sys.argv[1], **json.loads(sys.argv[2]))
"""


@pytest.mark.slow
def test_two_nodes_meet_and_stop_together(cohort, tmp_path):
    """The two-node command with an srun that starts both tasks on this host: two torchruns of one process each."""
    srun = tmp_path / "bin/srun"
    srun.parent.mkdir()
    srun.write_text(SRUN)
    srun.chmod(0o755)
    path = os.pathsep.join([str(srun.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    arguments = json.dumps(cohort.arguments("autoencoder", tmp_path / "out"))
    command = [sys.executable, "-c", JOB, str(tmp_path / "job.log"), arguments, str(Path(__file__).parent)]
    hold, stop = tmp_path / "hold.json", tmp_path / "out/checkpoints/stop"
    environment = os.environ | {"PATH": path, "LDAE_HEAD_NODE": "localhost", held.NAME: str(hold)}
    write_hold(hold, 5)
    job = subprocess.Popen(command, env=environment)
    while progress(tmp_path / "out")[1] < 5:
        assert job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGTERM)
    while not stop.exists():
        time.sleep(0.01)
    hold.unlink()
    assert job.wait() == 75
    assert subprocess.run(command, env=environment).returncode == 0
    model = copied(tmp_path / "out", tmp_path / "delivered") / "model.safetensors"
    two, one = load_file(model), load_file(cohort.folder / "train/autoencoder/model.safetensors")
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4, msg=name)
