"""The latent UNet and the gradient estimator."""

import math

import pytest
import torch

from ldae.config import Diffusion, Training
from ldae.networks.blocks import ResBlock, SelfAttention, resample, timestep_embedding
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.unet import UNet

TRAINING = Training(steps=1, batch=1, micro_batch=1, learning_rate=1e-3, validate_every=1)


def settings(**changes):
    tiny = {"channels": 8, "multipliers": [1, 2], "res_blocks": 1, "attention_factors": [2], "norm_groups": 4}
    return Diffusion(**(tiny | {"training": TRAINING} | changes))


def randomised(module):
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


def test_the_unet_starts_by_predicting_nothing():
    z, t = torch.randn(2, 3, 4, 4, 4), torch.tensor([0, 999])
    assert torch.equal(UNet(settings(), 3)(z, t), torch.zeros_like(z))


def test_the_estimator_starts_exactly_at_the_unconditional_model():
    trunk = randomised(UNet(settings(), 3))
    estimator = GradientEstimator(trunk, build_shift_branch(settings(), 3, 5, trunk))
    z, t, y = torch.randn(2, 3, 4, 4, 4), torch.tensor([10, 500]), torch.randn(2, 5)
    eps, shift = estimator(z, t, y)
    assert torch.equal(shift, torch.zeros_like(z))
    assert torch.equal(eps, trunk(z, t))
    assert eps.abs().max() > 0


def test_only_the_shift_branch_learns_and_the_trunk_stays_in_evaluation_mode():
    trunk = randomised(UNet(settings(dropout=0.5), 3))
    estimator = GradientEstimator(trunk, build_shift_branch(settings(), 3, 5, trunk)).train()
    assert not trunk.training
    assert estimator.shift.training
    _, shift = estimator(torch.randn(1, 3, 4, 4, 4), torch.tensor([3]), torch.randn(1, 5))
    shift.square().sum().backward()
    assert all(parameter.grad is None for parameter in trunk.parameters())
    assert any(parameter.grad is not None for parameter in estimator.shift.parameters())


def test_y_sem_reaches_the_shift_and_never_the_noise():
    trunk = randomised(UNet(settings(), 3))
    estimator = GradientEstimator(trunk, randomised(build_shift_branch(settings(), 3, 5, trunk)))
    z, t = torch.randn(1, 3, 4, 4, 4), torch.tensor([100])
    (eps_a, shift_a), (eps_b, shift_b) = (estimator(z, t, y) for y in (torch.zeros(1, 5), torch.ones(1, 5)))
    assert torch.equal(eps_a, eps_b)
    assert not torch.allclose(shift_a, shift_b)


def test_a_sample_does_not_depend_on_its_batch():
    trunk = randomised(UNet(settings(), 3))
    z, t = torch.randn(3, 3, 4, 4, 4), torch.tensor([5, 50, 500])
    torch.testing.assert_close(trunk(z, t)[1:2], trunk(z[1:2], t[1:2]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("rule", "deepest"), [("isotropic", (4, 6, 4)), ("in_plane", (8, 6, 4))])
def test_resampling_rules(rule, deepest):
    model = UNet(settings(resample=rule), 3)
    features, _ = model.features(torch.randn(1, 3, 8, 12, 8), torch.tensor([1]))
    assert tuple(features[-1].shape[2:]) == deepest
    assert model(torch.randn(1, 3, 8, 12, 8), torch.tensor([1])).shape == (1, 3, 8, 12, 8)


def test_in_plane_leaves_the_left_right_axis_alone():
    x = torch.arange(2 * 2 * 2.0).reshape(1, 1, 2, 2, 2)
    assert torch.equal(resample(x, "down", (1, 2, 2)).flatten(), torch.tensor([1.5, 5.5]))
    assert resample(x, "up", (1, 2, 2)).shape == (1, 1, 2, 4, 4)


def test_timestep_embedding_formula():
    embedding = timestep_embedding(torch.tensor([7]), 4)[0]
    expected = [math.cos(7), math.cos(7 / 100), math.sin(7), math.sin(7 / 100)]
    torch.testing.assert_close(embedding, torch.tensor(expected), rtol=1e-6, atol=1e-6)


def test_adaptive_norm_formula():
    """h -> (1 + s_y) [(1 + s_t) h + b_t] + b_y inside a block, checked against the same layers written out."""
    block = randomised(ResBlock(8, 8, 6, 4, 0.0, semantic=True))
    x, time, semantic = torch.randn(1, 8, 2, 2, 2), torch.randn(1, 6), torch.randn(1, 6)
    silu = torch.nn.functional.silu
    h = block.norm_out(block.conv_in(silu(block.norm_in(x))))
    for scale, embedding in ((block.time_scale, time), (block.semantic_scale, semantic)):
        s, b = scale.linear(silu(embedding)).view(2, 8, 1, 1, 1)
        h = (1 + s) * h + b
    torch.testing.assert_close(block(x, time, semantic), x + block.conv_out(silu(h)))


def test_attention_is_one_softmax_head_over_all_positions():
    attention = randomised(SelfAttention(8, 4))
    x = torch.randn(1, 8, 2, 3, 2)
    q, k, v = attention.qkv(attention.norm(x).flatten(2))[0].chunk(3)
    weights = (q.T @ k / math.sqrt(8)).softmax(dim=1)
    expected = x + attention.projection((v @ weights.T)[None]).view_as(x)
    torch.testing.assert_close(attention(x), expected, rtol=1e-5, atol=1e-6)
