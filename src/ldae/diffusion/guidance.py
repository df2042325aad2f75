"""The conditional noise prediction from the frozen trunk and the gradient estimator: eps_hat = eps - k_t G."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ldae.diffusion.ddim import Denoiser
from ldae.diffusion.schedule import Schedule, gather


def sampling_coefficient(schedule: Schedule, kind: Literal["sqrt", "training"]) -> np.ndarray:
    """k_t while sampling: sqrt(1 - a_t), as PDAE's DDIM has it, or the coefficient of training.

    They differ only at small t (training k_0 is 0, k_10 is 0.86 of the other).
    """
    return np.sqrt(1 - schedule.alpha_bar) if kind == "sqrt" else schedule.shift


def guided(
    estimator: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]], y: Tensor, coefficient: np.ndarray
) -> Denoiser:
    """The denoiser conditioned on y_sem (B, dimension)."""
    exact = torch.promote_types(y.dtype, torch.float32)  # y_sem is bf16 under autocast
    table = torch.as_tensor(coefficient, dtype=exact, device=y.device)  # once, not at every step

    def model(x: Tensor, t: Tensor) -> Tensor:
        eps, shift = estimator(x, t, y)
        return eps - gather(table, t, x) * shift

    return model
