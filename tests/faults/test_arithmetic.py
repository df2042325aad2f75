"""Steps that go wrong in the numbers: not finite, or out of GPU memory."""

import json

import pytest
import torch
from toy import ToyStage, training

from ldae.core.errors import UserError
from ldae.training.loop import train
from ldae.training.trainer import Trainer


class Poisoned(ToyStage):
    """The toy stage with batch normalisation and a loss that is NaN in some steps.

    Args:
        bad: steps (from 1) with a NaN; ``infinite_gradient``: the loss is finite, a gradient is not.
    """

    def __init__(self, bad=(), infinite_gradient=False, **more):
        super().__init__(**more)
        self.bad, self.infinite_gradient = bad, infinite_gradient
        self.product.insert(1, torch.nn.BatchNorm1d(8))

    def backward(self, draws, share):
        step = draws[0].key[2] + 1
        losses = super().backward(draws, share)
        if step in self.bad:
            if self.infinite_gradient:
                self.product[0].weight.grad[0, 0] = float("inf")
            else:
                self.product[0].weight.grad.mul_(float("nan"))
                self.product[1].running_mean.fill_(float("nan"))
                losses["main"] = torch.tensor(float("nan"))
        return losses


def everything(trainer):
    """Copies of all tensors of the state."""
    return {name: tensor.clone() for name, tensor in trainer.state()[0].items()}


@pytest.mark.parametrize("infinite_gradient", [False, True], ids=["NaN loss", "infinite gradient"])
def test_a_bad_step_changes_nothing_and_is_counted(tmp_path, infinite_gradient):
    trainer = Trainer(Poisoned({7}, infinite_gradient), training(), 1)
    for _ in range(6):
        assert not trainer.advance().skipped
    before = everything(trainer)
    assert trainer.advance().skipped
    after = everything(trainer)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before), "networks, moments, EMA, statistics"
    assert trainer.step == 7
    assert not trainer.advance().skipped
    assert not torch.equal(everything(trainer)["average.module.0.weight"], after["average.module.0.weight"])


def test_it_is_in_the_metrics_and_its_scans_are_on_disk(tmp_path):
    stage = Poisoned({7})
    stage.scan_names = [f"scan-{i}" for i in range(stage.scans)]
    outcome = train(stage, training(), 1, tmp_path, {})
    assert [(row["step"], row["skipped"]) for row in outcome.history] == [(4, 0), (8, 1), (12, 0)]
    [row] = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert row["step"] == 7 and row["losses"]["main"] == "nan"
    assert row["scans"] == [f"scan-{scan}" for batch in stage.seen[12:14] for scan in batch]
    assert all(torch.isfinite(weight).all() for weight in outcome.weights.values())


def test_more_than_allowed_in_a_row_stops_with_the_scans_on_disk(tmp_path):
    settings = training(skip_nonfinite=2)
    assert train(Poisoned({2, 3, 6, 7}), settings, 1, tmp_path / "two", {}).step == 12
    with pytest.raises(UserError, match=r"not finite in 3 steps in a row, the last of them step 8.*skipped\.jsonl"):
        train(Poisoned({2, 3, 6, 7, 8}), settings, 1, tmp_path / "three", {})
    rows = [json.loads(line) for line in (tmp_path / "three/skipped.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3, 6, 7, 8]
    assert all(len(row["scans"]) == 4 for row in rows)


@pytest.mark.parametrize("killed_at", [5, 7, 9])
def test_continued_after_bad_steps_is_bit_identical(tmp_path, killed_at):
    """The count in a row, too: steps 6 to 8 are bad and three are allowed."""

    def crash(step):
        if step == killed_at:
            raise ZeroDivisionError

    settings, bad = training(skip_nonfinite=3), {6, 7, 8}
    whole = train(Poisoned(bad), settings, 1, tmp_path / "whole", {})
    with pytest.raises(ZeroDivisionError):
        train(Poisoned(bad, on_step=crash), settings, 1, tmp_path / "parts", {})
    parts = train(Poisoned(bad), settings, 1, tmp_path / "parts", {})
    assert parts.history == whole.history
    assert all(torch.equal(parts.weights[name], whole.weights[name]) for name in whole.weights)
    assert (tmp_path / "parts/skipped.jsonl").read_bytes() == (tmp_path / "whole/skipped.jsonl").read_bytes()


class Small(ToyStage):
    """A GPU whose memory holds ``room`` scans; no dropout, so that micro-batches do not matter."""

    def __init__(self, room, **more):
        super().__init__(**more)
        self.room = room
        self.product[2].p = 0.0

    def backward(self, draws, share):
        losses = super().backward(draws, share)
        if len(draws) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return losses


def test_out_of_memory_halves_the_micro_batch_once_and_keeps_the_batch(tmp_path):
    small, large = Small(1), Small(4)
    outcome = train(small, training(), 1, tmp_path / "small", {})
    reference = train(large, training(micro_batch=1), 1, tmp_path / "large", {})
    assert [len(batch) for batch in small.seen] == [2] + [1] * 4 * 12
    assert small.seen[1:] == large.seen
    for name, weight in reference.weights.items():
        assert torch.equal(outcome.weights[name], weight)


def test_out_of_memory_again_is_one_sentence(tmp_path):
    with pytest.raises(
        UserError, match=r"out of GPU memory with micro-batches of 2; set a smaller training\.micro_batch"
    ):
        train(Small(1), training(micro_batch=4), 1, tmp_path / "twice", {})
    with pytest.raises(UserError, match="out of GPU memory with micro-batches of 1"):
        train(Small(0), training(micro_batch=1), 1, tmp_path / "one", {})


def test_a_continued_run_keeps_the_halved_micro_batch(tmp_path):
    def crash(step):
        if step == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(Small(1, on_step=crash), training(), 1, tmp_path, {})
    again = Small(1)
    train(again, training(), 1, tmp_path, {})
    assert {len(batch) for batch in again.seen} == {1}
    wider = Trainer(Small(4), training(micro_batch=4), 1)
    assert wider.micro_batch == 4
