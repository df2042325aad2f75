"""Stage 3 network: a 2-D backbone over axial slices and attention over them (paper 4.3): volume -> y_sem.

With a linear head on it, it is the supervised baselines of paper Table 7.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ldae import config
from ldae.networks.rewrites import turned

Target = Literal["ad", "age"]


def sinusoidal_positions(length: int, width: int, device: torch.device) -> Tensor:
    """Fixed positional encoding (length, width), sines and cosines interleaved (Vaswani 2017)."""
    position = torch.arange(length, device=device, dtype=torch.float32)[:, None]
    frequency = torch.exp(torch.arange(0, width, 2, device=device, dtype=torch.float32) * (-math.log(10000.0) / width))
    encoding = torch.zeros(length, width, device=device)
    encoding[:, 0::2] = torch.sin(position * frequency)
    encoding[:, 1::2] = torch.cos(position * frequency)[:, : width // 2]
    return encoding


class SlicePooling(nn.Module):
    """One vector from a sequence of slice features.

    A learned soft-attention average of the slices asks (as the query) a multi-head cross-attention over the same
    slices; a LayerNorm ends it.
    """

    def __init__(self, dimension: int, heads: int, dropout: float):
        super().__init__()
        self.score = nn.Linear(dimension, 1)
        self.query, self.key, self.value = (nn.Linear(dimension, dimension) for _ in range(3))
        self.attention = nn.MultiheadAttention(dimension, heads, dropout=dropout, batch_first=True)
        self.norm = nn.LayerNorm(dimension)

    def forward(self, slices: Tensor) -> Tensor:
        """(B, slices, dimension) -> (B, dimension)."""
        weights = self.score(slices).softmax(dim=1)
        average = (weights * slices).sum(dim=1, keepdim=True)
        keys, values = self.key(slices), self.value(slices)
        attended, _ = self.attention(self.query(average), keys, values, need_weights=False)
        return self.norm(attended.squeeze(1))


class SemanticEncoder(nn.Module):
    """y_sem of a volume.

    Every ``slice_step``-th axial slice goes through the backbone; its pooled features get a positional encoding and
    are pooled over slices. A backbone that is not ``dimension`` wide is followed by a projection.

    At a random start all scans get nearly the same code, and a short training takes what they share for the signal and
    makes them equal. ``code_norm: batch`` sets every component's spread over the batch to one, so that this way is
    closed; with pretrained features (the paper) it is not needed.

    Args:
        backbone: (N, 1, X, Y) -> (N, width).
        width: of the backbone's features.
        settings: the ``representation`` section.

    Attributes:
        flipped: axes (0, 1, 2) along which its volumes ran against R-A-S in training.
    """

    flipped: tuple[int, ...] = ()

    def __init__(self, backbone: nn.Module, width: int, settings: config.Representation):
        super().__init__()
        self.slice_step = settings.slice_step
        self.backbone: Any = backbone  # timm adds attributes without types
        self.projection = nn.Identity() if width == settings.dimension else nn.Linear(width, settings.dimension)
        self.dropout = nn.Dropout(settings.dropout)
        self.pooling = SlicePooling(settings.dimension, settings.heads, settings.dropout)
        batch = settings.code_norm == "batch"
        self.spread = nn.BatchNorm1d(settings.dimension, affine=False) if batch else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1], axes R-A-S -> y_sem (B, dimension)."""
        slices = turned(x, self.flipped)[:, 0, :, :, :: self.slice_step].permute(0, 3, 1, 2)
        batch, count = slices.shape[:2]
        features = self.projection(self.backbone(slices.reshape(batch * count, 1, *slices.shape[2:])))
        features = features.view(batch, count, -1)
        features = features + sinusoidal_positions(count, features.shape[-1], features.device)
        return self.spread(self.pooling(self.dropout(features)))


def build_semantic_encoder(settings: config.Representation) -> SemanticEncoder:
    """The encoder of the ``representation`` section, randomly initialised."""
    import timm  # seconds of imports, only where a network is built

    backbone: Any = timm.create_model(
        settings.backbone, pretrained=False, in_chans=1, num_classes=0, drop_path_rate=settings.drop_path
    )
    if settings.training.compute.checkpoint_backbone:
        backbone.set_grad_checkpointing()
    return SemanticEncoder(backbone, backbone.num_features, settings)


class SupervisedEncoder(nn.Module):
    """A supervised baseline: volumes -> the logit of AD against CN, or age in years.

    Args:
        mean, std: of the target over the training scans; the head works in these units (0 and 1 for a logit).
    """

    def __init__(self, encoder: SemanticEncoder, dimension: int, mean: float = 0.0, std: float = 1.0):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(dimension, 1)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def features(self, x: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1] -> what the head reads (B, dimension)."""
        return self.encoder(x)

    def predict(self, features: Tensor) -> Tensor:
        """(B, dimension) -> (B,) logits or years."""
        return self.mean + self.std * self.head(features)[:, 0].float()

    def forward(self, x: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1] -> (B,) logits or years."""
        return self.predict(self.features(x))


def build_supervised(settings: config.Representation, mean: float = 0.0, std: float = 1.0) -> SupervisedEncoder:
    """The encoder of the ``representation`` section, randomly initialised, with a head."""
    return SupervisedEncoder(build_semantic_encoder(settings), settings.dimension, mean, std)
