"""SIGKILL at random points of every stage, and signals that ask for a stop: the deliveries do not change by a byte."""

import json
import os
import signal
import time

import numpy as np
import pytest
from held import WAITS
from tiny import STEPS, assert_same_model, ended, progress, start_held, train

KILLS = {"autoencoder": 4, "diffusion": 3, "representation": 3}


def rows(out):
    """live.jsonl without its wall times."""
    lines = (out / "checkpoints/live.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize("stage", KILLS)
def test_killed_at_random_points_and_continued_every_byte_is_the_same(cohort, tmp_path, stage):
    rng = np.random.default_rng(len(stage))
    arguments = cohort.arguments(stage, tmp_path)
    reached = 0
    for attempt, step in enumerate(sorted(rng.choice(np.arange(1, STEPS - 3), KILLS[stage], replace=False)), start=1):
        child = start_held(stage, arguments, max(int(step), reached + 1), attempt, room=2)
        time.sleep(rng.uniform(0, 0.02))  # anywhere in the two steps, or while it waits after them
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        assert not (tmp_path / "model.safetensors").exists()
        reached = progress(tmp_path)[1]
    train(stage, arguments)
    reference = cohort.folder / "train" / stage
    assert_same_model(tmp_path, reference)
    assert rows(tmp_path) == rows(reference)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_and_ends_with_status_75(cohort, tmp_path, number):
    arguments = cohort.arguments("diffusion", tmp_path)
    child = start_held("diffusion", arguments, 11)
    waits = tmp_path.with_name(f"{tmp_path.name}-hold{WAITS}")
    while not waits.exists():  # a signal before that is one between two steps
        time.sleep(0.005)
    os.kill(child, number)
    assert ended(child) == 75
    [newest] = sorted((tmp_path / "checkpoints").glob("step-*.json"))[-1:]
    assert json.loads(newest.read_text())["step"] == 12  # the one under way is finished
    attempt = json.loads((tmp_path / "checkpoints/attempts.json").read_text())["attempts"][-1]
    assert signal.Signals(number).name in attempt["reason"]
    train("diffusion", arguments)
    assert_same_model(tmp_path, cohort.folder / "train/diffusion")


def test_a_file_named_stop_asks_for_the_same(cohort, tmp_path):
    arguments = cohort.arguments("diffusion", tmp_path / "out")
    child = start_held("diffusion", arguments, 5)
    (tmp_path / "out/checkpoints/stop").touch()
    (tmp_path / "out-hold.json").unlink()
    assert ended(child) == 75
    assert not (tmp_path / "out/checkpoints/stop").exists()
