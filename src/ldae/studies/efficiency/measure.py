"""What training and decoding cost (paper Table 5): parameters, grids, device hours, seconds per scan on this device.

Everything here is measured anew at every run: it lives in ``evaluate/efficiency`` and ``paper/timings`` alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from ldae.config import Evaluation, Sampling
from ldae.core.files import read_rows, write_tsv
from ldae.core.lineage import read_chain, read_description
from ldae.core.model_places import STAGES as FROZEN_STAGES
from ldae.inference.decoder import DaeDecoder, Decoder
from ldae.inference.device import device_name
from ldae.inference.model_folder import CHECKPOINTS
from ldae.inference.pipeline import LDAE
from ldae.networks.counts import count_parameters
from ldae.studies.common.inputs import Inputs, volumes_of

STAGES = (*FROZEN_STAGES, "dae", "supervised_ad", "supervised_age")
CALLS = {
    "encode_y_sem": 0,
    "ae": 0,
    "ldae_noise": 1,
    "lddim_encoded": 2,
    "ldae_encoded": 2,
    "dae_noise": 1,
    "dae_encoded": 2,
}
"""Passes over the steps of the sampler, by method."""


@dataclass(frozen=True)
class Spent:
    """Wall-clock hours of training and validation, and hours x devices; steps that a kill threw away do not count.

    Attributes:
        devices: names of the devices, with how many worked side by side.
    """

    hours: float
    device_hours: float
    devices: str


def spent(folder: Path) -> Spent | None:
    """What ``checkpoints/live.jsonl`` of a training folder tells; none where it is gone, or is older than the record
    of devices."""
    rows = read_rows(Path(folder) / CHECKPOINTS / "live.jsonl")
    if not rows or any("device" not in row for row in rows):
        return None
    before, total = 0.0, 0.0
    kinds: dict[str, None] = {}  # in the order in which they came
    for row in rows:
        total += (row["seconds"] - before) * row["devices"]
        before = row["seconds"]
        kinds[f"{row['devices']} x {row['device']}"] = None
    return Spent(before / 3600, total / 3600, "; ".join(kinds))


def run_efficiency(
    ldae: LDAE, dae: DaeDecoder | None, inputs: Inputs, settings: Evaluation, train: Path, seed: int, out: Path
) -> None:
    """Write trainings.tsv and methods.tsv into ``out``.

    Args:
        dae: none on a frozen model, where no baseline was trained.
    """
    stages = STAGES if dae is not None else FROZEN_STAGES
    read_chain(train, stages)
    write_tsv(out / "trainings.tsv", pd.DataFrame([training_row(train / stage) for stage in stages]))
    write_tsv(out / "methods.tsv", timings(ldae, dae, inputs, settings, seed))


def training_row(folder: Path) -> dict:
    """One training: what it trained on what, the step whose weights were written, and its device hours."""
    description, cost = read_description(folder), spent(folder)
    training = description["settings"]["training"]
    if "imported" in description:
        devices = "imported: not trained here"
    elif "frozen" in description:
        devices = "frozen: not trained here"
    elif cost is None:
        devices = description.get("training", "n/a (the live record is gone, or names no device)")
    else:
        devices = cost.devices
    grid = description.get("volume_shape") or description["latent_shape"]
    return {
        "stage": folder.name,
        "parameters_trained": sum(description["parameters"].values()),
        "grid": " x ".join(str(size) for size in grid),
        "scans": description.get("scans"),
        "steps": description["step"],
        "batch": training["batch"],
        "hours": None if cost is None else cost.hours,
        "device_hours": None if cost is None else cost.device_hours,
        "devices": devices,
    }


def timings(ldae: LDAE, dae: DaeDecoder | None, inputs: Inputs, settings: Evaluation, seed: int) -> pd.DataFrame:
    """Seconds per scan of every method, one scan at a time (as the paper) and in batches: the median of the repeats,
    with the least and the most, after a warm-up of one step. Reading and writing files is not in it. Of a batch,
    ``evaluation.volumes`` go through the networks of volumes at once.
    """
    rows, chosen = inputs.first_scans("test"), []
    for size in sorted({1, min(settings.batch, len(rows))}):
        scans, sizes = rows[:size], (size, min(size, settings.volumes))
        short = None if dae is None else dae.with_sampling(Sampling(steps=1))
        quick = jobs(ldae.with_sampling("ddim", 1), short, inputs, scans, sizes, seed)
        slow = jobs(ldae, dae, inputs, scans, sizes, seed)
        for name, job in slow.items():
            quick[name]()
            seconds = [measured(job, ldae.device) / size for _ in range(settings.efficiency_repeats)]
            chosen.append(
                {
                    "method": name,
                    "batch": size,
                    "solver": ldae.sampling.solver,
                    "network_calls": CALLS[name] * ldae.sampling.steps,
                    "parameters": parameters(ldae, dae, name),
                    "grid": " x ".join(
                        str(s) for s in (dae.shape if dae and name.startswith("dae") else inputs.grid.shape)
                    ),
                    "diffused_values": diffused(ldae, dae, name),
                    "seconds_per_scan": float(np.median(seconds)),
                    "least": min(seconds),
                    "most": max(seconds),
                    "repeats": len(seconds),
                    "device": device_name(ldae.device),
                }
            )
    return pd.DataFrame(chosen)


def jobs(
    ldae: LDAE, dae: DaeDecoder | None, inputs: Inputs, scans: np.ndarray, sizes: tuple[int, int], seed: int
) -> dict[str, Callable[[], object]]:
    """From the scan to its reconstruction, every encoding included, by method.

    Args:
        sizes: latents, and volumes, that go through a network at once.
    """
    decoder, names = Decoder(ldae, *sizes), [inputs.scan_id(row) for row in scans]
    x, noise = volumes_of(inputs, scans), decoder.noise(names, seed)

    def encoded(conditional: bool) -> np.ndarray:
        y = decoder.encode_semantic(x) if conditional else None
        z = decoder.encode_mean(x)
        return decoder.generate(decoder.invert(z, y), y)

    ours: dict[str, Callable[[], object]] = {
        "encode_y_sem": lambda: decoder.encode_semantic(x),
        "ae": lambda: decoder.decode_latent(decoder.encode_mean(x)),
        "ldae_noise": lambda: decoder.generate(noise, decoder.encode_semantic(x)),
        "lddim_encoded": lambda: encoded(conditional=False),
        "ldae_encoded": lambda: encoded(conditional=True),
    }
    return ours if dae is None else ours | jobs_of_dae(dae, inputs.volumes_dae.volumes(scans)[:, None], names, seed)


def jobs_of_dae(dae: DaeDecoder, small: np.ndarray, names: list[str], seed: int) -> dict[str, Callable[[], object]]:
    """The same for the voxel-space baseline.

    Args:
        small: (B, 1, x, y, z) the scans on its own grid.
    """
    coarse = dae.noise(names, seed)

    def by_dae() -> np.ndarray:
        y = dae.encode(small)
        return dae.generate(dae.invert(small, y), y, encoded=True)

    return {
        "dae_noise": lambda: dae.generate(coarse, dae.encode(small), encoded=False),
        "dae_encoded": by_dae,
    }


def measured(job: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, to the end of the device's work."""
    started = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def parameters(ldae: LDAE, dae: DaeDecoder | None, method: str) -> int:
    """Parameters of all networks that a method runs."""
    used: dict[str, list[nn.Module]] = {
        "encode_y_sem": [ldae.encoder],
        "ae": [ldae.autoencoder],
        "ldae_noise": [ldae.encoder, ldae.estimator, ldae.autoencoder],
        "lddim_encoded": [ldae.estimator.trunk, ldae.autoencoder],
        "ldae_encoded": [ldae.encoder, ldae.estimator, ldae.autoencoder],
    }
    if dae is not None:
        used |= {"dae_noise": [dae.network], "dae_encoded": [dae.network]}
    return sum(count_parameters(network) for network in used[method])


def diffused(ldae: LDAE, dae: DaeDecoder | None, method: str) -> int:
    """Values that the sampler moves through noise."""
    if not CALLS[method]:
        return 0
    return int(np.prod(dae.shape if dae and method.startswith("dae") else ldae.latent_shape))
