"""The store made by the trained autoencoder: latents of every scan."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ldae import config
from ldae.core.batches import batches
from ldae.core.keyed import scan_at
from ldae.core.progress import track
from ldae.core.store import open_store, write_store
from ldae.core.voxel_grid import require_same_grid
from ldae.inference.device import one_thread, pick_device
from ldae.inference.folder import require_input
from ldae.inference.load_networks import load_autoencoder
from ldae.inference.readers import read_splits, split_rows

METHOD = config.Method()
FIRST_BATCH = 64  # scans of the batch that sets the scale in the authors' code, by its batch size
logger = logging.getLogger("ldae")


@one_thread()
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
    that stage 2 draws are measured. An imported autoencoder beside imported networks of latents brings the one that
    these were trained with.

    Raises:
        UserError: the volumes are not on the grid that the autoencoder was trained on.
    """
    store, device = open_store(volumes), pick_device()
    model = load_autoencoder(autoencoder)
    require_input(f"{autoencoder} was trained on other volumes", model.description, "volumes", store.digest)
    require_same_grid(autoencoder, model.description, store)
    network = model.network.to(device)
    training = split_rows(store, read_splits(splits), "train").tolist()
    if method.scale_factor == "first_batch":
        size = min(FIRST_BATCH, len(training))
        training = [training[scan_at(seed, "diffusion", len(training), 0, place, size)] for place in range(size)]
    measured = set(training)
    moments = Moments()

    def encoded() -> Iterator[np.ndarray]:
        with torch.no_grad():
            for rows in track(batches(np.arange(len(store.index)), batch), "latents"):
                x = torch.from_numpy(store.volumes(rows))[:, None].to(device)
                pair = torch.stack(network.encode(x), dim=1).cpu().numpy()
                for row, latent in zip(rows, pair, strict=True):
                    if int(row) in measured:
                        moments.add(latent)
                    yield latent

    # The scale factor is known when all latents are, so they are collected first; 0.12 MB per scan at the paper's size.
    arrays = list(encoded())
    scale = model.description.get("scale_factor", moments.scale_factor())
    write_store(out, arrays, store.index, scale_factor=scale, autoencoder=model.digest, volumes=store.digest)
    logger.info("latents: %d scans, scale factor %.4f", len(arrays), scale)


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
