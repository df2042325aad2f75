"""Every training in bf16 autocast and in channels-last order, beside itself in float32: on the CPU, at toy size.

The real stages on random data, as ``make bench-gpu`` makes them.
"""

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode
from toy import ToyStage, training

from ldae import config
from ldae.core.keyed import Draw
from ldae.networks.weights import load_weights, save_weights
from ldae.training.loop import train
from ldae.training.memory import STAGES
from ldae.training.stages.stage import ssim

ROOT = Path(__file__).parents[3]
NAMES = [stage.__name__ for stage in STAGES]
TOY = """
preprocessing: {conform: {shape: [32, 32, 32]}}
autoencoder: {patch: 1, channels: [8, 8, 16], norm_groups: 4, latent_channels: 3, zero_init: false}
diffusion: {prior: none, channels: 8, norm_groups: 4}
representation: {code_norm: layer, dimension: 16, slice_step: 4}
dae: {shape: [8, 8, 8], channels: 8, norm_groups: 4, dimension: 16}
"""
PRECISE = {"compute": config.Compute(), "precision": "fp32"}
ROUNDED = PRECISE | {"precision": "bf16"}
CHANNELS_LAST = config.Compute(channels_last=True)


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_gpu", ROOT / "benchmarks" / "bench_gpu.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def build(bench, tmp_path_factory):
    """(stage, changes of its training) -> the stage, its weights moved off their start, and its training."""
    folder = tmp_path_factory.mktemp("random")
    (folder / "toy.yaml").write_text(TOY)
    settings = config.load_config(
        *(ROOT / "config" / f"{name}.yaml" for name in ("config", "small_networks", "demo")), folder / "toy.yaml"
    )

    def make(name, **changes):
        changes = {"batch": 2, "micro_batch": 2, "steps": 2, "validate_every": 1} | changes
        section = getattr(settings, name)
        training = section.training.model_copy(update=changes)
        changed = settings.model_copy(update={name: section.model_copy(update={"training": training})})
        stage = bench.Stages(changed, folder, torch.device("cpu")).make(name)
        torch.manual_seed(5)
        for network in stage.networks.values():
            for parameter in network.parameters():  # outputs start at zero, where most gradients are zero
                parameter.data += 0.03 * torch.randn(parameter.shape)
        return stage, training

    return make


def gradients(stage):
    """Losses and gradients of one micro-batch."""
    for network in stage.networks.values():
        network.train()
    torch.manual_seed(3)
    losses = stage.backward([Draw(scan, ("test", scan)) for scan in range(2)], 1.0)
    found = {
        f"{name}.{key}": parameter.grad.clone()
        for name, network in stage.networks.items()
        for key, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    return {name: float(value) for name, value in losses.items()}, found


def distance(found, expected):
    """Of two sets of gradients, over all of them together, relative."""
    assert found.keys() == expected.keys()
    error = sum(float((found[name] - value).square().sum()) for name, value in expected.items())
    return (error / sum(float(value.square().sum()) for value in expected.values())) ** 0.5


@pytest.mark.parametrize("name", NAMES)
def test_bf16_gives_nearly_the_gradients_of_float32_in_float32(build, name):
    losses, expected = gradients(build(name, **PRECISE)[0])
    half_losses, found = gradients(build(name, **ROUNDED)[0])
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in found.values())
    assert half_losses == pytest.approx(losses, rel=0.05)
    assert 0 < distance(found, expected) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_gives_the_gradients_of_float32(build, name):
    losses, expected = gradients(build(name, **PRECISE)[0])
    stage = build(name, **(PRECISE | {"compute": CHANNELS_LAST}))[0]
    convolution = next(p for p in stage.product.parameters() if p.ndim == 5 or (p.ndim == 4 and p.shape[1] > 1))
    order = torch.channels_last_3d if convolution.ndim == 5 else torch.channels_last
    assert convolution.is_contiguous(memory_format=order)
    other_losses, found = gradients(stage)
    assert other_losses == pytest.approx(losses, rel=1e-4)
    assert distance(found, expected) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["representation", "dae"])
def test_compiled_norms_give_the_gradients_of_float32(build, name):
    losses, expected = gradients(build(name, **PRECISE)[0])
    compute = config.Compute(compile_norms=True, recompute_norms=False)
    compiled_losses, found = gradients(build(name, **(PRECISE | {"compute": compute}))[0])
    assert compiled_losses == pytest.approx(losses, rel=1e-4)
    assert 0 < distance(found, expected) < 1e-4
    half = build(name, **(ROUNDED | {"compute": compute}))[0]
    assert distance(gradients(half)[1], expected) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_training_in_bf16_and_channels_last_is_whole(build, name, tmp_path):
    """Steps, validation, average, picture, checkpoint and weights; and it continues from its checkpoint."""
    changes = ROUNDED | {"compute": CHANNELS_LAST}
    for steps in (1, 2):
        stage, training = build(name, **(changes | {"steps": steps}))
        outcome = train(stage, training, 1, tmp_path / "checkpoints", {}, config.Launch())
    assert [row["step"] for row in outcome.history] == [1, 2]
    assert all(row["skipped"] == 0 for row in outcome.history)
    save_weights(tmp_path / "model.safetensors", outcome.weights)
    written = load_weights(tmp_path / "model.safetensors")
    stage.product.load_state_dict(written)  # strict
    assert all(value.isfinite().all() for value in written.values())


def test_a_validation_s_ssim_is_never_tf32():
    """The flag as it stands when a convolution is called: TF32 would round its inputs to 10 bits on a GPU."""
    seen = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            if function is torch.nn.functional.conv3d:
                seen.append(torch.backends.cudnn.allow_tf32)
            return function(*arguments, **(keywords or {}))

    earlier = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        with Watch():
            ssim(torch.rand(1, 1, 12, 12, 12), torch.rand(1, 1, 12, 12, 12))
        assert seen == [False] * 3 and torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = earlier


@pytest.mark.parametrize("wanted", [True, False])
def test_deterministic_algorithms_are_asked_for_while_it_trains(wanted, tmp_path, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    seen = []

    class Watching(ToyStage):
        def backward(self, draws, share):
            flags = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
            seen.append((*flags, os.environ.get("CUBLAS_WORKSPACE_CONFIG")))
            return super().backward(draws, share)

    train(Watching(), training(deterministic=wanted), 1, tmp_path, {})
    assert set(seen) == {(True, True, ":4096:8") if wanted else (False, False, None)}
    assert not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.deterministic
