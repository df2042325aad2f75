"""Building blocks of the latent UNet: time embedding, residual blocks with adaptive group norm, self-attention."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldae.config import Compute
from ldae.networks.rewrites import Scale, activation, recomputed_layer, transposed_kernel, upsampled_convolution

Resampling = Literal["none", "down", "up"]
FACTORS = {"isotropic": (2, 2, 2), "in_plane": (1, 2, 2)}
PLAIN = Compute.plain()


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Sinusoidal embedding [cos | sin] of integer timesteps (B,) -> (B, width); frequencies 10000^(-i / (width/2))."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / half * torch.arange(half, device=t.device, dtype=torch.float32))
    angles = t.to(torch.float32)[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer with all its parameters set to zero: a residual branch that starts as nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def resample(x: Tensor, how: Resampling, factors: tuple[int, int, int]) -> Tensor:
    """Average pooling down, nearest neighbour up."""
    if how == "down":
        return F.avg_pool3d(x, factors)
    if how == "up":
        return F.interpolate(x, scale_factor=tuple(float(f) for f in factors), mode="nearest")
    return x


class AdaptiveScale(nn.Module):
    """(s, b) per channel from an embedding, for x -> (1 + s) x + b (AdaGN; Dhariwal and Nichol 2021)."""

    def __init__(self, embedding_width: int, channels: int):
        super().__init__()
        self.linear = nn.Linear(embedding_width, 2 * channels)

    def forward(self, embedding: Tensor) -> Scale:
        """(B, width) -> s and b, each (B, channels, 1, 1, 1)."""
        scale, shift = self.linear(F.silu(embedding))[..., None, None, None].chunk(2, dim=1)
        return scale, shift


class ResBlock(nn.Module):
    """Residual block, conditioned on time and, in the shift branch, on y_sem.

    h = conv(SiLU(GN(x))); h = (1 + s_y) [ (1 + s_t) GN(h) + b_t ] + b_y; out = skip(x) + conv_0(dropout(SiLU(h))),
    where conv_0 starts at zero (PDAE, Zhang 2022, eq. 9). Resampling, if any, happens inside, before the first
    convolution and on the skip path.

    Args:
        embedding_width: of both embeddings.
        semantic: whether the block takes the embedded y_sem.
        factors: resampling factors of the three axes.
        compute: which rewrites are used.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        embedding_width: int,
        groups: int,
        dropout: float,
        semantic: bool = False,
        resampling: Resampling = "none",
        factors: tuple[int, int, int] = (2, 2, 2),
        compute: Compute = PLAIN,
    ):
        super().__init__()
        self.resampling, self.factors, self.transposed = resampling, factors, compute.transposed_upsampling
        self.activate = activation(compute)
        self.register_buffer("kernel", None, persistent=False)
        self.norm_in = nn.GroupNorm(groups, channels)
        self.conv_in = nn.Conv3d(channels, out_channels, 3, padding=1)
        self.norm_out = nn.GroupNorm(groups, out_channels)
        self.time_scale = AdaptiveScale(embedding_width, out_channels)
        self.semantic_scale = AdaptiveScale(embedding_width, out_channels) if semantic else None
        self.dropout = nn.Dropout(dropout)
        self.conv_out = zeroed(nn.Conv3d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if channels == out_channels else nn.Conv3d(channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor, semantic: Tensor | None = None) -> Tensor:
        """x (B, C, x, y, z), embeddings of time and of y_sem (B, width) -> (B, C', x', y', z') by the resampling."""
        h = self._enter(self.activate(self.norm_in, x))
        scales = [self.time_scale(time)]
        if self.semantic_scale is not None:
            scales.append(self.semantic_scale(semantic))
        h = self.conv_out(self.dropout(self.activate(self.norm_out, h, scales)))
        return self.skip(resample(x, self.resampling, self.factors)) + h

    def _enter(self, h: Tensor) -> Tensor:
        """Resampling and the first convolution."""
        if self.resampling == "up" and self.transposed:
            if self.kernel is not None:
                return F.conv_transpose3d(h, self.kernel, self.conv_in.bias, stride=self.factors, padding=1)
            return upsampled_convolution(h, self.conv_in.weight, self.conv_in.bias, self.factors)
        return self.conv_in(resample(h, self.resampling, self.factors))

    def freeze(self, kind: torch.dtype) -> None:
        """Sum the taps of the transposed convolution now, in full precision, and store them as ``kind``; the weights
        must not change any more.
        """
        if self.resampling == "up" and self.transposed:
            self.kernel = transposed_kernel(self.conv_in.weight.detach(), self.factors).to(kind).contiguous()


class SelfAttention(nn.Module):
    """Residual self-attention over all positions, one head as wide as the features; its projection starts at zero."""

    def __init__(self, channels: int, groups: int, compute: Compute = PLAIN):
        super().__init__()
        self.activate = activation(compute)
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.projection = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, x, y, z), same shape out."""
        q, k, v = (
            self.qkv(self.activate(self.norm, x, silu=False).flatten(2)).transpose(1, 2).unsqueeze(1).chunk(3, dim=-1)
        )
        attended = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2)
        return x + self.projection(attended).view_as(x)


class Layer(nn.Module):
    """A residual block and, at the attention levels, self-attention after it.

    Attributes:
        checkpointed: it is computed again in the backward pass, which needs its input alone.
    """

    checkpointed = False

    def __init__(self, block: ResBlock, attention: SelfAttention | None = None):
        super().__init__()
        self.block = block
        self.attention = attention

    def forward(self, x: Tensor, time: Tensor, semantic: Tensor | None = None) -> Tensor:
        """As of :class:`ResBlock`."""
        if self.checkpointed and torch.is_grad_enabled():
            return recomputed_layer(self._computed, x, time, semantic)
        return self._computed(x, time, semantic)

    def _computed(self, x: Tensor, time: Tensor, semantic: Tensor | None) -> Tensor:
        x = self.block(x, time, semantic)
        return x if self.attention is None else self.attention(x)
