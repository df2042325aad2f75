"""Deterministic DDIM (Song 2021) both ways, on the paper's grid; and its denoiser conditioned on y_sem.

A sampler takes ``model(x, t) -> eps_hat`` (x (B, ...), t (B,) int64), latents and a grid of ascending timesteps.
Coefficients are Python floats computed before the loop, so nothing in the loop waits for the device.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ldae.diffusion.schedule import Schedule, gather

Denoiser = Callable[[Tensor, Tensor], Tensor]


def ddim_grid(steps: int, timesteps: int = 1000) -> list[int]:
    """steps + 1 timesteps from 0 to timesteps - 1: int(linspace), as the paper's code spaces them."""
    return sorted({int(t) for t in np.linspace(0, timesteps - 1, steps + 1)})


def ddim_decode(model: Denoiser, x: Tensor, grid: list[int], schedule: Schedule, clamp: float | None = None) -> Tensor:
    """x_T at the last timestep of the grid -> z at its first; len(grid) - 1 network calls."""
    return _walk(model, x, grid[::-1], schedule, clamp)


def ddim_encode(model: Denoiser, z: Tensor, grid: list[int], schedule: Schedule, clamp: float | None = None) -> Tensor:
    """Inversion: z (taken as the state at the grid's first timestep) -> x_T; len(grid) - 1 network calls."""
    return _walk(model, z, grid, schedule, clamp)


def _walk(model: Denoiser, x: Tensor, path: list[int], schedule: Schedule, clamp: float | None) -> Tensor:
    """One DDIM step per pair of neighbours: x <- sqrt(a') z0_hat + sqrt(1 - a') eps.

    With ``clamp`` the predicted z_0 is held in [-clamp, clamp] and eps is derived again from it (PDAE's pixel-space
    habit; it distorts latents, which are not bounded).
    """
    signal, noise = np.sqrt(schedule.alpha_bar).tolist(), np.sqrt(1 - schedule.alpha_bar).tolist()
    times = torch.tensor(path, device=x.device)
    for i, (now, following) in enumerate(pairwise(path)):
        eps = model(x, times[i].expand(len(x)))
        z0 = (x - noise[now] * eps) / signal[now]
        if clamp is not None:
            z0 = z0.clamp(-clamp, clamp)
            eps = (x - signal[now] * z0) / noise[now]
        x = signal[following] * z0 + noise[following] * eps
    return x


def sampling_coefficient(schedule: Schedule, kind: Literal["sqrt", "training"]) -> np.ndarray:
    """k_t while sampling: sqrt(1 - a_t), as PDAE's DDIM has it, or the coefficient of training.

    They differ only at small t (training k_0 is 0, k_10 is 0.86 of the other).
    """
    return np.sqrt(1 - schedule.alpha_bar) if kind == "sqrt" else schedule.shift


def guided(
    estimator: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]], y: Tensor, coefficient: np.ndarray
) -> Denoiser:
    """The denoiser conditioned on y_sem (B, dimension), of frozen trunk and estimator: eps_hat = eps - k_t G."""
    exact = torch.promote_types(y.dtype, torch.float32)  # y_sem is bf16 under autocast
    table = torch.as_tensor(coefficient, dtype=exact, device=y.device)  # once, not at every step

    def model(x: Tensor, t: Tensor) -> Tensor:
        eps, shift = estimator(x, t, y)
        return eps - gather(table, t, x) * shift

    return model
