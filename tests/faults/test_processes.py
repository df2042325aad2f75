"""Several processes (gloo, forked here; by torchrun in the slow tests): the same batch, order and gradients as one."""

import json
import os
import signal

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from tiny import SETTINGS, ended, in_a_child
from toy import ToyStage, training

from ldae import config
from ldae.core.errors import Interrupted, UserError
from ldae.core.scans import read_splits, split_rows
from ldae.core.store import open_store
from ldae.inference.readers import Volumes
from ldae.training.distributed import World
from ldae.training.loop import train
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.trainer import Trainer


def together(folder, work, size=2):
    """Run ``work(world)`` in ``size`` processes; returns their exit statuses."""
    folder.mkdir(parents=True, exist_ok=True)

    def member(rank):
        dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
        work(World.current())

    children = [in_a_child(lambda rank=rank: member(rank)) for rank in range(size)]
    return [ended(child) for child in children]


def autoencoder_stage(cohort):
    settings = config.Autoencoder.model_validate(SETTINGS["autoencoder"])
    store, splits = open_store(cohort.folder / "volumes"), read_splits(cohort.folder / "splits.tsv")
    rows = {name: split_rows(store, splits, name) for name in ("train", "validation")}
    device = torch.device("cpu")
    return AutoencoderStage(settings, *(Volumes(store, rows[name], device) for name in rows), 1)


def gradients(trainer):
    """Of the last step, clipped to a norm that is never reached."""
    return {
        f"{name}.{parameter}": value.grad.contiguous()
        for name, network in trainer.stage.networks.items()
        for parameter, value in network.named_parameters()
    }


@pytest.mark.parametrize("kind", ["toy", "autoencoder"])
def test_gradients_and_losses_of_two_processes_are_those_of_one(cohort, tmp_path, kind):
    """With dropout on: its key is the position in the batch. Stage 1 has two networks and two optimizers."""

    def trained():
        torch.manual_seed(0)
        stage = ToyStage() if kind == "toy" else autoencoder_stage(cohort)
        trainer = Trainer(stage, training(micro_batch=1, clip_norm=1e9, learning_rate=1e-3), 1)
        return trainer, trainer.advance().losses

    def member(world):
        trainer, losses = trained()
        save_file(gradients(trainer), tmp_path / f"gradients-{world.rank}.safetensors")
        (tmp_path / f"losses-{world.rank}.json").write_text(json.dumps(losses))

    assert together(tmp_path, member) == [0, 0]
    trainer, losses = trained()
    for rank in range(2):
        shared = load_file(tmp_path / f"gradients-{rank}.safetensors")
        for name, gradient in gradients(trainer).items():
            torch.testing.assert_close(shared[name], gradient, rtol=1e-6, atol=1e-6, msg=name)
        assert json.loads((tmp_path / f"losses-{rank}.json").read_text()) == pytest.approx(losses, rel=1e-6)


def scans_seen(stage):
    """Scans by optimizer step and position: two micro-batches of this process a step."""
    return [scan for batch in stage.seen for scan in batch]


def test_the_world_may_change_on_resume_and_the_scans_stay(tmp_path):
    """Two processes for 5 steps, one for the rest; the scans and their order are those of one process throughout."""
    alone = ToyStage()
    whole = train(alone, training(), 1, tmp_path / "one", {})

    def member(world):
        stage = ToyStage(on_step=lambda step: step == 4 and world.first and os.kill(os.getpid(), signal.SIGTERM))
        try:
            train(stage, training(), 1, tmp_path / "changed", {})
        except Interrupted:
            (tmp_path / f"seen-{world.rank}.json").write_text(json.dumps(stage.seen))

    assert together(tmp_path, member) == [0, 0]
    first, second = (json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2))
    assert len(first) == len(second) == 5  # both stop after the same step, though one was asked
    rest = ToyStage()
    outcome = train(rest, training(), 1, tmp_path / "changed", {})
    both = [batch for pair in zip(first, second, strict=True) for batch in pair]
    assert both + rest.seen == alone.seen
    for name, weight in whole.weights.items():
        torch.testing.assert_close(outcome.weights[name], weight, rtol=1e-4, atol=1e-5)


def test_two_processes_continued_with_the_same_launch_are_bit_identical(tmp_path):
    def run(folder, stop=None):
        def member(world):
            stage = ToyStage(on_step=lambda step: step == stop and os.kill(os.getpid(), signal.SIGTERM))
            outcome = train(stage, training(micro_batch=1), 1, tmp_path / folder, {})
            if world.first:
                save_file(outcome.weights, tmp_path / f"{folder}.safetensors")

        return together(tmp_path / f"{folder}-{stop}", member)

    assert run("whole") == [0, 0]
    assert run("parts", stop=5) == [75, 75]
    assert run("parts") == [0, 0]
    whole, parts = load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "parts.safetensors")
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_out_of_memory_in_one_process_halves_the_micro_batch_in_all(tmp_path):
    def member(world):
        def memory(draws, share, backward=ToyStage.backward):
            losses = backward(stage, draws, share)
            if world.rank == 1 and len(draws) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return losses

        stage = ToyStage()
        stage.backward = memory
        train(stage, training(), 1, tmp_path / "run", {})
        assert [len(batch) for batch in stage.seen] == [2] + [1] * 2 * 12

    assert together(tmp_path, member) == [0, 0]


def test_running_statistics_are_averaged(tmp_path):
    def member(world):
        network = torch.nn.BatchNorm1d(2)
        network.running_mean.fill_(world.rank)
        world.average_statistics([network])
        assert torch.equal(network.running_mean, torch.full((2,), 0.5))

    assert together(tmp_path, member) == [0, 0]


def test_a_batch_that_cannot_be_shared_is_one_sentence():
    with pytest.raises(UserError, match="batch 4 cannot be shared by 3 processes with micro_batch 1"):
        Trainer(ToyStage(), training(micro_batch=1), 1, World(0, 3))
