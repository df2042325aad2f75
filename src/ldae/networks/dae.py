"""The voxel-space baseline: a diffusion autoencoder (Preechakul 2022) of down-sampled volumes.

A convolutional encoder gives y; a UNet in voxel space, conditioned on time and on y in every residual block, predicts
the noise. Both are trained together from the start; there is no autoencoder before and no frozen model behind.
The authors published neither code nor widths, only the number of parameters (130 M) and of voxels (112 x 128 x 112).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldae import config
from ldae.networks.blocks import timestep_embedding, zeroed
from ldae.networks.rewrites import activation, recomputed_layer
from ldae.networks.unet import DownPath, UpPath, embedding_width


class PlainBlock(nn.Module):
    """Residual block without conditioning: skip(x) + conv_0(SiLU(GN(conv(SiLU(GN(x)))))); pools its input first."""

    def __init__(self, channels: int, out_channels: int, groups: int, pool: bool, compute: config.Compute):
        super().__init__()
        self.activate = activation(compute)
        self.pool = nn.AvgPool3d(2) if pool else nn.Identity()
        self.norm_in, self.norm_out = nn.GroupNorm(groups, channels), nn.GroupNorm(groups, out_channels)
        self.conv_in = nn.Conv3d(channels, out_channels, 3, padding=1)
        self.conv_out = zeroed(nn.Conv3d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if channels == out_channels else nn.Conv3d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, x, y, z) -> (B, C', x, y, z), halved along each axis where the block pools."""
        x = self.pool(x)
        h = self.conv_in(self.activate(self.norm_in, x))
        return self.skip(x) + self.conv_out(self.activate(self.norm_out, h))


class VolumeEncoder(nn.Module):
    """Volumes (B, 1, X, Y, Z) in [-1, 1] -> y (B, dimension): residual blocks, global average, one linear layer."""

    def __init__(self, settings: config.Dae):
        super().__init__()
        width, blocks = settings.channels, []
        self.conv_in = nn.Conv3d(1, width, 3, padding=1)
        for level, multiplier in enumerate(settings.multipliers):
            for place in range(settings.res_blocks):
                pool = bool(level) and place == 0
                wider, compute = multiplier * settings.channels, settings.training.compute
                blocks.append(PlainBlock(width, wider, settings.norm_groups, pool, compute))
                width = wider
        self.blocks = nn.Sequential(*blocks)
        self.checkpointed = settings.training.compute.checkpoint_backbone
        self.norm = nn.GroupNorm(settings.norm_groups, width)
        self.linear = nn.Linear(width, settings.dimension)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) in [-1, 1] -> (B, dimension)."""
        h = self.conv_in(x)
        for block in self.blocks:
            again = self.checkpointed and torch.is_grad_enabled()
            h = recomputed_layer(block, h) if again else block(h)
        return self.linear(F.silu(self.norm(h)).mean(dim=(2, 3, 4)))


class DiffusionAutoencoder(nn.Module):
    """Encoder and conditional UNet, trained together.

    Volumes are in [0, 1] outside; :meth:`centred` ones in [-1, 1] are what is diffused.
    """

    def __init__(self, settings: config.Dae):
        super().__init__()
        self.channels = settings.channels
        width = embedding_width(settings)
        self.encoder = VolumeEncoder(settings)
        self.time_embedding = nn.Sequential(nn.Linear(settings.channels, width), nn.SiLU(), nn.Linear(width, width))
        self.semantic_embedding = nn.Linear(settings.dimension, width)
        self.down = DownPath(settings, 1, semantic=True)
        self.up = UpPath(settings, 1, self.down.widths, semantic=True)
        for layer in (*self.down.layers, *self.up.middle, *self.up.layers):
            layer.checkpointed = settings.training.compute.checkpoint_backbone

    @staticmethod
    def centred(volumes: Tensor) -> Tensor:
        """[0, 1] -> [-1, 1]."""
        return 2 * volumes - 1

    def encode(self, volumes: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1] -> y (B, dimension)."""
        return self.encoder(self.centred(volumes))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """Noised centred volumes (B, 1, X, Y, Z) at timesteps t (B,), and y -> the predicted noise."""
        time = self.time_embedding(timestep_embedding(t, self.channels))
        semantic = self.semantic_embedding(y)
        return self.up(self.down(x, time, semantic), time, semantic)


def build_dae(settings: config.Dae) -> DiffusionAutoencoder:
    """The network of the ``dae`` section, with PyTorch's default initialisation."""
    return DiffusionAutoencoder(settings)


def denoiser(network: DiffusionAutoencoder, y: Tensor):
    """The network conditioned on y, as a sampler takes it."""

    def model(x: Tensor, t: Tensor) -> Tensor:
        return network(x, t, y).to(x.dtype)

    return model


def reconstruct(sampled: Tensor) -> Tensor:
    """Sampled centred volumes as volumes in [0, 1], clipped."""
    return torch.clamp((sampled + 1) / 2, 0, 1)
