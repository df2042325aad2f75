"""Numpy in, numpy out: the networks run over any number of scans in batches of a fixed size."""

import numpy as np
import torch
from torch import Tensor

from ldae.core.batches import batches
from ldae.inference.pipeline import LDAE


class Decoder:
    """The trained chain, batch by batch: from codes to volumes.

    Every method takes and returns float32 arrays with the scans on the first axis; volumes are (N, 1, X, Y, Z).
    """

    def __init__(self, ldae: LDAE, batch: int):
        self.ldae, self.batch = ldae, batch

    def _run(self, function, *arrays: np.ndarray) -> np.ndarray:
        parts = []
        with torch.no_grad():
            for rows in batches(np.arange(len(arrays[0])), self.batch):
                parts.append(function(*(self.tensor(array[rows]) for array in arrays)).float().cpu().numpy())
        return np.concatenate(parts)

    def tensor(self, array: np.ndarray) -> Tensor:
        """A copy on the networks' device."""
        return torch.from_numpy(np.array(array, dtype=np.float32)).to(self.ldae.device)

    def autoencode(self, x: np.ndarray, ids: list[str]) -> np.ndarray:
        """Decoded latent of each scan: the ceiling of every method that decodes latents."""
        return self._run(self.ldae.autoencode, x, *self._noise(ids))

    def encode_latent(self, x: np.ndarray, ids: list[str]) -> np.ndarray:
        return self._run(self.ldae.encode_latent, x, *self._noise(ids))

    def encode_mean(self, x: np.ndarray) -> np.ndarray:
        """Volumes -> scaled posterior means, whatever ``method.posterior`` says."""
        return self._run(self.ldae.encode_latent, x)

    def _noise(self, ids: list[str]) -> list[np.ndarray]:
        """Noise of the frozen samples, where latents are those."""
        noise = self.ldae.posterior_noise(ids)
        return [] if noise is None else [noise.numpy()]

    def decode_latent(self, z: np.ndarray) -> np.ndarray:
        return self._run(self.ldae.decode_latent, z)

    def encode_semantic(self, x: np.ndarray) -> np.ndarray:
        return self._run(self.ldae.encode_semantic, x)

    def invert(self, z: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        """Scaled latents -> x_T, by DDIM inversion (or the solver's) with their semantic codes, or without (None)."""
        if y is None:
            return self._run(lambda latents: self.ldae.invert(latents, None), z)
        return self._run(self.ldae.invert, z, y)

    def generate(self, x_T: np.ndarray, y: np.ndarray | None) -> np.ndarray:
        """Volumes sampled from ``x_T`` with the semantic codes ``y``, or by the unconditional model (None)."""
        if y is None:
            return self._run(lambda noise: self.ldae.decode_latent(self.ldae.sample(noise, None)), x_T)
        return self._run(lambda noise, code: self.ldae.decode_latent(self.ldae.sample(noise, code)), x_T, y)

    def noise(self, ids: list[str], seed: int) -> np.ndarray:
        """Standard normal x_T, fixed by (seed, id)."""
        return self.ldae.noise(ids, seed).float().cpu().numpy()
