"""Stage 3 network: the frozen UNet and a second, semantic up path on the same features (paper 4.4, Table 4; PDAE).

The estimator G(z_t, t, y_sem) fills the gap between the unconditional and the conditional noise prediction:
eps_hat = eps - k_t G. Its output convolution starts at zero, so training starts exactly at the unconditional model.
"""

import math

import torch
from torch import Tensor, nn

from ldae import config
from ldae.networks.blocks import zeroed
from ldae.networks.unet import UNet, UpPath, embedding_width


class ShiftBranch(nn.Module):
    """The trainable part: an embedding of y_sem and an up path conditioned on time and on y_sem.

    Args:
        prior_shape: (C, x, y, z) of the Gaussian prior of the trunk, if it has one. The prior's mean then moves
            linearly with y_sem (``prior_mean``, zero at first): were z_0 and y_sem jointly Gaussian, that would be the
            whole of the estimator, and a short training finds it first.
    """

    def __init__(
        self,
        settings: config.Diffusion,
        latent_channels: int,
        widths: list[int],
        dimension: int,
        prior_shape: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.semantic_embedding = nn.Linear(dimension, embedding_width(settings))
        self.up = UpPath(settings, latent_channels, widths, semantic=True)
        self.prior_mean: nn.Module | None = None
        if prior_shape is not None:
            self.prior_mean = zeroed(nn.Linear(dimension, math.prod(prior_shape), bias=False))

    def forward(self, features: list[Tensor], time: Tensor, y: Tensor) -> Tensor:
        """G without the prior, shaped like z_t, from the features and time of the trunk and y_sem (B, dimension)."""
        return self.up(features, time, self.semantic_embedding(y))


class GradientEstimator(nn.Module):
    """Frozen trunk and shift branch in one pass.

    Args:
        trunk: the stage-2 UNet; frozen here, always in evaluation mode.
        shift: the shift branch.
    """

    def __init__(self, trunk: UNet, shift: ShiftBranch):
        super().__init__()
        self.trunk = trunk.requires_grad_(False).eval()
        self.shift = shift

    def train(self, mode: bool = True) -> "GradientEstimator":
        """The shift branch alone follows ``mode``: the frozen trunk stays in evaluation mode."""
        super().train(mode)
        self.trunk.eval()  # no dropout in the frozen part
        return self

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """z_t (B, C, x, y, z), t (B,), y_sem (B, dimension) -> (eps, G), both shaped like z_t."""
        with torch.no_grad():
            features, time = self.trunk.features(z, t)
            eps = self.trunk.noise(features, time, z, t)
        shift = self.shift(features, time, y)
        prior = self.trunk.prior
        if prior is not None:
            assert self.shift.prior_mean is not None  # built for this trunk
            shift = prior.error(t) * shift + prior.response(t) * self.shift.prior_mean(y).view_as(shift)
        return eps, shift


def build_shift_branch(settings: config.Diffusion, latent_channels: int, dimension: int, trunk: UNet) -> ShiftBranch:
    """A shift branch that fits ``trunk``; ``dimension`` is the length of y_sem."""
    prior_shape = None if trunk.prior is None else tuple(trunk.prior.mean.shape)
    return ShiftBranch(settings, latent_channels, trunk.down.widths, dimension, prior_shape)
