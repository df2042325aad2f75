"""The store made by the trained autoencoder: latents of every scan."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ldae import config
from ldae.core.batches import batches, track
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json
from ldae.core.keyed import scan_at
from ldae.core.lineage import require_grid
from ldae.core.scans import read_splits, scan_ids, split_rows
from ldae.core.store import open_store, write_store
from ldae.inference.arithmetic import PLAIN, called, noted, placed
from ldae.inference.degenerate import collapsed_latents
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

    ``between_scans`` is the share of that variance that lies between scans; where it is next to nothing, the
    autoencoder has collapsed, and the log and the report say so.

    Raises:
        UserError: the volumes are not on the grid that the autoencoder was trained on, or the latents are not finite
            or one single number.
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
    measured = set(training or range(len(store.index)))
    moments = Moments()

    def encoded() -> Iterator[np.ndarray]:
        with torch.no_grad():
            for rows in track(batches(np.arange(len(store.index)), batch), "latents"):
                x = torch.from_numpy(store.volumes(rows))[:, None].to(device)
                pair = torch.stack(encode(x), dim=1).cpu().numpy()
                for row, latent in zip(rows, pair, strict=True):
                    if not np.isfinite(latent).all():
                        raise UserError(_not_finite(autoencoder, scan_ids(store.index.iloc[[row]])[0]))
                    if int(row) in measured:
                        moments.add(latent)
                    yield latent

    # The scale factor is known when all latents are, so they are collected first; 0.12 MB per scan at the paper's size.
    arrays = list(encoded())
    how = method.scale_factor if method.scale_factor == "training_split" else f"{method.scale_factor}, seed {seed}"
    if scale is None:
        scale = _once_measured(autoencoder, model.digest, how, _usable(moments.scale_factor(), autoencoder))
    facts: dict[str, Any] = {"autoencoder": model.digest, "volumes": store.digest, "measured_on": how}
    facts |= noted(arithmetic)
    facts["between_scans"] = moments.between_scans()
    write_store(out, arrays, store.index, scans=store.scans, scale_factor=scale, **facts)
    logger.info("latents: %d scans, scale factor %.4f", len(arrays), scale)
    if sentence := collapsed_latents(facts | {"scale_factor": scale}):
        logger.warning("%s", sentence)


def _not_finite(autoencoder: Path, scan: str) -> str:
    return (
        f"The autoencoder in {autoencoder} makes latents of {scan} that are not finite: its weights are spoiled. Lower "
        f"autoencoder.training.learning_rate and start it over with `ldae fresh {autoencoder}`."
    )


def _usable(scale: float, autoencoder: Path) -> float:
    if np.isfinite(scale):
        return scale
    raise UserError(
        f"The autoencoder in {autoencoder} has collapsed: the latents of all training scans are one single number, "
        "with no spread to scale by. Look whether the volumes differ, or lower autoencoder.kl_weight, and start it "
        f"over with `ldae fresh {autoencoder}`."
    )


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
        self.scans, self.total, self.squares, self.variance = 0, np.zeros(()), np.zeros(()), 0.0

    def add(self, latent: np.ndarray) -> None:
        """One scan's [mu, sigma]."""
        mu, sigma = latent.astype(np.float64)
        self.scans, self.total, self.squares = self.scans + 1, self.total + mu, self.squares + np.square(mu)
        self.variance += float(np.square(sigma).mean())

    def variances(self) -> tuple[float, float]:
        """var(mu) + mean(sigma^2) over everything added; and the part of var(mu) that lies between scans, voxel by
        voxel."""
        mean, squares = self.total / self.scans, self.squares / self.scans
        whole = float(squares.mean() - mean.mean() ** 2) + self.variance / self.scans
        return whole, float(np.maximum(squares - mean**2, 0).mean())

    def scale_factor(self) -> float:
        """1 / sqrt(var(mu) + mean(sigma^2)) over everything added; infinite where that is zero."""
        whole = self.variances()[0]
        return float(1 / np.sqrt(whole)) if whole > 0 else float("inf")

    def between_scans(self) -> float | None:
        """Share of the variance that lies between scans; none of fewer than two."""
        whole, between = self.variances()
        return between / whole if self.scans > 1 and whole > 0 else None
