"""Stage 3 in bf16, on the CPU: the frozen trunk, but its norms, is stored in bf16; what is trained stays in float32."""

import pytest
import torch
from test_effects import representation_stage
from tiny_chain import REPRESENTATION, TRAINING
from torch import nn

from ldae import config
from ldae.core.keyed import Draw

DRAWS = [Draw(0, (1, "representation", 0, 0)), Draw(1, (1, "representation", 0, 1))]


def stage(chain, precision, **compute):
    training = config.Training(**(TRAINING | {"precision": precision, "compute": config.Compute(**compute)}))
    return representation_stage(chain, REPRESENTATION.model_copy(update={"training": training}))


def step(stage):
    """Losses, and the gradients of the trained networks, without dropout."""
    stage.product.eval()
    losses = stage.backward(DRAWS, 1.0)
    return losses, {name: p.grad for name, p in stage.product.named_parameters() if p.grad is not None}


def test_only_the_frozen_trunk_is_stored_in_bf16(chain):
    half = stage(chain, "bf16")
    norms, others = [], []
    for module in half.trunk.modules():
        (norms if isinstance(module, nn.GroupNorm) else others).extend(module.parameters(recurse=False))
    assert {p.dtype for p in others} == {torch.bfloat16}
    assert {p.dtype for p in norms} == {torch.float32}  # as autocast computes them
    assert {p.dtype for p in half.product.parameters()} == {torch.float32}
    assert {p.dtype for p in half.autoencoder.parameters()} == {torch.float32}
    for other in (stage(chain, "fp32"), stage(chain, "bf16", half_trunk=False)):
        assert {p.dtype for p in other.trunk.parameters()} == {torch.float32}


def test_a_step_and_a_validation_in_bf16_stay_close_to_float32(chain):
    (exact, exact_gradients), (half, gradients) = step(stage(chain, "fp32")), step(stage(chain, "bf16"))
    assert float(half["loss"]) == pytest.approx(float(exact["loss"]), rel=2e-2)
    assert gradients.keys() == exact_gradients.keys()
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in gradients.values())
    total = sum(float(g.square().sum()) for g in exact_gradients.values())
    error = sum(float((gradients[name] - g).square().sum()) for name, g in exact_gradients.items())
    assert (error / total) ** 0.5 < 0.1
    with torch.no_grad():
        scores = [s.validate(s.product) for s in (stage(chain, "fp32"), stage(chain, "bf16"))]
    assert scores[1]["loss"] == pytest.approx(scores[0]["loss"], rel=2e-2)
    assert scores[1]["ssim"] == pytest.approx(scores[0]["ssim"], abs=0.02)
