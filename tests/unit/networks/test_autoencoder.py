"""The autoencoder's stem, its posterior, and its exchange of weights with MONAI Generative."""

import pytest
import torch
from safetensors.torch import save_file

from ldae.config import Autoencoder, Compute, Training
from ldae.core.errors import UserError
from ldae.core.files import sha256_file
from ldae.networks.autoencoder import build_autoencoder, depth_to_space, kl_divergence, reparameterise, space_to_depth
from ldae.networks.weights import load_weights, save_weights, start_from_generative

TRAINING = Training(steps=1, batch=1, micro_batch=1, learning_rate=1e-3, validate_every=1)


def tiny(**changes):
    return Autoencoder(**({"channels": [8, 8], "res_blocks": 1, "norm_groups": 4, "training": TRAINING} | changes))


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_depth_to_space_undoes_space_to_depth(patch):
    x = torch.randn(2, 3, 8, 12, 4)
    deep = space_to_depth(x, patch)
    assert deep.shape == (2, 3 * patch**3, 8 // patch, 12 // patch, 4 // patch)
    assert torch.equal(depth_to_space(deep, patch), x)


def test_space_to_depth_keeps_a_block_together():
    x = torch.arange(64.0).reshape(1, 1, 4, 4, 4)
    assert torch.equal(space_to_depth(x, 2)[0, :, 1, 0, 1], x[0, 0, 2:4, 0:2, 2:4].flatten())


@pytest.mark.parametrize("patch", [1, 2])
def test_shapes(patch):
    model = build_autoencoder(tiny(patch=patch, latent_channels=2))
    x = torch.rand(2, 1, 8, 12, 8)
    mu, sigma = model.encode(x)
    factor = 2 * patch
    assert mu.shape == sigma.shape == (2, 2, 8 // factor, 12 // factor, 8 // factor)
    assert (sigma > 0).all()
    assert model.decode(mu).shape == x.shape


def test_kl_is_the_sum_over_a_latent():
    mu, sigma = torch.randn(2, 3, 2, 2, 2), torch.rand(2, 3, 2, 2, 2) + 0.5
    ours = kl_divergence(mu, sigma)
    normal = torch.distributions.Normal
    theirs = torch.distributions.kl_divergence(normal(mu, sigma), normal(0.0, 1.0)).flatten(1).sum(1)
    torch.testing.assert_close(ours, theirs)


def test_reparameterise():
    mu, sigma, noise = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([-3.0])
    assert reparameterise(mu, sigma, noise).item() == -5


@pytest.fixture(scope="module")
def generative():
    """An autoencoder of MONAI Generative, with the paper's layout at small width."""
    networks = pytest.importorskip("generative.networks.nets")
    torch.manual_seed(0)
    return networks.AutoencoderKL(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        num_channels=(8, 8),
        latent_channels=3,
        num_res_blocks=1,
        norm_num_groups=4,
        attention_levels=(False, False),
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval()


def test_generative_weights_give_bit_identical_results(generative, tmp_path):
    path = tmp_path / "old.safetensors"
    save_file(generative.state_dict(), path)
    model = build_autoencoder(tiny(training=TRAINING.model_copy(update={"compute": Compute.plain()}))).eval()
    start_from_generative(model, path, sha256_file(path))
    x = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        mu, sigma = model.encode(x)
        old_mu, old_sigma = generative.encode(x)
        assert torch.equal(mu, old_mu)
        assert torch.equal(sigma, old_sigma)
        assert torch.equal(model.decode(mu), generative.decode(mu))


def test_generative_weights_of_another_width_are_refused(generative, tmp_path):
    path = tmp_path / "old.safetensors"
    save_file(generative.state_dict(), path)
    with pytest.raises(UserError, match="does not fit"):
        start_from_generative(build_autoencoder(tiny(channels=[8, 16])), path)


def test_weights_round_trip_and_wrong_digest(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.tensor([1.0, 2.0], dtype=torch.float64), "n": torch.tensor(3)})
    loaded = load_weights(path, sha256_file(path))
    assert loaded["a"].dtype == torch.float32
    assert loaded["n"].item() == 3
    with pytest.raises(UserError, match="sha256"):
        load_weights(path, "0" * 64)
    with pytest.raises(UserError, match="do not exist"):
        load_weights(tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="not a whole safetensors"):
        load_weights(path)


def test_zero_init_makes_every_residual_block_its_skip_connection():
    blocks = [block for block in build_autoencoder(tiny(zero_init=True)).modules() if hasattr(block, "nin_shortcut")]
    assert len(blocks) == 4
    for block in blocks:
        x = torch.randn(1, block.conv1.conv.in_channels, 4, 4, 4)
        assert torch.equal(block(x), block.nin_shortcut(x))
