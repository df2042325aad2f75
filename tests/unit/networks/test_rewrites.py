"""Every rewrite computes what the layers as written compute, with the same parameters under the same names."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from bench import Kernels

from ldae import config
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.dae import build_dae
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.rewrites import compiled, compiled_recomputed, lay_out, normalised, recomputed, upsampled_convolution
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

PLAIN = config.Compute.plain()
EXACT = 1e-10  # the promise; what is found is 1e-14


def training(compute, **more):
    return config.Training(
        steps=1, batch=1, micro_batch=1, learning_rate=1e-3, validate_every=1, compute=compute, **more
    )


def unet(compute, resample="isotropic", dropout=0.0):
    torch.manual_seed(0)
    tiny = {"channels": 8, "multipliers": [1, 2], "res_blocks": 1, "attention_factors": [2], "norm_groups": 4}
    settings = config.Diffusion(**tiny, resample=resample, dropout=dropout, training=training(compute))
    return awake(UNet(settings, 3)), settings


def autoencoder(compute):
    torch.manual_seed(0)
    settings = config.Autoencoder(channels=[8, 8, 16], res_blocks=1, norm_groups=4, training=training(compute))
    return awake(build_autoencoder(settings))


def awake(module):
    """Random parameters, so that no layer is silent."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return module


def gradients(module, output):
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    module.zero_grad()
    (weights * output).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


def largest_difference(a, b):
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("factors", list(itertools.product((1, 2), repeat=3)))
def test_upsampled_convolution(factors):
    torch.manual_seed(1)
    x = torch.randn(2, 5, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 5, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(7, dtype=torch.float64)
    large = F.interpolate(x, scale_factor=tuple(map(float, factors)), mode="nearest")
    written = F.conv3d(large, weight, bias, padding=1)
    rewritten = upsampled_convolution(x, weight, bias, factors)
    assert rewritten.shape == written.shape
    assert (rewritten - written).abs().max() <= EXACT
    for other in (torch.autograd.grad(written.square().sum(), (x, weight)),):
        ours = torch.autograd.grad(rewritten.square().sum(), (x, weight))
        assert all((a - b).abs().max() <= 1e3 * EXACT for a, b in zip(ours, other, strict=True))


@pytest.mark.parametrize("silu", [True, False])
def test_recomputed_norms_are_the_same_bits_and_keep_only_their_input(silu):
    norm = awake(torch.nn.GroupNorm(2, 4))
    x = torch.randn(2, 4, 3, 3, 3, requires_grad=True)
    pair = torch.randn(2, 4, 1, 1, 1, requires_grad=True), torch.randn(2, 4, 1, 1, 1, requires_grad=True)
    found = []
    for function in (normalised, recomputed):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=kept: kept.append(tensor) or tensor, lambda t: t
        ):
            y = function(norm, x, [pair, pair], silu)
        found.append((y, kept, torch.autograd.grad(y.sum(), (x, *pair, norm.weight, norm.bias))))
    (plain, plain_kept, plain_gradients), (lean, lean_kept, lean_gradients) = found
    assert torch.equal(plain, lean)
    assert all(torch.equal(a, b) for a, b in zip(plain_gradients, lean_gradients, strict=True))
    assert sum(tensor.numel() for tensor in plain_kept) > 3 * x.numel()
    assert sum(tensor.numel() for tensor in lean_kept) == x.numel() + 4 * pair[0].numel()


def test_compiling_norms_changes_no_parameter_and_no_name():
    compute = config.Compute(compile_norms=True, recompute_norms=False)
    for make in (lambda compute: unet(compute)[0], autoencoder):
        plain, lean = make(PLAIN), make(compute)
        assert {n: t.shape for n, t in plain.state_dict().items()} == {n: t.shape for n, t in lean.state_dict().items()}
    assert not config.Compute().compile_norms  # until it is measured on a GPU


@pytest.mark.slow
@pytest.mark.parametrize("function", [compiled, compiled_recomputed])
@pytest.mark.parametrize(("scales", "silu"), [(0, True), (1, True), (2, True), (0, False)])
def test_a_compiled_norm_is_the_norm(function, scales, silu):
    """Forward and all gradients, float64. The compiler may add in another order, so not bit for bit."""
    torch.manual_seed(2)
    norm = awake(torch.nn.GroupNorm(4, 8)).double()
    x = torch.randn(2, 8, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    pairs = [
        tuple(torch.randn(2, 8, 1, 1, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
        for _ in range(scales)
    ]
    leaves = [x, norm.weight, norm.bias, *(part for pair in pairs for part in pair)]
    weight = torch.linspace(-1, 1, x.numel(), dtype=torch.float64).view_as(x)
    (expected, written), (found, rewritten) = (
        (y, torch.autograd.grad((weight * y).sum(), leaves))
        for y in (f(norm, x, pairs, silu) for f in (normalised, function))
    )
    assert (expected - found).abs().max() <= EXACT
    assert all((a - b).abs().max() <= 10 * EXACT for a, b in zip(written, rewritten, strict=True))


@pytest.mark.slow
def test_compiled_norms_hand_on_autocasts_type_and_the_recomputed_keep_only_their_input():
    norm, x = awake(torch.nn.GroupNorm(4, 8)), torch.randn(2, 8, 5, 4, 3).bfloat16().requires_grad_()
    kept = []
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda t: t),
    ):
        found = compiled_recomputed(norm, x)
        expected = recomputed(norm, x)
    assert found.dtype == expected.dtype == torch.bfloat16
    assert (found.float() - expected.float()).abs().max() <= 2**-7 * expected.float().abs().max()
    assert sum(tensor.numel() for tensor in kept) == 2 * x.numel()


@pytest.mark.parametrize("resample", ["isotropic", "in_plane"])
def test_the_unet_with_all_rewrites_is_the_unet(resample):
    (plain, _), (lean, _) = unet(PLAIN, resample), unet(config.Compute(), resample)
    lean.load_state_dict(plain.state_dict())  # strict: the same names
    plain, lean = plain.double(), lean.double()
    z, t = torch.randn(2, 3, 4, 4, 4, dtype=torch.float64), torch.tensor([3, 700])
    a, b = plain(z, t), lean(z, t)
    assert (a - b).abs().max() <= EXACT * max(1, a.abs().max())
    reference = gradients(plain, a)
    scale = max(float(value.abs().max()) for value in reference.values())
    assert largest_difference(reference, gradients(lean, b)) <= EXACT * scale


def test_dropout_is_drawn_alike_with_and_without_rewrites():
    (plain, _), (lean, _) = unet(PLAIN, dropout=0.5), unet(config.Compute(transposed_upsampling=False), dropout=0.5)
    z, t = torch.randn(1, 3, 4, 4, 4), torch.tensor([3])
    found = []
    for network in (plain, lean):
        torch.manual_seed(7)
        found.append(gradients(network, network(z, t)))
    assert largest_difference(*found) == 0


def test_the_table_of_timesteps_holds_the_formulas_values():
    (plain, _), (lean, _) = unet(PLAIN), unet(config.Compute())
    t = torch.arange(1000)
    z = torch.zeros(1000, 3, 2, 2, 2)
    assert plain.time_table is None
    assert "time_table" not in lean.state_dict()
    plain_time, lean_time = (network.features(z, t)[1] for network in (plain, lean))
    torch.testing.assert_close(lean_time, plain_time, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "compute",
    [config.Compute(), pytest.param(config.Compute(compile_norms=True), marks=pytest.mark.slow)],
    ids=["default", "compiled"],
)
def test_the_autoencoder_with_all_rewrites_is_monais(compute):
    plain, lean = autoencoder(PLAIN), autoencoder(compute)
    lean.load_state_dict(plain.state_dict())
    plain, lean = plain.double(), lean.double()
    x = torch.rand(1, 1, 8, 8, 8, dtype=torch.float64)
    outputs = [network.decode(network.encode(x)[0]) for network in (plain, lean)]
    assert (outputs[0] - outputs[1]).abs().max() <= EXACT * outputs[0].abs().max()
    found = []
    for network, output in zip((plain, lean), outputs, strict=True):
        network.zero_grad()
        output.square().mean().backward()
        found.append({n: p.grad for n, p in network.named_parameters() if p.grad is not None})
    scale = max(float(value.abs().max()) for value in found[0].values())
    assert largest_difference(*found) <= EXACT * scale


def test_checkpointed_backbone_gives_the_same_gradients_with_stochastic_depth():
    found = []
    for compute in (config.Compute(), config.Compute(checkpoint_backbone=True)):
        torch.manual_seed(0)
        settings = config.Representation(
            backbone="test_convnext", dimension=8, heads=2, slice_step=8, drop_path=0.3, training=training(compute)
        )
        encoder = build_semantic_encoder(settings).train()
        torch.manual_seed(3)
        y = encoder(torch.rand(2, 1, 32, 32, 16, generator=torch.Generator().manual_seed(1)))
        found.append((y, gradients(encoder, y)))
    assert torch.equal(found[0][0], found[1][0])
    assert largest_difference(found[0][1], found[1][1]) == 0


def test_channels_last_changes_the_order_in_memory_only():
    network, _ = unet(config.Compute())
    z, t = torch.randn(2, 3, 4, 4, 4), torch.tensor([3, 700])
    before = network(z, t)
    laid_out = lay_out(network, channels_last=True)
    weight = laid_out.down.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert laid_out.down.conv_in(z).is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(laid_out(z, t), before, rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[config.Compute(), PLAIN], ids=["rewrites", "plain"])
def estimators(request):
    """The gradient estimator on a trunk in float32 and on the same one stored in bf16."""
    trunk, settings = unet(request.param)
    half, _ = unet(request.param)
    half.load_state_dict(trunk.state_dict())
    torch.manual_seed(5)
    shift = awake(build_shift_branch(settings, 3, 6, trunk))
    return GradientEstimator(trunk, shift), GradientEstimator(half.halve(), shift)


def test_a_trunk_stored_in_bf16_gives_the_bits_of_autocast(estimators):
    full, half = estimators
    z, t, y = torch.randn(2, 3, 4, 4, 4), torch.tensor([3, 700]), torch.randn(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = full(z, t, y), half(z, t, y)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert half.trunk.down.conv_in.weight.dtype == torch.bfloat16
    norms = [module for module in half.trunk.modules() if isinstance(module, torch.nn.GroupNorm)]
    assert {p.dtype for norm in norms for p in norm.parameters()} == {torch.float32}
    inside = {id(p) for norm in norms for p in norm.parameters()}
    assert {p.dtype for p in half.trunk.parameters() if id(p) not in inside} == {torch.bfloat16}
    assert half.trunk.time_table is None or half.trunk.time_table.dtype == torch.float32


def test_a_trunk_stored_in_bf16_is_never_cast(estimators):
    """Kernels that copy a weight to another type: one per layer under autocast, none when it is stored so."""
    counts = []
    for estimator in estimators:
        trunk = estimator.trunk
        weights = [
            m.weight for m in trunk.modules() if isinstance(m, torch.nn.Conv3d | torch.nn.Conv1d | torch.nn.Linear)
        ]
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), Kernels(weights) as kernels:
            trunk(torch.randn(1, 3, 4, 4, 4), torch.tensor([3]))
        counts.append(kernels.casts)
    assert counts[0] >= 20
    assert counts[1] == 0


def test_bf16_stays_close_to_float32():
    network, _ = unet(config.Compute())
    z, t = torch.randn(2, 3, 4, 4, 4), torch.tensor([3, 700])
    exact = network(z, t)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(z, t).float()
    assert (half - exact).square().mean().sqrt() <= 1e-2 * exact.abs().max()


def test_a_checkpointed_voxel_space_baseline_gives_the_same_gradients_with_dropout():
    found = []
    for compute in (config.Compute(), config.Compute(checkpoint_backbone=True)):
        torch.manual_seed(0)
        settings = config.Dae(
            shape=(8, 8, 8),
            dimension=4,
            channels=8,
            multipliers=[1, 2],
            attention_factors=[2],
            dropout=0.3,
            norm_groups=4,
            training=training(compute),
        )
        network = build_dae(settings).train()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)  # no layer is silent
        x = torch.rand(2, 1, 8, 8, 8)
        torch.manual_seed(3)
        eps = network(x, torch.tensor([3, 700]), network.encode(x))
        found.append((eps, gradients(network, eps)))
    assert torch.equal(found[0][0], found[1][0])
    assert len(found[0][1]) == len(found[1][1]) > 50
    scale = max(float(value.abs().max()) for value in found[0][1].values())
    assert largest_difference(found[0][1], found[1][1]) <= 1e-6 * scale  # the order of some sums is another
