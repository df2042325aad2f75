"""Weights of MONAI Generative 0.2.3, by way of the product's own path, give bit-identical networks."""

import json

import pytest
import torch

from ldae import cli, config
from ldae.core.errors import UserError
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.discriminator import build_discriminator, load_discriminator
from ldae.networks.weights import start_from_generative

TRAINING = {"steps": 1, "batch": 1, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 1}
PAPER = config.Autoencoder(training=TRAINING | {"compute": config.Compute.plain()})


@pytest.fixture(scope="module")
def generative():
    return pytest.importorskip("generative.networks.nets")


@pytest.fixture(scope="module")
def saved(generative, tmp_path_factory):
    """The paper's autoencoder, built and saved by MONAI Generative, and what import-weights makes of the file."""
    folder = tmp_path_factory.mktemp("generative")
    torch.manual_seed(0)
    network = generative.AutoencoderKL(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        num_channels=PAPER.channels,
        latent_channels=3,
        num_res_blocks=2,
        norm_num_groups=32,
        norm_eps=1e-6,
        attention_levels=(False, False, False, False),
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    ).eval()
    torch.save(network.state_dict(), folder / "old.pth")
    assert cli.main(["import-weights", "--out", str(folder), "--plain", str(folder / "old.pth")]) == 0
    return network, folder / "old.safetensors"


def digest(path):
    from ldae.core.files import sha256_file

    return sha256_file(path)


def test_encode_and_decode_are_bit_identical(saved):
    theirs, path = saved
    settings = PAPER.model_copy(update={"pretrained": path, "pretrained_sha256": digest(path)})
    ours = build_autoencoder(settings).eval()
    start_from_generative(ours, settings.pretrained, settings.pretrained_sha256)
    torch.manual_seed(1)
    x = torch.rand(1, 1, 16, 24, 16)
    with torch.no_grad():
        (mu, sigma), (old_mu, old_sigma) = ours.encode(x), theirs.encode(x)
        assert torch.equal(mu, old_mu) and torch.equal(sigma, old_sigma)
        assert torch.equal(ours.decode(mu), theirs.decode(mu))


def test_a_wrong_digest_is_said(saved):
    with pytest.raises(UserError, match=r"have sha256 \w{64}, not 0{64}"):
        start_from_generative(build_autoencoder(PAPER), saved[1], "0" * 64)


def test_a_pickle_in_the_configuration_is_sent_to_import_weights(saved):
    with pytest.raises(UserError, match=r"old\.pth is not a whole safetensors file.*ldae import-weights"):
        start_from_generative(build_autoencoder(PAPER), saved[1].with_name("old.pth"))


@pytest.mark.parametrize("change", ["missing", "left over"])
def test_an_incomplete_file_is_refused(saved, tmp_path, change):
    """MONAI's own method would leave a missing tensor at its random start, and say nothing."""
    from safetensors.torch import load_file, save_file

    state = load_file(saved[1])
    if change == "missing":
        del state["encoder.blocks.0.conv.weight"]
    else:
        state["head.weight"] = torch.zeros(1)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=change):
        start_from_generative(build_autoencoder(PAPER), tmp_path / "other.safetensors")


def test_the_stage_starts_from_the_given_weights(saved, tmp_path):
    """Through the configuration: ``autoencoder.pretrained`` with its digest."""
    from ldae.training.stages.autoencoder import AutoencoderStage

    class Nothing:
        device = torch.device("cpu")

        def __len__(self):
            return 1

    theirs, path = saved
    overlay = {"pretrained": str(path), "pretrained_sha256": digest(path), "adversarial_weight": 0.0}
    settings = config.Autoencoder.model_validate(json.loads(PAPER.model_dump_json()) | overlay)
    stage = AutoencoderStage(settings, Nothing(), Nothing(), seed=1)
    started = stage.product.state_dict()["net.quant_conv_mu.conv.weight"]
    assert torch.equal(started, theirs.state_dict()["quant_conv_mu.conv.weight"])
    log_sigma = stage.product.state_dict()["net.quant_conv_log_sigma.conv.bias"]
    assert torch.equal(log_sigma, theirs.state_dict()["quant_conv_log_sigma.conv.bias"])


def test_the_discriminator_is_bit_identical(generative, tmp_path):
    torch.manual_seed(0)
    theirs = generative.PatchDiscriminator(spatial_dims=3, num_channels=64, in_channels=1, num_layers_d=3).eval()
    torch.save(theirs.state_dict(), tmp_path / "d.pth")
    assert cli.main(["import-weights", "--out", str(tmp_path), "--plain", str(tmp_path / "d.pth")]) == 0
    ours = build_discriminator(PAPER.discriminator).eval()
    load_discriminator(ours, tmp_path / "d.safetensors", digest(tmp_path / "d.safetensors"))
    x = torch.rand(1, 1, 32, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x)[-1])
    with pytest.raises(UserError, match="does not fit"):
        load_discriminator(build_discriminator(config.Discriminator(channels=32)), tmp_path / "d.safetensors")
