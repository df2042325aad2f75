"""The paper's published weights load into our networks with none left over, and back."""

import gzip
from pathlib import Path

import pytest
import torch
from torch import nn

from ldae.config import Diffusion, Representation, Training, load_config
from ldae.core.errors import UserError
from ldae.networks import reference_names as names
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"
KEYS = Path(__file__).parent / "data" / "reference-keys.tsv.gz"  # network, name, shape: 1,699 tensors
TRAINING = Training(steps=1, batch=1, micro_batch=1, learning_rate=1e-3, validate_every=1)
SLICES = 128


def fabricated(network: str) -> dict[str, torch.Tensor]:
    """Tensors with the names and shapes of the authors' network, without storage."""
    rows = [line.split("\t") for line in gzip.decompress(KEYS.read_bytes()).decode().splitlines()[1:]]
    shapes = {name: [int(n) for n in shape.split("x")] for kind, name, shape, _ in rows if kind == network}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def paper():
    """Our networks at the paper's size, without storage, and the names of each."""
    config = load_config(CONFIG)
    with torch.device("meta"):
        unet = UNet(config.diffusion, config.autoencoder.latent_channels)
        shift = build_shift_branch(config.diffusion, 3, config.representation.dimension, unet)
        networks = {
            "autoencoder": build_autoencoder(config.autoencoder).net,
            "unet": unet,
            "semantic_encoder": build_semantic_encoder(config.representation),
            "gradient_estimator": GradientEstimator(unet, shift),
        }
        whole = build_autoencoder(config.autoencoder)
    maps = {
        "autoencoder": names.autoencoder_names(whole),
        "unet": names.unet_names(unet),
        "semantic_encoder": names.encoder_names(networks["semantic_encoder"]),
        "gradient_estimator": names.estimator_names(networks["gradient_estimator"]),
    }
    return networks, maps


NETWORKS = {"autoencoder": 162, "unet": 308, "semantic_encoder": 699, "gradient_estimator": 530}


@pytest.mark.parametrize(("network", "count"), NETWORKS.items())
def test_every_published_tensor_has_its_place_in_ours(paper, network, count):
    networks, maps = paper
    theirs = fabricated(network)
    assert len(theirs) == count
    convert = names.encoder_from_reference if network == "semantic_encoder" else names.from_reference
    ours = convert(theirs, maps[network])
    expected = networks[network].state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in expected.items()}
    networks[network].load_state_dict(ours, strict=True, assign=True)


@pytest.mark.parametrize("network", NETWORKS)
def test_and_every_one_of_ours_in_theirs(paper, network):
    networks, maps = paper
    state = networks[network].state_dict()
    if network == "semantic_encoder":
        theirs = names.encoder_to_reference(state, maps[network], SLICES)
    else:
        theirs = names.to_reference(state, maps[network])
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in fabricated(network).items()}


@pytest.mark.parametrize("network", ["unet", "semantic_encoder"])
def test_a_missing_and_a_foreign_tensor_are_refused(paper, network):
    theirs, map_ = fabricated(network), paper[1][network]
    convert = names.encoder_from_reference if network == "semantic_encoder" else names.from_reference
    name = next(name for name in theirs if "output_blocks" in name or "cross_attention" in name)
    with pytest.raises(UserError, match="1 missing"):
        convert({key: value for key, value in theirs.items() if key != name}, map_)
    with pytest.raises(UserError, match=r"1 left over \(head\.weight"):
        convert(theirs | {"head.weight": torch.empty(1, device="meta")}, map_)


def filled(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.eval()


def small_convnext() -> tuple[nn.Module, nn.Module]:
    """The same small ConvNeXt in torchvision (one input channel, no classifier) and in timm."""
    from timm.models.convnext import ConvNeXt
    from torchvision.models import convnext

    sizes = [(8, 16, 1), (16, 24, 2), (24, 32, 1), (32, None, 1)]
    theirs = convnext.ConvNeXt([convnext.CNBlockConfig(*size) for size in sizes], num_classes=1)
    theirs.features[0][0] = nn.Conv2d(1, 8, 4, stride=4)
    theirs.classifier[-1] = nn.Identity()
    ours = ConvNeXt(in_chans=1, num_classes=0, depths=(1, 2, 1, 1), dims=(8, 16, 24, 32))
    return filled(theirs), ours.eval()


def test_torchvisions_convnext_is_timms():
    """Same features, not only same shapes."""
    theirs, ours = small_convnext()
    map_ = names.backbone_names(list(ours.state_dict()))
    ours.load_state_dict(names.from_reference(theirs.state_dict(), map_))
    x = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    back = names.to_reference(ours.state_dict(), map_)
    assert all(torch.equal(back[name], value) for name, value in theirs.state_dict().items())


@pytest.fixture(scope="module")
def encoder():
    settings = Representation(backbone="convnext_atto", dimension=320, heads=4, training=TRAINING)
    return filled(build_semantic_encoder(settings))


def test_a_backbone_that_differs_from_its_copy_is_refused(encoder):
    map_ = names.encoder_names(encoder)
    theirs = names.encoder_to_reference(encoder.state_dict(), map_, 16)
    ours = names.encoder_from_reference(theirs, map_)
    assert all(torch.equal(ours[name], value) for name, value in encoder.state_dict().items())
    name = "slice_distributed.module.backbone.features.0.0.bias"
    with pytest.raises(UserError, match="the two differ at"):
        names.encoder_from_reference(theirs | {name: theirs[name] + 1}, map_)
    with pytest.raises(UserError, match="not the sinusoidal"):
        names.encoder_from_reference(theirs | {names.POSITIONS: theirs[names.POSITIONS].flip(1)}, map_)


def test_slice_pooling_is_the_published_formula(encoder):
    """The average asks all slices by multi-head attention; LayerNorm: written out by their names."""
    theirs = names.encoder_to_reference(encoder.state_dict(), names.encoder_names(encoder), 16)
    x = torch.randn(2, 16, 320)

    def linear(name, value):
        return value @ theirs[f"{name}.weight"].T + theirs[f"{name}.bias"]

    average = (linear("soft_attention.linear", x).softmax(1) * x).sum(1, keepdim=True)
    inputs = [linear("query_projection", average), linear("key_projection", x), linear("value_projection", x)]
    weights, biases = theirs["cross_attention.in_proj_weight"].chunk(3), theirs["cross_attention.in_proj_bias"].chunk(3)
    q, k, v = (
        (value @ w.T + b).unflatten(-1, (4, 80)).transpose(1, 2)
        for value, w, b in zip(inputs, weights, biases, strict=True)
    )
    attended = ((q @ k.transpose(-1, -2) / 80**0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    out = linear("cross_attention.out_proj", attended)[:, 0]
    norm = "layer_norm_after_attention"
    expected = nn.functional.layer_norm(out, (320,), theirs[f"{norm}.weight"], theirs[f"{norm}.bias"])
    with torch.no_grad():
        torch.testing.assert_close(encoder.pooling(x), expected, rtol=1e-4, atol=1e-4)


def published_block(state: dict[str, torch.Tensor], name: str, x, time, y=None, resampling=None):
    """A residual block of PDAE's UNet, written out by their names."""
    functional = nn.functional
    part = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}

    def norm(which, h):
        return functional.group_norm(h, 4, part[f"{which}.weight"], part[f"{which}.bias"])

    def conv(which, h, padding=1):
        return functional.conv3d(h, part[f"{which}.weight"], part[f"{which}.bias"], padding=padding)

    def scaled(h, which, embedding):
        both = functional.linear(functional.silu(embedding), part[f"{which}.weight"], part[f"{which}.bias"])
        scale, shift = both[:, :, None, None, None].chunk(2, 1)
        return (1 + scale) * h + shift

    def resampled(h):
        if resampling == "down":
            return functional.avg_pool3d(h, (1, 2, 2))
        return functional.interpolate(h, scale_factor=(1.0, 2.0, 2.0)) if resampling == "up" else h

    h = conv("in_layers.2", resampled(functional.silu(norm("in_layers.0", x))))
    h = scaled(norm("out_layers.0", h), "emb_layers.1", time)
    h = h if y is None else scaled(h, "emb_z_layers.1", y)
    h = conv("out_layers.3", functional.silu(h))
    x = resampled(x)
    return h + (conv("skip_connection", x, 0) if "skip_connection.weight" in part else x)


def published_attention(state: dict[str, torch.Tensor], name: str, x):
    h = nn.functional.group_norm(x, 4, state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]).flatten(2)
    q, k, v = nn.functional.conv1d(h, state[f"{name}.qkv.weight"], state[f"{name}.qkv.bias"]).chunk(3, 1)
    weights = torch.einsum("bct,bcs->bts", q, k / q.shape[1] ** 0.5).softmax(-1)
    h = torch.einsum("bts,bcs->bct", weights, v)
    return x + nn.functional.conv1d(h, state[f"{name}.proj_out.weight"], state[f"{name}.proj_out.bias"]).view_as(x)


def published_up_path(state: dict[str, torch.Tensor], features: list, time, prefix="", y=None):
    h, skips = features[-1], list(features)
    h = published_block(state, f"{prefix}middle_block.0", h, time, y)
    h = published_attention(state, f"{prefix}middle_block.1", h)
    h = published_block(state, f"{prefix}middle_block.2", h, time, y)
    for place in range(4):
        name = f"{prefix}output_blocks.{place}"
        h = published_block(state, f"{name}.0", torch.cat([h, skips.pop()], 1), time, y)
        if place < 2:
            h = published_attention(state, f"{name}.1", h)
        if place == 1:
            h = published_block(state, f"{name}.2", h, time, y, "up")
    h = nn.functional.group_norm(h, 4, state[f"{prefix}out.0.weight"], state[f"{prefix}out.0.bias"])
    return nn.functional.conv3d(
        nn.functional.silu(h), state[f"{prefix}out.2.weight"], state[f"{prefix}out.2.bias"], padding=1
    )


def test_the_gradient_estimator_is_the_published_network():
    """Two levels, one block each: the whole forward pass written out by their names and formulas."""
    sizes = {"channels": 8, "multipliers": [1, 2], "res_blocks": 1, "attention_factors": [2], "norm_groups": 4}
    settings = Diffusion(**sizes, resample="in_plane", training=TRAINING)
    unet = filled(UNet(settings, 3))
    estimator = GradientEstimator(unet, filled(build_shift_branch(settings, 3, 6, unet))).eval()
    state = names.to_reference(estimator.state_dict(), names.estimator_names(estimator))
    z, t, code = torch.randn(2, 3, 4, 8, 4), torch.tensor([3, 700]), torch.randn(2, 6)
    angles = t[:, None] * torch.exp(-torch.arange(4) * torch.log(torch.tensor(10000.0)) / 4)
    time = torch.cat([angles.cos(), angles.sin()], 1)

    def linear(name, x):
        return nn.functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    time = linear("time_embed.2", nn.functional.silu(linear("time_embed.0", time)))
    name = "input_blocks.0.0"
    features = [nn.functional.conv3d(z, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)]
    for place, resampling in ((1, None), (2, "down"), (3, None)):
        features.append(published_block(state, f"input_blocks.{place}.0", features[-1], time, resampling=resampling))
    features[-1] = published_attention(state, "input_blocks.3.1", features[-1])
    with torch.no_grad():
        eps, shift = estimator(z, t, code)
    torch.testing.assert_close(eps, published_up_path(state, features, time), rtol=1e-4, atol=1e-4)
    expected = published_up_path(state, features, time, "shift_", linear("label_emb", code))
    torch.testing.assert_close(shift, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_positions_in_half_precision_are_the_formulas(encoder, kind):
    theirs = names.encoder_to_reference(encoder.state_dict(), names.encoder_names(encoder), 16)
    halved = {name: value.to(kind) for name, value in theirs.items()}
    assert names.encoder_from_reference(halved, names.encoder_names(encoder)).keys() == encoder.state_dict().keys()
    wrong = halved | {names.POSITIONS: halved[names.POSITIONS] + 0.05}
    with pytest.raises(UserError, match="not the sinusoidal"):
        names.encoder_from_reference(wrong, names.encoder_names(encoder))
