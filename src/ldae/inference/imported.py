"""The paper's published weights as model folders that every later rule reads like its own."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from ldae import config
from ldae.core.errors import UserError
from ldae.core.files import sha256_file, write_json
from ldae.core.voxel_grid import VoxelGrid
from ldae.inference.foreign_weights import read_network
from ldae.inference.model_folder import CHECKPOINTS, Outcome, read_description, write_model
from ldae.networks import reference_names as names
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.counts import count_parameters
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Model:
    """Imported weights that fit their network and may be written to ``out``.

    Raises:
        UserError: the weights are of another architecture, or another model stands there.
    """

    out: Path
    network: nn.Module
    weights: dict[str, Tensor]
    section: BaseModel
    files: list[Path]
    facts: dict[str, Any] = field(default_factory=dict)  # for model.json

    def __post_init__(self) -> None:
        _check(self.out, self.network, self.weights, self.files)


def write_models(models: list[Model], settings: config.Config, out: Path) -> None:
    """Write the models, in this order, to their folders below ``out``; all were read and checked before."""
    for model in models:
        _write(model, settings, _inputs(out) if model.out.name == "representation" else {})
    if models:
        _share_scale_factor(out)


def _inputs(out: Path) -> dict[str, str]:
    """Digests of the models below ``out`` that the representation rests on."""
    made = [name for name in ("diffusion", "autoencoder") if (out / name / "model.json").is_file()]
    return {name: read_description(out / name)["digest"] for name in made}


def read_autoencoder(path: Path, settings: config.Config, out: Path) -> list[Model]:
    """``autoencoder/`` below ``out``, of AutoencoderKL weights of MONAI Generative; nothing is written yet.

    Raises:
        UserError: the file is refused, or is of another architecture, or another model stands there.
    """
    with torch.device("meta"):
        network = build_autoencoder(settings.autoencoder)
    state, prefix = read_network(path, "quant_conv_mu.conv.weight")
    map_ = names.autoencoder_names(network)
    if state.keys() == map_.keys():  # saved by MONAI itself
        map_ = {name: name for name in map_}
    weights = {f"net.{name}": tensor for name, tensor in names.from_reference(state, map_).items()}
    facts = {"volume_shape": list(settings.preprocessing.conform.shape), "chosen": {"autoencoder": prefix}}
    return [Model(out / "autoencoder", network, weights, settings.autoencoder, [path], facts)]


def read_unet(path: Path, settings: config.Config, out: Path) -> list[Model]:
    """``diffusion/`` of the published unconditional UNet; nothing is written yet.

    Raises:
        UserError: as :func:`read_autoencoder`.
    """
    state, prefix = read_network(path, "time_embed.0.weight")
    with torch.device("meta"):
        network = UNet(_in_plane(settings), settings.autoencoder.latent_channels)
    weights = names.from_reference(state, names.unet_names(network))
    facts = _of_latents(settings) | {"chosen": {"unet": prefix}}
    return [Model(out / "diffusion", network, weights, _in_plane(settings), [path], facts)]


def read_representation(encoder: Path, estimator: Path, settings: config.Config, out: Path) -> list[Model]:
    """``representation/`` of the published semantic encoder and gradient estimator, and ``diffusion/`` of the frozen
    UNet inside the latter; nothing is written yet.

    Raises:
        UserError: as :func:`read_autoencoder`.
    """
    diffusion, channels = _in_plane(settings), settings.autoencoder.latent_channels
    with torch.device("meta"):
        trunk = UNet(diffusion, channels)
        shift = build_shift_branch(diffusion, channels, settings.representation.dimension, trunk)
        whole, semantic = GradientEstimator(trunk, shift), build_semantic_encoder(settings.representation)
    state, prefix = read_network(estimator, "label_emb.weight")
    ours = names.from_reference(state, names.estimator_names(whole))
    frozen = {name.removeprefix("trunk."): value for name, value in ours.items() if name.startswith("trunk.")}
    weights = {name: value for name, value in ours.items() if name.startswith("shift.")}
    state, encoder_prefix = read_network(encoder, "cross_attention.in_proj_weight")
    coded = names.encoder_from_reference(state, names.encoder_names(semantic))
    weights |= {f"encoder.{name}": value for name, value in coded.items()}
    network, files = nn.ModuleDict({"encoder": semantic, "shift": shift}), [encoder, estimator]
    facts = _of_latents(settings) | {"chosen": {"unet": prefix}}
    unet = Model(out / "diffusion", trunk, frozen, diffusion, [estimator], facts)
    facts = facts | {"chosen": {"encoder": encoder_prefix, "estimator": prefix}}
    return [unet, Model(out / "representation", network, weights, settings.representation, files, facts)]


def _in_plane(settings: config.Config) -> config.Diffusion:
    """The published UNets were trained with their code's resampling of the last two axes only."""
    if settings.diffusion.prior != "none":
        raise UserError("The published UNets have no Gaussian prior: set diffusion.prior to none.")
    return settings.diffusion.model_copy(update={"resample": "in_plane"})


def _of_latents(settings: config.Config) -> dict[str, Any]:
    """What networks of latents say of those that they were trained on."""
    return {"scale_factor": settings.imported.scale_factor, "latent_shape": list(settings.latent_shape)}


def _grid(settings: config.Config) -> VoxelGrid:
    """The grid of the volumes that the weights were trained on."""
    where = settings.imported
    return VoxelGrid(settings.preprocessing.conform.shape, where.spacing_mm, where.centre_mm, where.axes)


def _share_scale_factor(out: Path) -> None:
    """An imported autoencoder beside an imported UNet keeps the scale factor that the UNet was trained with, so that
    ``encode_latents`` measures none."""
    folders = [out / "autoencoder", out / "diffusion"]
    if not all((folder / "model.json").is_file() for folder in folders):
        return
    autoencoder, unet = map(read_description, folders)
    if "imported" in autoencoder and "imported" in unet:
        write_json(folders[0] / "model.json", autoencoder | {"scale_factor": unet["scale_factor"]})
        logger.info("Latents are multiplied by %g, as the networks of latents were trained.", unet["scale_factor"])


def _check(out: Path, network: nn.Module, weights: dict[str, Tensor], files: list[Path]) -> None:
    """The weights fit the network, and no other model or training stands in the folder."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in expected.items():
        if (found := tuple(weights[name].shape)) != shape:
            raise UserError(f"{files[0]}: {name} has shape {found}, the configuration asks for {shape}.")
    if (out / "model.json").is_file() and read_description(out).get("imported") != _origin(files):
        raise UserError(f"{out} holds another model: put it aside (ldae fresh {out}), or give another folder.")
    if any((out / CHECKPOINTS).glob("step-*.json")):
        raise UserError(f"{out} holds a training that was begun: put it aside (ldae fresh {out}), or give another.")


def _origin(files: list[Path]) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in files}


def _write(model: Model, settings: config.Config, inputs: dict[str, str]) -> None:
    """Write the folder. ``inputs`` of model.json stays empty where the weights were made elsewhere.

    Grid and scale factor are part of the digest: with others the same weights make other codes.
    """
    out, weights = model.out, model.weights
    grid, parameters = _grid(settings), {out.name: count_parameters(model.network)}
    facts = {"inputs": inputs, "imported": _origin(model.files), "parameters": parameters, "grid": grid.as_json()}
    facts |= model.facts
    note = json.dumps({name: facts[name] for name in ("grid", "scale_factor") if name in facts}, sort_keys=True)
    write_model(out, Outcome(weights, 0, []), out.name, model.section, settings.seed, note, **facts)
    logger.info("%s: %d tensors; trained on %s", out.name, len(weights), grid)
