"""The training loop: one run equals a killed and continued one, and depends on nothing but its seed and settings."""

import json
import os
import signal

import pytest
import torch
from toy import ToyStage, training

from ldae.core.errors import Interrupted, UserError
from ldae.training.loop import train
from ldae.training.trainer import Trainer, learning_rate_factor

FINGERPRINT = {"settings": {"channels": 8, "training": {"learning_rate": 0.05}}, "inputs": {"volumes": "abc"}}


def run(folder, settings=None, fingerprint=None, **stage):
    return train(ToyStage(**stage), settings or training(), 1, folder, fingerprint or FINGERPRINT)


def assert_equal(one, other):
    assert one.step == other.step
    assert one.history == other.history
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("selection", [None, "score"])
@pytest.mark.parametrize("killed_after", [1, 5, 8, 11])
def test_stopped_and_continued_is_bit_identical(tmp_path, killed_after, selection):
    def stop(step):
        if step == killed_after - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = run(tmp_path / "whole", selection=selection)
    with pytest.raises(Interrupted, match=f"after step {killed_after} of 12"):
        run(tmp_path / "parts", selection=selection, on_step=stop)
    assert_equal(run(tmp_path / "parts", selection=selection), whole)


def test_an_error_saves_the_steps_done_and_the_next_run_is_bit_identical(tmp_path):
    def crash(step):
        if step == 9:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "parts", on_step=crash)
    stage = ToyStage()
    continued = train(stage, training(), 1, tmp_path / "parts", FINGERPRINT)
    assert len(stage.seen) == 2 * (12 - 9)
    assert_equal(continued, run(tmp_path / "whole"))


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    run(tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_a_mismatch_names_the_key(tmp_path):
    run(tmp_path)
    changed = {"settings": {"channels": 8, "training": {"learning_rate": 0.1}}, "inputs": {"volumes": "abc"}}
    with pytest.raises(UserError, match=r"settings.training.learning_rate = 0.05, now it is 0.1"):
        run(tmp_path, fingerprint=changed)


def test_a_damaged_newest_checkpoint_falls_back(tmp_path, caplog):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts")
    kept = sorted(path.name for path in (tmp_path / "parts").glob("step-*.safetensors"))
    assert kept == ["step-00000008.safetensors", "step-00000012.safetensors"]
    newest = tmp_path / "parts" / kept[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    stage = ToyStage()
    with caplog.at_level("INFO", logger="ldae"):
        continued = train(stage, training(), 1, tmp_path / "parts", FINGERPRINT)
    assert "is damaged" in caplog.text
    assert "continued from step 8" in caplog.text
    assert_equal(continued, whole)


def test_micro_batches_do_not_change_the_data_or_the_noise(tmp_path):
    stages = {}
    for micro_batch in (1, 2, 4):
        stages[micro_batch] = ToyStage()
        stages[micro_batch].product[2].p = 0.0
        settings = training(micro_batch=micro_batch)
        stages[micro_batch].outcome = train(stages[micro_batch], settings, 1, tmp_path / str(micro_batch), FINGERPRINT)
    order = {size: [scan for batch in stage.seen for scan in batch] for size, stage in stages.items()}
    assert order[1] == order[2] == order[4]
    for size in (1, 2):
        for name, weight in stages[size].outcome.weights.items():
            torch.testing.assert_close(weight, stages[4].outcome.weights[name], rtol=1e-4, atol=1e-5)


def test_every_scan_is_seen_once_per_epoch(tmp_path):
    stage = ToyStage()
    train(stage, training(steps=14), 1, tmp_path, FINGERPRINT)
    order = [scan for batch in stage.seen for scan in batch]
    epochs = [order[first : first + 7] for first in range(0, 56, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_average_is_the_ema_formula():
    stage = ToyStage()
    trainer = Trainer(stage, training(), 1)
    expected = None
    for _ in range(3):
        trainer.advance()
        now = stage.product[0].weight.detach().clone()
        expected = now if expected is None else 0.9 * expected + 0.1 * now
    torch.testing.assert_close(trainer.average.module[0].weight, expected)


def test_the_best_validation_is_written(tmp_path):
    outcome = run(tmp_path, selection="score")
    scores = {row["step"]: row["validation_score"] for row in outcome.history}
    assert outcome.step == max(scores, key=scores.get)


def test_learning_rates():
    cosine = training(steps=100, schedule="cosine", warmup_steps=10)
    assert learning_rate_factor(cosine, 0) == pytest.approx(0.1)
    assert learning_rate_factor(cosine, 50) == pytest.approx(0.5)
    assert learning_rate_factor(training(steps=100), 99) == 1
    trainer = Trainer(ToyStage(), training(), 1)
    trainer.advance()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in trainer.optimizers.items()}
    assert rates == {"main": 0.05, "other": 0.01}


def test_gradients_are_clipped():
    stage = ToyStage()
    trainer = Trainer(stage, training(clip_norm=1e-3), 1)
    trainer.advance()
    gradients = torch.cat([parameter.grad.flatten() for parameter in stage.product.parameters()])
    assert gradients.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    stage = ToyStage()
    torch.nn.init.constant_(stage.product[0].weight, float("nan"))
    with pytest.raises(UserError, match="not finite in 6 steps in a row, the last of them step 6"):
        train(stage, training(), 1, tmp_path, FINGERPRINT)


def test_live_lines_carry_seconds_and_the_history_none(tmp_path):
    outcome = run(tmp_path)
    live = [json.loads(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]
    assert live[-1]["step"] == 12
    assert all("seconds" in line for line in live)
    assert [row["step"] for row in outcome.history] == [4, 8, 12]
    assert not any("seconds" in row for row in outcome.history)
