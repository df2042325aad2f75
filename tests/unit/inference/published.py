"""The paper's published networks in small, as files that the authors' training writes."""

from pathlib import Path

import torch
import yaml
from torch import nn

from ldae import cli, config
from ldae.networks import reference_names as names
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"
SMALL = {
    "preprocessing": {"conform": {"shape": [32, 32, 32]}},
    "autoencoder": {"channels": [8, 8], "res_blocks": 1, "norm_groups": 4},
    "diffusion": {"channels": 8, "multipliers": [1, 2], "res_blocks": 1, "attention_factors": [2], "norm_groups": 4},
    "dae": {"shape": [32, 32, 32]},
    "representation": {"backbone": "convnext_atto", "dimension": 320, "heads": 4, "slice_step": 8},
}


def filled(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1)
    return module.eval()


def write_published(folder, *below, networks=SMALL):
    """Small networks, and their weights in files of ``folder``; their configuration lies over ``below``."""
    (folder / "small.yaml").write_text(yaml.safe_dump(networks))
    settings = config.load_config(*(below or [CONFIG]), folder / "small.yaml")
    torch.manual_seed(0)
    diffusion, channels = settings.diffusion.model_copy(update={"resample": "in_plane"}), settings.latent_shape[0]
    autoencoder, trunk = filled(build_autoencoder(settings.autoencoder)), filled(UNet(diffusion, channels))
    shift = filled(build_shift_branch(diffusion, channels, settings.representation.dimension, trunk))
    encoder = filled(build_semantic_encoder(settings.representation))
    estimator = GradientEstimator(trunk, shift).eval()
    theirs = names.to_reference(autoencoder.net.state_dict(), names.autoencoder_names(autoencoder))
    torch.save(theirs, folder / "autoencoder.pth")
    theirs = names.to_reference(estimator.state_dict(), names.estimator_names(estimator))
    training = {f"ema_decoder.{name}": value for name, value in theirs.items()}
    training |= {f"decoder.{name}": value + 1 for name, value in theirs.items()}
    torch.save({"state_dict": training, "epoch": 3}, folder / "estimator.ckpt")
    theirs = names.encoder_to_reference(encoder.state_dict(), names.encoder_names(encoder), 128)
    torch.save(
        {"state_dict": {f"ema_encoder.{name}": value for name, value in theirs.items()}}, folder / "encoder.ckpt"
    )
    theirs = names.to_reference(trunk.state_dict(), names.unet_names(trunk))
    torch.save({"state_dict": {f"ema_unet.{name}": value for name, value in theirs.items()}}, folder / "unet.ckpt")
    return folder, autoencoder, encoder, estimator


def run(folder, out, *arguments):
    files = [str(folder / name) if (folder / name).suffix and (folder / name).exists() else name for name in arguments]
    configs = ["--config", str(CONFIG), str(folder / "small.yaml")]
    return cli.main(["import-weights", *configs, "--out", str(out), *files])
