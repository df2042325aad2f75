"""The semantic encoder and its optional starting weights."""

import pytest
import torch
from safetensors.torch import save_file

from ldae.config import Representation, Training
from ldae.core.errors import UserError
from ldae.networks.semantic_encoder import build_semantic_encoder, sinusoidal_positions
from ldae.networks.weights import load_backbone

TRAINING = Training(steps=1, batch=1, micro_batch=1, learning_rate=1e-3, validate_every=1)
SETTINGS = Representation(
    backbone="test_convnext", dimension=16, heads=4, slice_step=2, dropout=0.0, drop_path=0.0, training=TRAINING
)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_semantic_encoder(SETTINGS).eval()


def test_shape_and_norm(encoder):
    y = encoder(torch.rand(2, 1, 32, 40, 12))
    assert y.shape == (2, 16)
    torch.testing.assert_close(y.norm(dim=1), torch.full((2,), 4.0), rtol=1e-2, atol=0)  # LayerNorm: sqrt(dimension)


def test_only_every_second_axial_slice_is_read(encoder):
    x = torch.rand(1, 1, 32, 40, 12)
    skipped, used = x.clone(), x.clone()
    skipped[..., 1::2] = 0
    used[..., 2] = 0
    assert torch.equal(encoder(x), encoder(skipped))
    assert not torch.allclose(encoder(x), encoder(used))


def test_the_order_of_slices_matters(encoder):
    x = torch.rand(1, 1, 32, 40, 12)
    assert not torch.allclose(encoder(x), encoder(x.flip(-1).roll(1, -1)), atol=1e-5)


def test_positions_are_the_usual_sines():
    encoding = sinusoidal_positions(3, 4, torch.device("cpu"))
    angles = torch.tensor([2.0, 2.0 / 100])
    expected = torch.stack([angles.sin(), angles.cos()], dim=1).flatten()
    torch.testing.assert_close(encoding[2], expected)


def test_colour_filters_are_summed(encoder, tmp_path):
    import timm

    colour = timm.create_model("test_convnext", pretrained=False)
    path = tmp_path / "backbone.safetensors"
    save_file(colour.state_dict(), path)
    backbone = build_semantic_encoder(SETTINGS).backbone
    load_backbone(backbone, path)
    state, first = backbone.state_dict(), "stem.0.weight"
    torch.testing.assert_close(state[first], colour.state_dict()[first].sum(1, keepdim=True))
    save_file({name: value for name, value in colour.state_dict().items() if "stages.1" not in name}, path)
    with pytest.raises(UserError, match="does not fit"):
        load_backbone(backbone, path)


def test_torchvisions_imagenet_weights_start_the_papers_backbone(tmp_path):
    """Fabricated: three input channels and a classifier, torchvision's names; the colour filters are summed."""
    from torchvision.models import convnext_small

    torch.manual_seed(0)
    colour = convnext_small(weights=None)
    path = tmp_path / "backbone.safetensors"
    save_file(colour.state_dict(), path)
    settings = SETTINGS.model_copy(update={"backbone": "convnext_small", "dimension": 768})
    backbone = build_semantic_encoder(settings).backbone.eval()
    load_backbone(backbone, path)
    state = colour.state_dict()
    torch.testing.assert_close(backbone.stem[0].weight, state["features.0.0.weight"].sum(1, keepdim=True))
    grey = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        expected = colour.eval().classifier[:2](colour.avgpool(colour.features(grey.expand(-1, 3, -1, -1))))
        torch.testing.assert_close(backbone(grey), expected, rtol=1e-3, atol=1e-4)
    save_file({name: value for name, value in state.items() if name != "features.7.2.block.5.bias"}, path)
    with pytest.raises(UserError, match=r"1 missing \(features.7.2.block.5.bias"):
        load_backbone(backbone, path)


def test_batch_normalised_codes_spread_and_the_untrained_one_is_the_layer_normalised():
    demo = SETTINGS.model_copy(update={"code_norm": "batch", "dropout": 0.0, "drop_path": 0.0})
    encoder = build_semantic_encoder(demo)
    x = torch.rand(6, 1, 32, 40, 12)
    plain = encoder.pooling  # ends with the LayerNorm
    seen = []
    handle = plain.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        codes = encoder.eval()(x)
        torch.testing.assert_close(codes, seen[-1], rtol=1e-4, atol=1e-4)  # running moments are still 0 and 1
        codes = encoder.train()(x)
    handle.remove()
    expected = (seen[-1] - seen[-1].mean(0)) / (seen[-1].var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(codes, expected)
