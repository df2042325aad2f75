"""Stage 2 network: the unconditional UNet over latents (paper 4.2, Table 3; the ADM layout in three dimensions).

It may start from a Gaussian: what each latent voxel's mean and variance alone tell about the noise. If the voxels of
z_0 were independent Gaussians N(m, s^2), then with v_t = a_t s^2 + 1 - a_t the best prediction would be
eps = sqrt(1 - a_t) (z_t - sqrt(a_t) m) / v_t, and its error would have variance a_t s^2 / v_t. A network that adds to
this prediction, on that error's scale, has only the rest to learn (the preconditioning of Karras 2022, per voxel, for
noise prediction). Small trainings need it: most of a registered brain's latent is the mean brain.
"""

import torch
from torch import Tensor, nn

from ldae import config
from ldae.networks.blocks import FACTORS, Layer, Resampling, ResBlock, SelfAttention, timestep_embedding, zeroed
from ldae.networks.rewrites import activation


class GaussianPrior(nn.Module):
    """Mean and variance of every latent voxel over the training scans, and what follows from them.

    Args:
        alpha_bar: a_t, (timesteps,).
        mean: (C, x, y, z), of scaled latents.
        variance: same shape.
    """

    alpha_bar: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, alpha_bar: Tensor, mean: Tensor, variance: Tensor):
        super().__init__()
        self.register_buffer("alpha_bar", alpha_bar.float())
        self.register_buffer("mean", mean.float())
        self.register_buffer("variance", variance.float())

    @classmethod
    def empty(cls, timesteps: int, shape: tuple[int, ...]) -> "GaussianPrior":
        """One to load saved values into."""
        return cls(torch.ones(timesteps), torch.zeros(shape), torch.ones(shape))

    def whiten(self, z: Tensor, t: Tensor) -> Tensor:
        """z_t in units of its own standard deviation about its own mean: the input of the network."""
        a = self._at(t)
        return (z - a.sqrt() * self.mean) / self._total(a).sqrt()

    def noise(self, z: Tensor, t: Tensor) -> Tensor:
        """The prior's prediction of the noise in z_t."""
        a = self._at(t)
        return (1 - a).sqrt() * (z - a.sqrt() * self.mean) / self._total(a)

    def error(self, t: Tensor) -> Tensor:
        """Standard deviation of that prediction's error, (B, C, x, y, z)."""
        a = self._at(t)
        return (a * self.variance / self._total(a)).sqrt()

    def response(self, t: Tensor) -> Tensor:
        """What a mean that lies one standard deviation higher adds to G, (B, C, x, y, z): s sqrt(a_t) / v_t.

        It is the derivative of the predicted noise by the mean, over -sqrt(1 - a_t), which the guidance multiplies by.
        """
        a = self._at(t)
        return (a * self.variance).sqrt() / self._total(a)

    def _at(self, t: Tensor) -> Tensor:
        return self.alpha_bar[t].view(-1, 1, 1, 1, 1)

    def _total(self, a: Tensor) -> Tensor:
        return a * self.variance + 1 - a


def embedding_width(settings: config.Diffusion | config.Dae) -> int:
    """Width of the time embedding and of the embedded y_sem."""
    return 4 * settings.channels


class LayerFactory:
    """Makes the layers of one path, all with the settings of the ``diffusion`` section."""

    def __init__(self, settings: config.Diffusion | config.Dae, semantic: bool):
        self.settings, self.semantic = settings, semantic
        self.factors = FACTORS[settings.resample]

    def block(self, channels: int, out_channels: int, resampling: Resampling = "none") -> ResBlock:
        """A residual block of ``channels`` -> ``out_channels``."""
        return ResBlock(
            channels,
            out_channels,
            embedding_width(self.settings),
            self.settings.norm_groups,
            self.settings.dropout,
            self.semantic,
            resampling,
            self.factors,
            self.settings.training.compute,
        )

    def attention(self, channels: int) -> SelfAttention:
        """Self-attention over ``channels`` channels."""
        return SelfAttention(channels, self.settings.norm_groups, self.settings.training.compute)

    def layer(self, channels: int, out_channels: int, factor: int, resampling: Resampling = "none") -> Layer:
        """A layer of the level that is down-sampled by ``factor``; resampling layers carry no attention."""
        attends = resampling == "none" and factor in self.settings.attention_factors
        attention = self.attention(out_channels) if attends else None
        return Layer(self.block(channels, out_channels, resampling), attention)


class DownPath(nn.Module):
    """First convolution and the down-sampling layers; returns the features of every layer.

    Args:
        semantic: whether every residual block is conditioned on an embedded code (the voxel-space baseline).
    """

    def __init__(self, settings: config.Diffusion | config.Dae, latent_channels: int, semantic: bool = False):
        super().__init__()
        make = LayerFactory(settings, semantic)
        width = settings.channels
        self.conv_in = nn.Conv3d(latent_channels, width, 3, padding=1)
        self.layers = nn.ModuleList()
        self.widths = [width]
        for level, multiplier in enumerate(settings.multipliers):
            for _ in range(settings.res_blocks):
                self.layers.append(make.layer(width, multiplier * settings.channels, 2**level))
                width = multiplier * settings.channels
                self.widths.append(width)
            if level < len(settings.multipliers) - 1:
                self.layers.append(make.layer(width, width, 2**level, "down"))
                self.widths.append(width)

    def forward(self, x: Tensor, time: Tensor, semantic: Tensor | None = None) -> list[Tensor]:
        """x (B, C, x, y, z), embeddings (B, width) -> the features of every layer, finest first."""
        features = [self.conv_in(x)]
        for layer in self.layers:
            features.append(layer(features[-1], time, semantic))
        return features


class UpPath(nn.Module):
    """Middle, up-sampling layers fed with the down path's features, and the output convolution, which starts at zero.

    Args:
        widths: channels of the down path's features, in its order.
        semantic: whether every residual block is conditioned on the embedded y_sem (the shift branch).
    """

    def __init__(
        self, settings: config.Diffusion | config.Dae, latent_channels: int, widths: list[int], semantic: bool = False
    ):
        super().__init__()
        make = LayerFactory(settings, semantic)
        widths = list(widths)
        width = widths[-1]
        self.middle = nn.ModuleList(
            [Layer(make.block(width, width), make.attention(width)), Layer(make.block(width, width))]
        )
        self.layers = nn.ModuleList()
        self.takes_skip = []
        for level, multiplier in reversed(list(enumerate(settings.multipliers))):
            for _ in range(settings.res_blocks + 1):
                self.layers.append(make.layer(width + widths.pop(), multiplier * settings.channels, 2**level))
                self.takes_skip.append(True)
                width = multiplier * settings.channels
            if level:
                self.layers.append(make.layer(width, width, 2**level, "up"))
                self.takes_skip.append(False)
        self.activate = activation(settings.training.compute)
        self.norm_out = nn.GroupNorm(settings.norm_groups, width)
        self.conv_out = zeroed(nn.Conv3d(width, latent_channels, 3, padding=1))

    def forward(self, features: list[Tensor], time: Tensor, semantic: Tensor | None = None) -> Tensor:
        """The down path's features and embeddings (B, width) -> (B, C, x, y, z); ``features`` stays as it was."""
        skips = list(features)
        h = features[-1]
        for layer in self.middle:
            h = layer(h, time, semantic)
        for layer, takes_skip in zip(self.layers, self.takes_skip, strict=True):
            h = layer(torch.cat([h, skips.pop()], dim=1) if takes_skip else h, time, semantic)
        return self.conv_out(self.activate(self.norm_out, h))


class UNet(nn.Module):
    """Predicts the noise in z_t.

    Args:
        settings: the ``diffusion`` section.
        latent_channels: channels of a latent.
        prior: predicts first, and the network adds to it; none: the network predicts alone, as in the paper.
    """

    time_table: Tensor | None

    def __init__(self, settings: config.Diffusion, latent_channels: int, prior: GaussianPrior | None = None):
        super().__init__()
        self.prior = prior
        self.channels = settings.channels
        width = embedding_width(settings)
        self.time_embedding = nn.Sequential(nn.Linear(settings.channels, width), nn.SiLU(), nn.Linear(width, width))
        self.down = DownPath(settings, latent_channels)
        self.up = UpPath(settings, latent_channels, self.down.widths)
        table = None
        if settings.training.compute.time_table:
            table = timestep_embedding(torch.arange(settings.timesteps), settings.channels)
        self.register_buffer("time_table", table, persistent=False)

    def features(self, z: Tensor, t: Tensor) -> tuple[list[Tensor], Tensor]:
        """The down path's features and the time embedding of z_t (B, C, x, y, z) at timesteps t (B,)."""
        sinusoids = timestep_embedding(t, self.channels) if self.time_table is None else self.time_table[t]
        kind = self.down.conv_in.weight.dtype  # bf16 in a halved trunk
        time = self.time_embedding(sinusoids.to(kind))
        return self.down((z if self.prior is None else self.prior.whiten(z, t)).to(kind), time), time

    def noise(self, features: list[Tensor], time: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """The predicted noise from the features of z_t."""
        eps = self.up(features, time)
        return eps if self.prior is None else self.prior.noise(z, t) + self.prior.error(t) * eps

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        """The predicted noise in z_t (B, C, x, y, z) at timesteps t (B,), shaped like z_t."""
        return self.noise(*self.features(z, t), z, t)

    def halve(self) -> "UNet":
        """Store the weights in bf16, for a frozen network under bf16 autocast: no cast, half the memory.

        The bits are those of autocast: norms, which it computes in float32, keep their weights in float32, and so do
        the prior's tables.
        """
        for part in (self.time_embedding, self.down, self.up):
            for module in part.modules():
                if isinstance(module, ResBlock):
                    module.freeze(torch.bfloat16)
                elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv3d):
                    module.to(torch.bfloat16)
        return self
