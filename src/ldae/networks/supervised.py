"""The supervised baselines: the semantic encoder with a linear head (paper Table 7)."""

from typing import Literal

import torch
from torch import Tensor, nn

from ldae import config
from ldae.networks.semantic_encoder import SemanticEncoder, build_semantic_encoder

Target = Literal["ad", "age"]


class SupervisedEncoder(nn.Module):
    """Volumes -> the logit of AD against CN, or age in years.

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
        return self.predict(self.features(x))


def build_supervised(settings: config.Representation, mean: float = 0.0, std: float = 1.0) -> SupervisedEncoder:
    """The encoder of the ``representation`` section, randomly initialised, with a head."""
    return SupervisedEncoder(build_semantic_encoder(settings), settings.dimension, mean, std)
