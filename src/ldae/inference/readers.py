"""Training data: volumes read from the store as they are needed, latents wholly in memory."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ldae.core.errors import UserError
from ldae.core.keyed import Draw, normal
from ldae.core.scans import scan_ids
from ldae.core.store import Store
from ldae.networks.autoencoder import reparameterise


class Volumes:
    """Some rows of a volume store as float32 tensors (n, 1, X, Y, Z) in [0, 1]."""

    def __init__(self, store: Store, rows: np.ndarray, device: torch.device):
        self.store, self.positions, self.device = store, rows, device

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, scans: Sequence[int]) -> Tensor:
        volumes = torch.from_numpy(self.store.volumes(self.positions[scans]))
        return volumes[:, None].to(self.device)


class Latents:
    """Some rows of a latent store in memory, multiplied by its scale factor; what is drawn of them goes to ``device``.

    They stay in the memory of the host: of the paper's cohort they would fill a GiB of a GPU, and a batch of them is
    moved in no time.

    Attributes:
        mean: posterior means (n, C, x, y, z).
        spread: posterior standard deviations, same shape.

    Raises:
        UserError: the latents of a scan hold NaN or infinity.
    """

    def __init__(self, store: Store, rows: np.ndarray, device: torch.device):
        self.device = device
        values = torch.from_numpy(store.volumes(rows)) * store.meta["scale_factor"]
        self.mean, self.spread = values[:, 0].contiguous(), values[:, 1].contiguous()
        self.ids = scan_ids(store.index.iloc[rows])
        finite = values.flatten(1).isfinite().all(dim=1)
        if not finite.all():
            names = [name for name, whole in zip(self.ids, finite.tolist(), strict=True) if not whole]
            raise UserError(
                f"{store.path} holds NaN or infinity for {names[0]} ({len(names)} such scans): delete its store.json "
                "and run encode_latents again; if that refuses, the autoencoder is spoiled."
            )

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, x, y, z)."""
        return tuple(self.mean.shape[1:])

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each latent voxel over the scans (C, x, y, z), posterior spread included."""
        return self.mean.mean(0), self.mean.var(0) + self.spread.square().mean(0)

    def draw(self, draws: Sequence[Draw], posterior: str) -> Tensor:
        """z_0 of the drawn scans in training: a fresh sample of each posterior, or as in evaluation."""
        scans = [draw.scan for draw in draws]
        if posterior != "sample":
            return self.evaluated(scans, posterior)
        noise = keyed_noise(draws, self.shape, "posterior")
        return self._sampled(scans, noise)

    def evaluated(self, scans: Sequence[int], posterior: str) -> Tensor:
        """z_0 of some scans in evaluation: the posterior's mean, or its frozen sample (``method.posterior``)."""
        if posterior != "frozen":
            return self.mean[scans].to(self.device)
        return self._sampled(scans, frozen_noise([self.ids[scan] for scan in scans], self.shape))

    def _sampled(self, scans: Sequence[int], noise: Tensor) -> Tensor:
        mean, spread, noise = (part.to(self.device) for part in (self.mean[scans], self.spread[scans], noise))
        return reparameterise(mean, spread, noise)


def frozen_noise(ids: Sequence[str], shape: tuple[int, ...]) -> Tensor:
    """The noise (n, *shape) of each scan's one sample of its posterior, fixed by its name."""
    return torch.stack([normal(shape, "frozen posterior", name) for name in ids])


def keyed_noise(draws: Sequence[Draw], shape: tuple[int, ...], purpose: str) -> Tensor:
    """Standard normal noise (n, *shape), one key per scan of the batch."""
    return torch.stack([normal(shape, *draw.key, purpose) for draw in draws])
