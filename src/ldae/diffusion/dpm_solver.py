"""DPM-Solver++(2M) (Lu 2022, algorithm 2) on a log-sigma grid, both ways.

Works on x / sqrt(a_t), whose noise level is sigma_t = sqrt((1 - a_t) / a_t): in these variables the probability-flow
ODE has an exact linear part, and the second-order term reuses the last step's predicted z_0.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ldae.diffusion.ddim import Denoiser
from ldae.diffusion.schedule import Schedule


def log_sigma_grid(steps: int, schedule: Schedule) -> list[int]:
    """Ascending integer timesteps, about evenly spaced in log sigma, from 0 to the last; steps + 1 of them at most.

    Timesteps are integers because the network has seen no others; neighbours that fall together are merged.
    """
    log_sigma = np.log(schedule.sigma)
    wanted = np.linspace(log_sigma[0], log_sigma[-1], steps + 1)
    return sorted({int(np.abs(log_sigma - value).argmin()) for value in wanted})


def dpmpp_2m_decode(
    model: Denoiser, x: Tensor, grid: list[int], schedule: Schedule, clamp: float | None = None
) -> Tensor:
    """x_T at the last timestep of the grid -> z at its first; len(grid) - 1 network calls."""
    return _walk(model, x, grid[::-1], schedule, clamp)


def dpmpp_2m_encode(
    model: Denoiser, z: Tensor, grid: list[int], schedule: Schedule, clamp: float | None = None
) -> Tensor:
    """Inversion: z at the grid's first timestep -> x_T at its last."""
    return _walk(model, z, grid, schedule, clamp)


def _walk(model: Denoiser, x: Tensor, path: list[int], schedule: Schedule, clamp: float | None) -> Tensor:
    signal, sigma = np.sqrt(schedule.alpha_bar).tolist(), schedule.sigma.tolist()
    times = torch.tensor(path, device=x.device)
    scaled, previous, last_step = x / signal[path[0]], None, 0.0
    for i, (now, following) in enumerate(pairwise(path)):
        eps = model(scaled * signal[now], times[i].expand(len(x)))
        z0 = scaled - sigma[now] * eps
        if clamp is not None:
            z0 = z0.clamp(-clamp, clamp)
        step = math.log(sigma[now] / sigma[following])
        estimate = z0
        if previous is not None:
            ratio = last_step / step
            estimate = z0 + (z0 - previous) / (2 * ratio)
        decay = sigma[following] / sigma[now]
        scaled = decay * scaled + (1 - decay) * estimate
        previous, last_step = z0, step
    return scaled * signal[path[-1]]
