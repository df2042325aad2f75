"""Stores made by trained networks: latents of every scan, y_sem of every scan, x_T of the test scans."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ldae import config
from ldae.progress import track
from ldae.store import Store, open_store, write_store
from ldae.training.data import Latents, read_splits, split_rows
from ldae.training.device import pick_device
from ldae.training.keyed import scan_at
from ldae.training.load import load_autoencoder
from ldae.training.model_folder import require, require_input
from ldae.training.pipeline import LDAE

METHOD = config.Method()
logger = logging.getLogger("ldae")


FIRST_BATCH = 64  # scans of the batch that sets the scale in the authors' code, by its batch size


def encode_latents(
    volumes: Path,
    autoencoder: Path,
    splits: Path,
    out: Path,
    batch: int = 1,
    method: config.Method = METHOD,
    seed: int = 0,
) -> None:
    """Write the latent store: [mu, sigma] of every scan, float32 (N, 2, C, x, y, z), unscaled.

    ``scale_factor`` in its store.json is 1 / standard deviation of the latents of the training split, posterior spread
    included: sqrt(var(mu) + mean(sigma^2)). With ``method.scale_factor: first_batch`` only the first 64 training scans
    that stage 2 draws are measured.
    """
    store, device = open_store(volumes), pick_device()
    model = load_autoencoder(autoencoder)
    require_input(f"{autoencoder} was trained on other volumes", model.description, "volumes", store.digest)
    network = model.network.to(device)
    training = split_rows(store, read_splits(splits), "train").tolist()
    if method.scale_factor == "first_batch":
        size = min(FIRST_BATCH, len(training))
        training = [training[scan_at(seed, "diffusion", len(training), 0, place, size)] for place in range(size)]
    measured = set(training)
    moments = Moments()

    def encoded() -> Iterator[np.ndarray]:
        with torch.no_grad():
            for rows in track(_batches(np.arange(len(store.index)), batch), "latents"):
                x = torch.from_numpy(store.volumes(rows))[:, None].to(device)
                pair = torch.stack(network.encode(x), dim=1).cpu().numpy()
                for row, latent in zip(rows, pair, strict=True):
                    if int(row) in measured:
                        moments.add(latent)
                    yield latent

    # The scale factor is known when all latents are, so they are collected first; 0.12 MB per scan at the paper's size.
    arrays = list(encoded())
    write_store(
        out, arrays, store.index, scale_factor=moments.scale_factor(), autoencoder=model.digest, volumes=store.digest
    )
    logger.info("latents: %d scans, scale factor %.4f", len(arrays), moments.scale_factor())


class Moments:
    """Running moments of latents, in float64."""

    def __init__(self) -> None:
        self.count, self.total, self.squares, self.variance = 0, 0.0, 0.0, 0.0

    def add(self, latent: np.ndarray) -> None:
        """One scan's [mu, sigma]."""
        mu, sigma = latent.astype(np.float64)
        self.count += mu.size
        self.total += mu.sum()
        self.squares += np.square(mu).sum()
        self.variance += np.square(sigma).sum()

    def scale_factor(self) -> float:
        mean = self.total / self.count
        return float(1 / np.sqrt(self.squares / self.count - mean**2 + self.variance / self.count))


def encode_codes(
    volumes: Path,
    latents: Path,
    splits: Path,
    train: Path,
    out: Path,
    method: config.Method,
    sampling: config.Sampling,
    batch: int = 8,
) -> None:
    """Write the code stores below ``out``: y_sem, y_sem_untrained (N, dimension); x_T and x_T_unconditional of the
    scans of the test split (M, C, x, y, z).

    Raises:
        UserError: stores and models do not belong together.
    """
    images, codes = open_store(volumes), open_store(latents)
    ldae = LDAE.load(train, method, sampling)
    require(f"{latents} was made by another autoencoder", codes.meta["autoencoder"], ldae.autoencoder_digest)
    everything, test = np.arange(len(images.index)), split_rows(images, read_splits(splits), "test")
    untrained = LDAE.load(train, method, sampling, trained_encoder=False)

    def semantic(model: LDAE) -> Callable[[np.ndarray], torch.Tensor]:
        return lambda rows: model.encode_semantic(torch.from_numpy(images.volumes(rows))[:, None])

    _write(Path(out) / "y_sem", images, everything, batch, semantic(ldae), model=ldae.digest)
    _write(Path(out) / "y_sem_untrained", images, everything, batch, semantic(untrained), model="untrained")
    y_sem = open_store(Path(out) / "y_sem")

    def inverted(conditional: bool) -> Callable[[np.ndarray], torch.Tensor]:
        def invert(rows: np.ndarray) -> torch.Tensor:
            z = Latents(codes, rows, ldae.device).evaluated(list(range(len(rows))), method.posterior)
            return ldae.invert(z, torch.from_numpy(y_sem.volumes(rows)) if conditional else None)

        return invert

    how = {
        "solver": sampling.solver,
        "steps": sampling.steps,
        "method": method.model_dump(mode="json", exclude_unset=True),
    }
    _write(Path(out) / "x_T", images, test, batch, inverted(True), model=ldae.digest, conditional=True, **how)
    name = Path(out) / "x_T_unconditional"
    _write(name, images, test, batch, inverted(False), model=ldae.unconditional_digest, conditional=False, **how)


def _write(
    out: Path, images: Store, rows: np.ndarray, batch: int, encode: Callable[[np.ndarray], torch.Tensor], **meta: object
) -> None:
    """Encode some rows of the volume store in batches and write a store with their index rows."""
    arrays = (code for part in track(_batches(rows, batch), out.name) for code in encode(part).cpu().numpy())
    write_store(out, arrays, images.index.iloc[rows].reset_index(drop=True), **meta)
    logger.info("%s: %d scans", out.name, len(rows))


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[first : first + size] for first in range(0, len(rows), size)]
