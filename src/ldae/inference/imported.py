"""The paper's published weights as model folders that every later rule reads like its own."""

import logging
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from ldae import config
from ldae.core.errors import UserError
from ldae.core.files import sha256_file
from ldae.inference.folder import Outcome, read_description, write_model
from ldae.inference.foreign_weights import read_network
from ldae.networks import reference_names as names
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.counts import count_parameters
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

PUBLISHED_SCALE = 0.8730  # 1 / standard deviation of the authors' first batch of latents; only their code has it
logger = logging.getLogger("ldae")


def import_autoencoder(path: Path, settings: config.Config, out: Path) -> None:
    """Write ``autoencoder/`` below ``out`` from AutoencoderKL weights of MONAI Generative.

    Raises:
        UserError: the file is refused, or is of another architecture.
    """
    with torch.device("meta"):
        network = build_autoencoder(settings.autoencoder)
    state, prefix = read_network(path, "quant_conv_mu.conv.weight")
    map_ = names.autoencoder_names(network)
    if state.keys() == map_.keys():  # saved by MONAI itself
        map_ = {name: name for name in map_}
    weights = {f"net.{name}": tensor for name, tensor in names.from_reference(state, map_).items()}
    shape = list(settings.preprocessing.conform.shape)
    facts = {"volume_shape": shape, "chosen": {"autoencoder": prefix}}
    _write(out / "autoencoder", network, weights, settings.autoencoder, settings.seed, [path], **facts)


def import_unet(path: Path, settings: config.Config, scale_factor: float, out: Path) -> None:
    """Write ``diffusion/`` from the published unconditional UNet."""
    state, prefix = read_network(path, "time_embed.0.weight")
    with torch.device("meta"):
        network = UNet(_in_plane(settings), settings.autoencoder.latent_channels)
    weights = names.from_reference(state, names.unet_names(network))
    _write_unet(network, weights, settings, scale_factor, out, path, prefix)


def import_representation(
    encoder: Path, estimator: Path, settings: config.Config, scale_factor: float, out: Path
) -> None:
    """Write ``representation/`` from the published semantic encoder and gradient estimator, and ``diffusion/`` from the
    frozen UNet inside the latter.
    """
    diffusion, channels = _in_plane(settings), settings.autoencoder.latent_channels
    with torch.device("meta"):
        trunk = UNet(diffusion, channels)
        shift = build_shift_branch(diffusion, channels, settings.representation.dimension, trunk)
        whole, semantic = GradientEstimator(trunk, shift), build_semantic_encoder(settings.representation)
    state, prefix = read_network(estimator, "label_emb.weight")
    chosen = {"estimator": prefix}
    ours = names.from_reference(state, names.estimator_names(whole))
    frozen = {name.removeprefix("trunk."): value for name, value in ours.items() if name.startswith("trunk.")}
    weights = {name: value for name, value in ours.items() if name.startswith("shift.")}
    state, chosen["encoder"] = read_network(encoder, "cross_attention.in_proj_weight")
    coded = names.encoder_from_reference(state, names.encoder_names(semantic))
    weights |= {f"encoder.{name}": value for name, value in coded.items()}
    _write_unet(trunk, frozen, settings, scale_factor, out, estimator, prefix)
    inputs = {"diffusion": read_description(out / "diffusion")["digest"]}
    if (out / "autoencoder" / "model.json").is_file():
        inputs["autoencoder"] = read_description(out / "autoencoder")["digest"]
    network = nn.ModuleDict({"encoder": semantic, "shift": shift})
    facts = {
        "scale_factor": scale_factor,
        "latent_shape": list(settings.latent_shape),
        "inputs": inputs,
        "chosen": chosen,
    }
    files = [encoder, estimator]
    _write(out / "representation", network, weights, settings.representation, settings.seed, files, **facts)


def _in_plane(settings: config.Config) -> config.Diffusion:
    """The published UNets were trained with their code's resampling of the last two axes only."""
    if settings.diffusion.prior != "none":
        raise UserError("The published UNets have no Gaussian prior: set diffusion.prior to none.")
    return settings.diffusion.model_copy(update={"resample": "in_plane"})


def _write_unet(
    network: UNet,
    weights: dict[str, Tensor],
    settings: config.Config,
    scale_factor: float,
    out: Path,
    path: Path,
    prefix: str,
) -> None:
    facts = {"scale_factor": scale_factor, "latent_shape": list(settings.latent_shape), "chosen": {"unet": prefix}}
    _write(out / "diffusion", network, weights, _in_plane(settings), settings.seed, [path], **facts)


def _write(
    out: Path,
    network: nn.Module,
    weights: dict[str, Tensor],
    settings: BaseModel,
    seed: int,
    files: list[Path],
    **more: Any,
) -> None:
    """Check shapes and write the folder. ``inputs`` of model.json stays empty where the weights were made elsewhere."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in expected.items():
        if (found := tuple(weights[name].shape)) != shape:
            raise UserError(f"{files[0]}: {name} has shape {found}, the configuration asks for {shape}.")
    origin = {path.name: sha256_file(path) for path in files}
    facts = {"inputs": {}, "imported": origin, "parameters": {out.name: count_parameters(network)}} | more
    before = read_description(out) if (out / "model.json").is_file() else None
    write_model(out, Outcome(weights, 0, []), out.name, settings, seed, **facts)
    if before is not None and before["digest"] != read_description(out)["digest"]:
        logger.warning("%s held other weights; they are replaced.", out)
    logger.info("%s: %d tensors of %s", out, len(weights), ", ".join(origin))
