"""The noise schedule of all diffusion stages: linear betas, and the shift coefficient and loss weight of PDAE.

Notation: a_t = prod (1 - beta), z_t = sqrt(a_t) z_0 + sqrt(1 - a_t) eps, SNR_t = a_t / (1 - a_t).
"""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ldae import config


class Schedule:
    """Tables over t = 0 ... timesteps - 1, float64.

    Attributes:
        alpha_bar: a_t.
        snr: a_t / (1 - a_t).
        shift: k_t = sqrt(1 - beta_t) (1 - a_{t-1}) / sqrt(1 - a_t) with a_{-1} = 1, so that the conditional noise is
            eps - k_t G (Zhang 2022, PDAE, eq. 8-9). k_0 = 0; close to sqrt(1 - a_t) for all but the smallest t.
    """

    def __init__(self, timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02):
        self.timesteps = timesteps
        self.beta = np.linspace(beta_start, beta_end, timesteps, dtype=np.float64)
        self.alpha_bar = np.cumprod(1 - self.beta)
        self.snr = self.alpha_bar / (1 - self.alpha_bar)
        previous = np.concatenate([[1.0], self.alpha_bar[:-1]])
        self.shift = np.sqrt(1 - self.beta) * (1 - previous) / np.sqrt(1 - self.alpha_bar)

    @classmethod
    def of(cls, settings: config.Diffusion) -> "Schedule":
        """That of the ``diffusion`` section."""
        return cls(settings.timesteps, settings.beta_start, settings.beta_end)

    @cached_property
    def sigma(self) -> np.ndarray:
        """sqrt(1 - a_t) / sqrt(a_t): the noise level of z_t / sqrt(a_t)."""
        return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    def loss_weight(self, gamma: float) -> np.ndarray:
        """PDAE's weight of a timestep: SNR^gamma / (1 + SNR) (Zhang 2022, eq. 10)."""
        return self.snr**gamma / (1 + self.snr)

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t for latents (B, ...), standard normal noise of that shape, and timesteps (B,)."""
        return gather(np.sqrt(self.alpha_bar), t, z) * z + gather(np.sqrt(1 - self.alpha_bar), t, z) * noise


def gather(table: np.ndarray | Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Entries of a table at timesteps (B,), shaped (B, 1, ...) to multiply ``like``."""
    values = torch.as_tensor(table, dtype=like.dtype, device=like.device)[t]
    return values.view(-1, *[1] * (like.ndim - 1))
