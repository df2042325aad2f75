"""The trainings as the workflow calls them: stores and splits in, a model folder out."""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from ldae import config
from ldae.core.latent_scale import require_scale_factor
from ldae.core.store import Store, open_store
from ldae.core.voxel_grid import VoxelGrid, require_same_grid
from ldae.inference.device import one_thread, pick_device
from ldae.inference.folder import CHECKPOINTS, Outcome, fingerprint, require, require_input, write_model
from ldae.inference.load_networks import load_autoencoder, load_unet
from ldae.inference.readers import Latents, Volumes, read_splits, split_rows, splits_digest
from ldae.networks.counts import count_parameters
from ldae.networks.supervised import Target
from ldae.training.distributed import World
from ldae.training.loop import LAUNCH, train
from ldae.training.reporting.run_records import attempts_of
from ldae.training.safety.checkpoint import CheckpointFolder
from ldae.training.safety.delivery import keep, restore
from ldae.training.safety.lock import RunLock
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.stages.dae import DaeStage
from ldae.training.stages.diffusion import DiffusionStage
from ldae.training.stages.representation import RepresentationStage
from ldae.training.stages.stage import Stage
from ldae.training.stages.supervised import Labelled, SupervisedStage, labelled_rows

logger = logging.getLogger("ldae")


@one_thread()
def train_autoencoder(
    volumes: Path, splits: Path, out: Path, settings: config.Autoencoder, seed: int, launch: config.Launch = LAUNCH
) -> None:
    """Stage 1.

    Args:
        volumes: the volume store.
        splits: splits.tsv.
        out: folder for model.safetensors, model.json, metrics.jsonl and checkpoints/.
        settings: the ``autoencoder`` section.
        launch: how it is run (the ``launch`` section).
    """
    store, table, device = open_store(volumes), read_splits(splits), pick_device()
    training, validation = (Volumes(store, split_rows(store, table, name), device) for name in ("train", "validation"))
    stage = AutoencoderStage(settings, training, validation, seed)
    stage.scan_names = _scan_names(store, training.positions)
    absent = {} if settings.perceptual_weights else {"perceptual": "absent: no weights given"}
    inputs = {"volumes": store.digest, "splits": splits_digest(table)}
    _train(stage, out, settings, seed, launch, inputs, _seen(store) | absent)


@one_thread()
def train_diffusion(
    latents: Path,
    splits: Path,
    out: Path,
    settings: config.Diffusion,
    method: config.Method,
    seed: int,
    launch: config.Launch = LAUNCH,
) -> None:
    """Stage 2, on the latent store."""
    store, table, device = open_store(latents), read_splits(splits), pick_device()
    training, validation = (Latents(store, split_rows(store, table, name), device) for name in ("train", "validation"))
    stage = DiffusionStage(settings, method, training, validation, seed)
    stage.scan_names = _scan_names(store, split_rows(store, table, "train"))
    inputs = {"latents": store.digest, "autoencoder": store.meta["autoencoder"], "splits": splits_digest(table)}
    more = {"scale_factor": store.meta["scale_factor"], "latent_shape": list(training.shape)}
    _train(
        stage,
        out,
        settings,
        seed,
        launch,
        inputs,
        more | {"method": method.model_dump(mode="json", exclude_unset=True)},
    )


@one_thread()
def train_representation(
    volumes: Path,
    latents: Path,
    splits: Path,
    autoencoder: Path,
    diffusion: Path,
    out: Path,
    settings: config.Representation,
    method: config.Method,
    seed: int,
    launch: config.Launch = LAUNCH,
) -> None:
    """Stage 3.

    Args:
        autoencoder: model folder of stage 1 (decodes the validation samples).
        diffusion: model folder of stage 2 (the frozen trunk).

    Raises:
        UserError: the stores and the two models do not belong together.
    """
    images, codes, table, device = open_store(volumes), open_store(latents), read_splits(splits), pick_device()
    decoder, unet = load_autoencoder(autoencoder), load_unet(diffusion)
    require(f"{latents} was made by another autoencoder", codes.meta["autoencoder"], decoder.digest)
    require(f"{latents} was made from other volumes", codes.meta["volumes"], images.digest)
    require_input(f"{diffusion} was trained on other latents", unet.description, "latents", codes.digest)
    require_scale_factor(codes, unet.description["scale_factor"])
    require_same_grid(autoencoder, decoder.description, images)
    rows = [split_rows(images, table, name) for name in ("train", "validation")]
    stage = RepresentationStage(
        settings,
        config.Diffusion.model_validate(unet.description["settings"]),
        method,
        unet.network,
        decoder.network,
        codes.meta["scale_factor"],
        tuple(Volumes(images, chosen, device) for chosen in rows),
        tuple(Latents(codes, chosen, device) for chosen in rows),
        seed,
    )
    stage.scan_names = _scan_names(images, rows[0])
    inputs = {
        "volumes": images.digest,
        "latents": codes.digest,
        "autoencoder": decoder.digest,
        "diffusion": unet.digest,
        "splits": splits_digest(table),
    }
    absent = {} if settings.backbone_weights else {"backbone_weights": "absent: random start, no weights given"}
    more = {"scale_factor": codes.meta["scale_factor"], "latent_shape": list(stage.latents.shape)} | _grid(images)
    _train(
        stage,
        out,
        settings,
        seed,
        launch,
        inputs,
        more | absent | {"method": method.model_dump(mode="json", exclude_unset=True)},
    )


@one_thread()
def train_dae(
    volumes: Path, splits: Path, out: Path, settings: config.Dae, seed: int, launch: config.Launch = LAUNCH
) -> None:
    """The voxel-space diffusion autoencoder.

    Args:
        volumes: its own volume store (``store/volumes_dae``).
    """
    store, table, device = open_store(volumes), read_splits(splits), pick_device()
    training, validation = (Volumes(store, split_rows(store, table, name), device) for name in ("train", "validation"))
    stage = DaeStage(settings, training, validation, seed)
    stage.scan_names = _scan_names(store, training.positions)
    inputs = {"volumes": store.digest, "splits": splits_digest(table)}
    _train(stage, out, settings, seed, launch, inputs, _seen(store))


@one_thread()
def train_supervised(
    volumes: Path,
    splits: Path,
    out: Path,
    settings: config.Representation,
    target: Target,
    seed: int,
    launch: config.Launch = LAUNCH,
) -> None:
    """The semantic encoder, trained on a label of the training split alone.

    Without a labelled training scan (cohorts of other sources may have none) the model is written untrained, and
    model.json says so.

    Args:
        settings: the ``representation`` section with the training of ``supervised_ad`` or ``supervised_age``.
    """
    store, table, device = open_store(volumes), read_splits(splits), pick_device()
    parts = []
    for name in ("train", "validation"):
        rows, values = labelled_rows(store.index, split_rows(store, table, name), target)
        subjects = store.index["participant_id"].to_numpy()[rows]
        parts.append(Labelled(Volumes(store, rows, device), torch.from_numpy(values).float(), subjects))
    stage = SupervisedStage(settings, target, *parts, seed)
    inputs = {"volumes": store.digest, "splits": splits_digest(table)}
    more: dict[str, Any] = {"target": target} | _seen(store)
    if not stage.scans:
        logger.warning("%s: no training scan has this label; nothing is trained.", stage.name)
        absent = {"inputs": inputs, "parameters": {}, "scans": 0, "training": "absent: no training scan has this label"}
        if World.current().first:
            weights = stage.product.cpu().state_dict()
            write_model(Path(out), Outcome(weights, 0, []), stage.name, settings, seed, **(more | absent))
        return
    stage.scan_names = _scan_names(store, parts[0].volumes.positions)
    if not len(parts[1].volumes):
        more["selection"] = "last step: no validation scan has this label"
    if target == "ad" and len(set(parts[0].target.tolist())) < 2:
        more["classes"] = "the training split has one class only"
        logger.warning("%s: %s", stage.name, more["classes"])
    if not settings.backbone_weights:
        more["backbone_weights"] = "absent: random start, no weights given"
    _train(stage, out, settings, seed, launch, inputs, more)


def _train(
    stage: Stage,
    out: Path,
    settings: BaseModel,
    seed: int,
    launch: config.Launch,
    inputs: dict[str, str],
    more: dict[str, Any],
) -> None:
    """Run the loop, write the model, drop the checkpoints, which have no further use then.

    Of several processes the first holds the lock and writes.
    """
    world, folder = World.current(), Path(out) / CHECKPOINTS
    identity = fingerprint(settings, seed, inputs, method=more.get("method", {}))
    with RunLock(folder) if world.first else nullcontext():
        if world.any(world.first and restore(Path(out), folder / "delivered", identity)):
            logger.info("%s: it had finished before; delivered again to %s", stage.name, out)
            return
        outcome = train(stage, settings.training, seed, folder, identity, launch)
        if world.first:
            more = more | {
                "inputs": inputs,
                "parameters": {name: count_parameters(network) for name, network in stage.networks.items()},
                "scans": stage.scans,
            }
            write_model(Path(out), outcome, stage.name, settings, seed, **more)
            keep(Path(out), folder / "delivered", identity)
            attempts_of(folder, settings.training, world.size).clear()
            CheckpointFolder(folder, identity).clear()
            logger.info("%s: written to %s (weights of step %d)", stage.name, out, outcome.step)
    world.wait()


def _seen(store: Store) -> dict[str, Any]:
    """What model.json says of the volumes."""
    return {"volume_shape": store.meta["shape"][1:]} | _grid(store)


def _grid(store: Store) -> dict[str, Any]:
    grid = VoxelGrid.of_store(store)
    return {} if grid is None else {"grid": grid.as_json()}


def _scan_names(store: Store, rows: np.ndarray) -> list[str]:
    """Subject and session of some rows of a store."""
    index = store.index.iloc[rows]
    return [
        f"{subject}_{session}" for subject, session in zip(index["participant_id"], index["session_id"], strict=True)
    ]
