"""The trainings as the workflow calls them: stores and splits in, a model folder out."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ldae import config
from ldae.core.lineage import grid, open_latents, require_chain, require_grid, require_scale_factor
from ldae.core.scans import ScanSet, labelled_rows, read_splits, scan_ids
from ldae.core.store import Store, open_store
from ldae.core.voxel_grid import VoxelGrid
from ldae.inference.device import one_thread, pick_device
from ldae.inference.model_folder import Outcome, load_autoencoder, load_unet
from ldae.inference.readers import Latents, Volumes
from ldae.networks.semantic_encoder import Target
from ldae.training.assignment import Assignment, Settings, assigned
from ldae.training.distributed import World
from ldae.training.loop import LAUNCH
from ldae.training.selection import How, Selection, chosen_by, select
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.stages.dae import DaeStage
from ldae.training.stages.diffusion import DiffusionStage
from ldae.training.stages.representation import RepresentationStage
from ldae.training.stages.supervised import Labelled, SupervisedStage
from ldae.training.warm_start import Start

logger = logging.getLogger("ldae")


@one_thread()
def train_autoencoder(
    volumes: Path, splits: Path, out: Path, settings: config.Autoencoder, seed: int, launch: config.Launch = LAUNCH
) -> None:
    """Stage 1.

    Args:
        volumes: the volume store.
        splits: splits.tsv.
        out: folder for model.safetensors, model.json, metrics.jsonl, scans.tsv and checkpoints/.
        settings: the ``autoencoder`` section.
        launch: how it is run (the ``launch`` section).
    """
    store, table = open_store(volumes), read_splits(splits)
    wanted = _assignment("autoencoder", out, settings, seed, launch, store, table, {"grid": grid(store)})
    with assigned(wanted) as job:
        if job is not None:
            stage = AutoencoderStage(settings, *_volumes(job, store), seed)
            stage.scan_names = scan_ids(job.scans.part("train"))
            absent = {} if settings.perceptual_weights else {"perceptual": "absent: no weights given"}
            job.run(stage, **(_seen(store) | absent))


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
    store, table = open_store(latents), read_splits(splits)
    inputs = {"autoencoder": store.meta["autoencoder"], "scale_factor": store.meta["measured_on"]}
    wanted = _assignment("diffusion", out, settings, seed, launch, store, table, inputs, method)
    with assigned(wanted) as job:
        if job is not None:
            stage = DiffusionStage(settings, method, *_latents(job, store), seed)
            stage.scan_names = scan_ids(job.scans.part("train"))
            job.run(stage, scale_factor=store.meta["scale_factor"], latent_shape=list(stage.training.shape))


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
    images, table = open_store(volumes), read_splits(splits)
    decoder, unet = load_autoencoder(autoencoder), load_unet(diffusion)
    require_chain({"autoencoder": decoder.description, "diffusion": unet.description}, Path(diffusion).parent)
    codes = open_latents(latents, images, decoder.digest)
    require_scale_factor(codes, unet.description["scale_factor"])
    require_grid(autoencoder, decoder.description, images)
    inputs = {"grid": grid(images), "autoencoder": decoder.digest, "diffusion": unet.digest}
    wanted = _assignment("representation", out, settings, seed, launch, images, table, inputs, method)
    with assigned(wanted) as job:
        if job is None:
            return
        stage = RepresentationStage(
            settings,
            config.Diffusion.model_validate(unet.description["settings"]),
            method,
            unet.network,
            decoder.network,
            codes.meta["scale_factor"],
            _volumes(job, images),
            _latents(job, codes),
            seed,
        )
        stage.scan_names = scan_ids(job.scans.part("train"))
        given = settings.backbone_weights or settings.training.init_from
        absent = {} if given else {"backbone_weights": "absent: random start, no weights given"}
        more = {"scale_factor": codes.meta["scale_factor"], "latent_shape": list(stage.latents.shape)} | _grid(images)
        job.run(stage, **(more | absent))


@one_thread()
def train_dae(
    volumes: Path, splits: Path, out: Path, settings: config.Dae, seed: int, launch: config.Launch = LAUNCH
) -> None:
    """The voxel-space diffusion autoencoder.

    Args:
        volumes: its own volume store (``store/volumes_dae``).
    """
    store, table = open_store(volumes), read_splits(splits)
    wanted = _assignment("dae", out, settings, seed, launch, store, table, {"grid": grid(store)})
    with assigned(wanted) as job:
        if job is not None:
            stage = DaeStage(settings, *_volumes(job, store), seed)
            stage.scan_names = scan_ids(job.scans.part("train"))
            job.run(stage, **_seen(store))


@one_thread()
def train_supervised(
    volumes: Path,
    splits: Path,
    out: Path,
    settings: config.Representation,
    target: Target,
    seed: int,
    launch: config.Launch = LAUNCH,
    selection: How = "validation",
) -> None:
    """The semantic encoder, trained on a label of the training split alone.

    Without a labelled training scan (cohorts of other sources may have none) the model is written untrained, and
    model.json says so.

    Args:
        settings: the ``representation`` section with the training of ``supervised_ad`` or ``supervised_age``.
        selection: who chooses the step (:mod:`ldae.training.selection`).
    """
    store, table, name = open_store(volumes), read_splits(splits), f"supervised_{target}"
    wanted = _assignment(name, out, settings, seed, launch, store, table, {"grid": grid(store)}, target=target)
    wanted = dataclasses.replace(wanted, method=chosen_by(selection))
    with assigned(wanted) as job:
        if job is None:
            return
        training, validation = (_labelled(store, part, target) for part in _volumes(job, store))
        choice = _choice(selection, training, validation, target, seed)
        names = np.array(scan_ids(job.scans.part("train")), dtype=object)[choice.train]
        aside = training.part(choice.set_aside)
        training, validation = training.part(choice.train), validation.joined(aside)
        stage = SupervisedStage(settings, target, training, validation, seed, choice.chooses)
        more: dict[str, Any] = {"target": target, "selection": choice.words} | _seen(store)
        if not stage.scans:
            logger.warning("%s: no training scan has this label; nothing is trained.", stage.name)
            if World.current().first:
                job.begin(stage)
                absent = {"parameters": {}, "scans": 0, "training": "absent: no training scan has this label"}
                job.deliver(Outcome(stage.product.cpu().state_dict(), 0, []), **(more | absent))
            return
        stage.scan_names = names.tolist()
        logger.info("%s: %s", stage.name, choice.words)
        if target == "ad" and len(set(training.target.tolist())) < 2:
            more["classes"] = "the training split has one class only"
            logger.warning("%s: %s", stage.name, more["classes"])
        if not settings.backbone_weights and not settings.training.init_from:
            more["backbone_weights"] = "absent: random start, no weights given"
        job.run(stage, **more)


def _labelled(store: Store, part: Volumes, target: Target) -> Labelled:
    values = torch.from_numpy(labelled_rows(store.index, part.positions, target)[1]).float()
    return Labelled(part, values, store.index["participant_id"].to_numpy()[part.positions])


def _choice(how: How, training: Labelled, validation: Labelled, target: Target, seed: int) -> Selection:
    """Who chooses the step: of the diagnosis by class, of age by all who have one."""
    parts = (training, validation)
    names = {0.0: "CN", 1.0: "AD"} if target == "ad" else {0.0: "with an age"}
    classes = [part.target.numpy() if target == "ad" else np.zeros(len(part.subjects)) for part in parts]
    return select(how, [part.subjects for part in parts], classes, names, seed)


def _assignment(
    stage: str,
    out: Path,
    settings: Settings,
    seed: int,
    launch: config.Launch,
    store: Store,
    splits: pd.DataFrame,
    inputs: dict[str, str],
    method: config.Method | None = None,
    target: Target | None = None,
) -> Assignment:
    """What is asked for now: the scans of ``store`` that the training reads, and all it depends on."""
    entries = {} if method is None else method.model_dump(mode="json", exclude_unset=True)
    start = Start.of(stage, settings.training, Path(out))
    inputs = inputs if start is None else inputs | {"init_from": start.digest}
    scans = ScanSet.of(store, splits, target)
    return Assignment(stage, Path(out), settings, seed, launch, scans, splits, inputs, entries, start)


def _volumes(job: Assignment, store: Store) -> tuple[Volumes, Volumes]:
    """Of training and of validation."""
    device = pick_device()
    training, validation = (Volumes(store, job.rows(store, name), device) for name in ("train", "validation"))
    return training, validation


def _latents(job: Assignment, store: Store) -> tuple[Latents, Latents]:
    device = pick_device()
    training, validation = (Latents(store, job.rows(store, name), device) for name in ("train", "validation"))
    return training, validation


def _seen(store: Store) -> dict[str, Any]:
    """What model.json says of the volumes."""
    return {"volume_shape": store.meta["shape"][1:]} | _grid(store)


def _grid(store: Store) -> dict[str, Any]:
    found = VoxelGrid.of_store(store)
    return {} if found is None else {"grid": found.as_json()}
