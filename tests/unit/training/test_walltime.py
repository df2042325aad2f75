"""The stop before the time limit: when it comes, and that the run goes on from there to the same weights."""

import math
import time

import pytest
import torch
from toy import ToyStage, training

from ldae.config import Launch
from ldae.core.errors import Interrupted, UserError
from ldae.training.loop import train
from ldae.training.safety.checkpoint import CheckpointFolder
from ldae.training.safety.interruption import Walltime


def walltime(margin=10.0, **environment):
    return Walltime(margin, environment, clock=lambda: 1000.0)


def test_the_scheduler_s_end_counts_before_ours():
    assert walltime(SLURM_JOB_END_TIME="1100", LDAE_STOP_AT="5").remaining() == 100
    assert walltime(SLURM_JOB_END_TIME="", LDAE_STOP_AT="1005").remaining() == 5
    assert walltime().remaining() == math.inf
    assert not walltime()


def test_it_stops_inside_the_margin():
    assert not walltime(LDAE_STOP_AT="1010.5")
    assert walltime(LDAE_STOP_AT="1009.5")


def test_the_margin_grows_with_the_longest_step_validation_and_save():
    limit = walltime(LDAE_STOP_AT="1050")
    for kind, seconds in (("step", 3.0), ("validation", 12.0), ("step", 1.0)):
        limit.observe(kind, seconds)
    assert limit.margin == 30.0 and not limit
    limit.observe("save", 10.5)
    assert limit.margin == 51.0 and limit


def test_the_longest_write_of_a_checkpoint_is_known(tmp_path):
    """It goes on in the background, where the loop cannot time it."""
    waits = {1: 0.2, 2: 0.0}
    folder = CheckpointFolder(tmp_path, {}, on_saved=lambda step: time.sleep(waits[step]))
    assert folder.seconds == 0
    for step in waits:
        folder.save(step, {"weight": torch.ones(2)}, {})
        folder.wait()
        assert folder.seconds >= 0.2


def test_a_bad_end_is_one_sentence():
    with pytest.raises(UserError, match="LDAE_STOP_AT=noon is not a time"):
        walltime(LDAE_STOP_AT="noon")


def test_a_run_stops_at_the_limit_and_continues_to_the_same_weights(tmp_path, monkeypatch):
    whole = train(ToyStage(), training(), 1, tmp_path / "whole", {})
    monkeypatch.setenv("LDAE_STOP_AT", str(time.time() + 60))
    with pytest.raises(Interrupted, match="time limit is near; saved after step 1 of 12"):
        train(ToyStage(), training(), 1, tmp_path / "parts", {}, Launch(stop_margin_seconds=61))
    monkeypatch.setenv("LDAE_STOP_AT", str(time.time() + 1e6))
    parts = train(ToyStage(), training(), 1, tmp_path / "parts", {}, Launch(stop_margin_seconds=61))
    assert all(torch.equal(parts.weights[name], whole.weights[name]) for name in whole.weights)
