"""A trained model on disk: ``model.safetensors``, ``model.json`` and ``metrics.jsonl``, written once, at the end.

Networks are read back from it; their architecture is that of model.json.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from torch import Tensor, nn

from ldae import config
from ldae.core.errors import UserError
from ldae.core.files import sha256_file, write_json, write_text
from ldae.core.lineage import read_description
from ldae.core.provenance import TRAINING, library_versions
from ldae.core.voxel_grid import VoxelGrid
from ldae.networks.autoencoder import Autoencoder, build_autoencoder
from ldae.networks.dae import DiffusionAutoencoder, build_dae
from ldae.networks.representation import Representation, build_representation
from ldae.networks.semantic_encoder import SupervisedEncoder, build_supervised
from ldae.networks.unet import GaussianPrior, UNet
from ldae.networks.weights import load_strictly, load_weights, save_weights

CHECKPOINTS = "checkpoints"  # the folder of checkpoints and records in that of a training


@dataclass(frozen=True)
class Outcome:
    """A finished training: the weights to write, the step they come from, and one metrics row per validation.

    ``extended``: one entry for each time that its steps were raised after it had finished.
    """

    weights: dict[str, Tensor]
    step: int
    history: list[dict[str, Any]]
    extended: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Model:
    """A trained model: what model.json says, and the weights."""

    folder: Path
    description: dict[str, Any]
    weights: dict[str, Tensor]

    @property
    def digest(self) -> str:
        """First 16 hex digits of the sha256 of the weights file: it names the model."""
        return self.description["digest"]


def fingerprint(settings: BaseModel, seed: int, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a training depends on; a checkpoint of another fingerprint is refused."""
    return {"settings": config.computed(settings), "seed": seed, "inputs": inputs} | more


def write_model(
    out: Path, outcome: Outcome, stage: str, settings: BaseModel, seed: int, note: str | None = None, **more: Any
) -> None:
    """Write the three files; model.json last, so a folder with one is whole.

    Args:
        note: what the digest has to stand for besides the weights.
        more: further entries of model.json (inputs, parameters, what was absent).
    """
    save_weights(out / "model.safetensors", outcome.weights, note)
    write_text(out / "metrics.jsonl", "".join(json.dumps(row, sort_keys=True) + "\n" for row in outcome.history))
    description = {
        "stage": stage,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "step": outcome.step,
        "digest": sha256_file(out / "model.safetensors")[:16],
        "versions": library_versions(TRAINING),
    }
    extended = {"extended": outcome.extended} if outcome.extended else {}
    write_json(out / "model.json", description | extended | more)


def read_model(folder: Path) -> Model:
    """Description and weights.

    Raises:
        UserError: a file is missing, or the weights are not those that model.json describes.
    """
    folder = Path(folder)
    described = read_description(folder)
    path = folder / "model.safetensors"
    weights = load_weights(path)
    if (found := sha256_file(path)[:16]) != described["digest"]:
        raise UserError(f"{path} has digest {found}, model.json says {described['digest']}: train that stage again.")
    return Model(folder, described, weights)


def start_from(network: nn.Module, folder: Path, kept: tuple[str, ...] = ()) -> None:
    """Put the weights of a model folder into a network that is to be trained.

    Args:
        kept: beginnings of the names of tensors that stay as they are.

    Raises:
        UserError: the weights are not what model.json says, or of another architecture.
    """
    model, own = read_model(folder), network.state_dict()
    weights = {name: tensor for name, tensor in model.weights.items() if not (kept and name.startswith(kept))}
    own_kept = {name: tensor for name, tensor in own.items() if kept and name.startswith(kept)}
    load_strictly(network, weights | own_kept, model.folder / "model.safetensors")


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
    settings = model.description["settings"] | {"backbone_weights": None}  # where it started: its file may be gone
    return _filled(initial_representation(model.description | {"settings": settings}, unet), model)


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
