"""The trained networks of stage 3 together: semantic encoder and the semantic up path (paper 4.3, 4.4)."""

import torch
from torch import nn

from ldae import config
from ldae.core.keyed import key
from ldae.networks.gradient_estimator import ShiftBranch, build_shift_branch
from ldae.networks.semantic_encoder import SemanticEncoder, build_semantic_encoder
from ldae.networks.unet import UNet
from ldae.networks.weights import load_backbone


class Representation(nn.Module):
    """The trained networks of stage 3, without the frozen trunk."""

    def __init__(self, encoder: SemanticEncoder, shift: ShiftBranch):
        super().__init__()
        self.encoder = encoder
        self.shift = shift


def build_representation(
    settings: config.Representation, diffusion: config.Diffusion, latent_channels: int, trunk: UNet, seed: int
) -> Representation:
    """The networks with the initial weights of this seed (and of the backbone's file, if one is given)."""
    torch.manual_seed(key(seed, "representation", "initial weights"))
    encoder = build_semantic_encoder(settings)
    if settings.backbone_weights is not None:
        load_backbone(encoder.backbone, settings.backbone_weights, settings.backbone_sha256)
    return Representation(encoder, build_shift_branch(diffusion, latent_channels, settings.dimension, trunk))
