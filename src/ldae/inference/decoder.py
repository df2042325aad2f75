"""Numpy in, numpy out: the networks run over any number of scans in batches of a fixed size.

Latents go through their networks ``batch`` at a time, volumes ``volumes`` at a time: at the paper's size one volume
fills a GPU, and eight would need 30 GiB to be decoded.

Beside the trained chain stands its rival, the voxel-space diffusion autoencoder (Preechakul 2022).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ldae import config
from ldae.core.batches import batches
from ldae.core.keyed import normal
from ldae.core.lineage import require_grid
from ldae.core.store import Store
from ldae.diffusion.ddim import Denoiser
from ldae.diffusion.samplers import SAMPLERS, Sampler
from ldae.diffusion.schedule import Schedule
from ldae.inference.arithmetic import PLAIN, called, placed
from ldae.inference.device import pick_device
from ldae.inference.model_folder import Loaded, load_dae
from ldae.inference.pipeline import LDAE
from ldae.networks.dae import DiffusionAutoencoder, denoiser, reconstruct


class Decoder:
    """The trained chain, batch by batch: from codes to volumes.

    Every method takes and returns float32 arrays with the scans on the first axis; volumes are (N, 1, X, Y, Z).
    """

    def __init__(self, ldae: LDAE, batch: int, volumes: int = 1):
        self.ldae, self.batch, self.volumes = ldae, batch, volumes

    def _over_latents(self, function: Callable[..., Tensor], *arrays: np.ndarray) -> np.ndarray:
        return _run(function, arrays, self.batch, self.tensor)

    def _over_volumes(self, function: Callable[..., Tensor], *arrays: np.ndarray) -> np.ndarray:
        return _run(function, arrays, self.volumes, self.tensor)

    def tensor(self, array: np.ndarray) -> Tensor:
        """A copy on the networks' device."""
        return torch.from_numpy(np.array(array, dtype=np.float32)).to(self.ldae.device)

    def autoencode(self, x: np.ndarray, ids: list[str]) -> np.ndarray:
        """Decoded latent of each scan: what is left of it before any diffusion."""
        return self._over_volumes(self.ldae.autoencode, x, *self._noise(ids))

    def encode_latent(self, x: np.ndarray, ids: list[str]) -> np.ndarray:
        """Volumes -> scaled z_0 (N, C, x, y, z): posterior means, or frozen samples (``method.posterior``)."""
        return self._over_volumes(self.ldae.encode_latent, x, *self._noise(ids))

    def encode_mean(self, x: np.ndarray) -> np.ndarray:
        """Volumes -> scaled posterior means, whatever ``method.posterior`` says."""
        return self._over_volumes(self.ldae.encode_latent, x)

    def _noise(self, ids: list[str]) -> list[np.ndarray]:
        """Noise of the frozen samples, where latents are those."""
        noise = self.ldae.posterior_noise(ids)
        return [] if noise is None else [noise.numpy()]

    def decode_latent(self, z: np.ndarray) -> np.ndarray:
        """Scaled latents (N, C, x, y, z) -> volumes, not clipped."""
        return self._over_volumes(self.ldae.decode_latent, z)

    def encode_semantic(self, x: np.ndarray) -> np.ndarray:
        """Volumes in [0, 1] -> y_sem (N, dimension)."""
        return self._over_volumes(self.ldae.encode_semantic, x)

    def invert(self, z: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        """Scaled latents -> x_T, by DDIM inversion (or the solver's) with their semantic codes, or without (None)."""
        if y is None:
            return self._over_latents(lambda latents: self.ldae.invert(latents, None), z)
        return self._over_latents(self.ldae.invert, z, y)

    def generate(self, x_T: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        """Volumes sampled from ``x_T`` with the semantic codes ``y``, or by the unconditional model (None)."""
        return self.decode_latent(self.sample(x_T, y))

    def sample(self, x_T: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        """x_T -> scaled latents, with the semantic codes ``y``, or by the unconditional model (None)."""
        if y is None:
            return self._over_latents(lambda noise: self.ldae.sample(noise, None), x_T)
        return self._over_latents(self.ldae.sample, x_T, y)

    def noise(self, ids: list[str], seed: int) -> np.ndarray:
        """Standard normal x_T, fixed by (seed, id)."""
        return self.ldae.noise(ids, seed).float().cpu().numpy()


class DaeDecoder:
    """The trained baseline, ``volumes`` scans at a time; numpy in, numpy out, volumes (N, 1, x, y, z) on its own grid.

    Predicted volumes are held in their known range while decoding noise, as at the baseline's own validation. An
    encoded x_T is decoded without that: only so decoding undoes the inversion.

    Attributes:
        shape: its own grid, voxels.
        factor: its voxels are this many of ours a side.
    """

    def __init__(
        self,
        baseline: Loaded[DiffusionAutoencoder],
        sampling: config.Sampling,
        volumes: int,
        device: torch.device,
        arithmetic: config.Arithmetic = PLAIN,
    ):
        settings = config.Dae.model_validate(baseline.description["settings"])
        self.network, self.arithmetic = placed(baseline.network, arithmetic, device), arithmetic
        self.sampling, self.volumes, self.device = sampling, volumes, device
        self.shape, self.factor, self.dimension = tuple(settings.shape), settings.factor, settings.dimension
        self.schedule = Schedule(settings.timesteps, settings.beta_start, settings.beta_end)

    @classmethod
    def load(
        cls,
        folder: Path,
        store: Store,
        sampling: config.Sampling,
        volumes: int,
        arithmetic: config.Arithmetic = PLAIN,
    ) -> "DaeDecoder":
        """From its model folder.

        Args:
            store: ``store/volumes_dae``.

        Raises:
            UserError: it was trained on volumes of another grid.
        """
        baseline = load_dae(folder)
        require_grid(folder, baseline.description, store)
        return cls(baseline, sampling, volumes, pick_device(), arithmetic)

    def with_sampling(self, sampling: config.Sampling) -> "DaeDecoder":
        """The same network with another solver or number of steps."""
        other = object.__new__(DaeDecoder)
        other.__dict__.update(self.__dict__, sampling=sampling)
        return other

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Volumes in [0, 1] -> y (N, dimension)."""
        return self._run(called(self.network.encode, self.arithmetic, self.device), x)

    def invert(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Volumes in [0, 1] with their y -> x_T (N, 1, x, y, z)."""
        walk = self._sampler.encode
        centred = self.network.centred
        return self._run(lambda v, c: walk(self._model(c), centred(v), self._grid(), self.schedule), x, y)

    def generate(self, x_T: np.ndarray, y: np.ndarray, encoded: bool) -> np.ndarray:
        """Volumes in [0, 1] sampled from x_T and y.

        Args:
            encoded: ``x_T`` is an inverted scan, and no noise.
        """
        walk = self._sampler.decode
        clamp = None if encoded else 1.0
        return self._run(lambda v, c: reconstruct(walk(self._model(c), v, self._grid(), self.schedule, clamp)), x_T, y)

    def noise(self, ids: Sequence[str], seed: int) -> np.ndarray:
        """Standard normal x_T, fixed by (seed, id)."""
        return torch.stack([normal((1, *self.shape), seed, "x_T of the DAE", name) for name in ids]).numpy()

    def upsampled(self, volumes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Volumes of the small box on the grid they were made from (N, 1, X, Y, Z), trilinear, 0 outside the box.

        The centre of a block of averaged voxels is the centre of its voxel on the small grid.
        """
        coarse = [size // self.factor for size in shape]
        corner = [(large - small) // 2 * self.factor for large, small in zip(coarse, self.shape, strict=True)]
        fine = np.zeros((*volumes.shape[:2], *shape), dtype=np.float32)
        x, y, z = (slice(first, first + size * self.factor) for first, size in zip(corner, self.shape, strict=True))
        given = torch.from_numpy(np.ascontiguousarray(volumes, dtype=np.float32))
        if self.factor > 1:
            given = F.interpolate(given, scale_factor=self.factor, mode="trilinear", align_corners=False)
        fine[:, :, x, y, z] = given.numpy()
        return fine

    def _model(self, y: Tensor) -> Denoiser:
        return called(denoiser(self.network, y), self.arithmetic, self.device)

    @property
    def _sampler(self) -> Sampler:
        return SAMPLERS[self.sampling.solver]

    def _grid(self) -> list[int]:
        return self._sampler.grid(self.sampling.steps, self.schedule)

    def _run(self, function: Callable[..., Tensor], *arrays: np.ndarray) -> np.ndarray:
        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.array(array, dtype=np.float32)).to(self.device)

        return _run(function, arrays, self.volumes, tensor)


@torch.no_grad()
def _run(
    function: Callable[..., Tensor],
    arrays: Sequence[np.ndarray],
    size: int,
    tensor: Callable[[np.ndarray], Tensor],
) -> np.ndarray:
    """``function`` of the arrays, ``size`` of their rows at a time."""
    parts = []
    for rows in batches(np.arange(len(arrays[0])), size):
        parts.append(function(*(tensor(array[rows]) for array in arrays)).float().cpu().numpy())
    return np.concatenate(parts)
