"""The store made by the trained autoencoder: latents of every scan."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ldae import config
from ldae.core.batches import batches, track
from ldae.core.files import read_json, write_json
from ldae.core.keyed import scan_at
from ldae.core.lineage import require_grid
from ldae.core.scans import read_splits, split_rows
from ldae.core.store import open_store, write_store
from ldae.inference.arithmetic import PLAIN, called, noted, placed
from ldae.inference.device import one_thread, pick_device
from ldae.inference.model_folder import load_autoencoder

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
    arithmetic: config.Arithmetic = PLAIN,
) -> None:
    """Write the latent store: [mu, sigma] of every scan, float32 (N, 2, C, x, y, z), unscaled.

    ``scale_factor`` in its store.json is 1 / standard deviation of the latents of the training split, posterior spread
    included: sqrt(var(mu) + mean(sigma^2)). With ``method.scale_factor: first_batch`` only the first 64 training scans
    that stage 2 draws are measured. An imported autoencoder beside imported networks of latents, and one of a frozen
    model, bring the one that these networks were trained with; then no scan is measured.

    Raises:
        UserError: the volumes are not on the grid that the autoencoder was trained on.
    """
    store, device = open_store(volumes), pick_device()
    model = load_autoencoder(autoencoder)
    require_grid(autoencoder, model.description, store)
    encode = called(placed(model.network, arithmetic, device).encode, arithmetic, device)
    scale = model.description.get("scale_factor")
    training = split_rows(store, read_splits(splits), "train").tolist() if scale is None else []
    if method.scale_factor == "first_batch":
        size = min(FIRST_BATCH, len(training))
        training = [training[scan_at(seed, "diffusion", len(training), 0, place, size)] for place in range(size)]
    measured = set(training)
    moments = Moments()

    def encoded() -> Iterator[np.ndarray]:
        with torch.no_grad():
            for rows in track(batches(np.arange(len(store.index)), batch), "latents"):
                x = torch.from_numpy(store.volumes(rows))[:, None].to(device)
                pair = torch.stack(encode(x), dim=1).cpu().numpy()
                for row, latent in zip(rows, pair, strict=True):
                    if int(row) in measured:
                        moments.add(latent)
                    yield latent

    # The scale factor is known when all latents are, so they are collected first; 0.12 MB per scan at the paper's size.
    arrays = list(encoded())
    how = method.scale_factor if method.scale_factor == "training_split" else f"{method.scale_factor}, seed {seed}"
    if scale is None:
        scale = _once_measured(autoencoder, model.digest, how, moments.scale_factor())
    facts = {"autoencoder": model.digest, "volumes": store.digest, "measured_on": how} | noted(arithmetic)
    write_store(out, arrays, store.index, scans=store.scans, scale_factor=scale, **facts)
    logger.info("latents: %d scans, scale factor %.4f", len(arrays), scale)


def _once_measured(autoencoder: Path, digest: str, how: str, scale: float) -> float:
    """The scale factor of an autoencoder's latents stays what it was when it was first measured: scans that come or go
    change none, and models that were trained with it stay right. The note is no declared output: Snakemake never
    deletes it."""
    note = Path(autoencoder) / "scale_factor.json"
    known = read_json(note) if note.is_file() else {}
    if known.get("autoencoder") != digest:
        known = {"autoencoder": digest}
    if how not in known:
        write_json(note, known | {how: scale})
    return known.get(how, scale)


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
        """1 / sqrt(var(mu) + mean(sigma^2)) over everything added."""
        mean = self.total / self.count
        return float(1 / np.sqrt(self.squares / self.count - mean**2 + self.variance / self.count))
