"""A trained model on disk: ``model.safetensors``, ``model.json`` and ``metrics.jsonl``, written once, at the end."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from torch import Tensor

from ldae.core.errors import UserError
from ldae.core.files import sha256_file, write_json, write_text
from ldae.core.lineage import read_description
from ldae.core.provenance import TRAINING, library_versions
from ldae.networks.weights import load_weights, save_weights

CHECKPOINTS = "checkpoints"  # the folder of checkpoints and records in that of a training
NOT_COMPUTED = ("micro_batch", "compute", "refit")  # may differ between the parts of one training


@dataclass(frozen=True)
class Outcome:
    """A finished training: the weights to write, the step they come from, and one metrics row per validation."""

    weights: dict[str, Tensor]
    step: int
    history: list[dict[str, Any]]


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


def computed(settings: BaseModel) -> dict[str, Any]:
    """The settings that shape a model, as plain values."""
    section = settings.model_dump(mode="json")
    section["training"] = {name: value for name, value in section["training"].items() if name not in NOT_COMPUTED}
    return section


def fingerprint(settings: BaseModel, seed: int, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a training depends on; a checkpoint of another fingerprint is refused."""
    return {"settings": computed(settings), "seed": seed, "inputs": inputs} | more


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
    write_json(out / "model.json", description | more)


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
