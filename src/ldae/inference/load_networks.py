"""Trained networks from their model folders; the architecture is read from model.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from ldae import config
from ldae.core.voxel_grid import VoxelGrid
from ldae.inference.folder import Model, read_model
from ldae.networks.autoencoder import Autoencoder, build_autoencoder
from ldae.networks.dae import DiffusionAutoencoder, build_dae
from ldae.networks.representation import Representation, build_representation
from ldae.networks.semantic_encoder import SupervisedEncoder, build_supervised
from ldae.networks.unet import GaussianPrior, UNet
from ldae.networks.weights import load_strictly

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Loaded(Generic[Network]):
    """A network in evaluation mode, its description (model.json) and its digest."""

    network: Network
    description: dict[str, Any]
    digest: str


def load_autoencoder(folder: Path) -> Loaded[Autoencoder]:
    """The stage-1 network of a model folder."""
    model = read_model(folder)
    network = build_autoencoder(config.Autoencoder.model_validate(model.description["settings"]))
    network.flipped = _flipped(model.description)
    return _filled(network, model)


def load_unet(folder: Path) -> Loaded[UNet]:
    """The stage-2 network of a model folder."""
    model = read_model(folder)
    settings = config.Diffusion.model_validate(model.description["settings"])
    shape = tuple(model.description["latent_shape"])
    prior = GaussianPrior.empty(settings.timesteps, shape) if settings.prior == "gaussian" else None
    return _filled(UNet(settings, shape[0], prior), model)


def load_representation(folder: Path, unet: Loaded[UNet]) -> Loaded[Representation]:
    """The stage-3 networks of a model folder, fitting the given stage-2 network."""
    model = read_model(folder)
    return _filled(initial_representation(model.description, unet), model)


def load_dae(folder: Path) -> Loaded[DiffusionAutoencoder]:
    """The diffusion autoencoder of a model folder."""
    model = read_model(folder)
    return _filled(build_dae(config.Dae.model_validate(model.description["settings"])), model)


def load_supervised(folder: Path) -> Loaded[SupervisedEncoder]:
    """A supervised encoder of a model folder."""
    model = read_model(folder)
    return _filled(build_supervised(config.Representation.model_validate(model.description["settings"])), model)


def initial_representation(description: dict[str, Any], unet: Loaded[UNet]) -> Representation:
    """The stage-3 networks as they were before training (same seed, same initial weights)."""
    networks = build_representation(
        config.Representation.model_validate(description["settings"]),
        config.Diffusion.model_validate(unet.description["settings"]),
        description["latent_shape"][0],
        unet.network,
        description["seed"],
    )
    networks.encoder.flipped = _flipped(description)
    return networks


def _flipped(description: dict[str, Any]) -> tuple[int, ...]:
    """The axes of R-A-S volumes that are turned for a network."""
    grid = VoxelGrid.of_model(description)
    return () if grid is None else grid.flipped


def _filled(network: Network, model: Model) -> Loaded[Network]:
    load_strictly(network, model.weights, model.folder / "model.safetensors")
    return Loaded(network.requires_grad_(False).eval(), model.description, model.digest)
