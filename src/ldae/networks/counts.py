"""Parameter counts by network, without allocating a single weight."""

from dataclasses import dataclass

import torch
from torch import nn

from ldae import config
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.dae import build_dae
from ldae.networks.discriminator import build_discriminator
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder, build_supervised
from ldae.networks.unet import UNet


@dataclass(frozen=True)
class Count:
    """Parameters of one network; ``trainable`` are those its own stage trains."""

    network: str
    parameters: int
    trainable: int


def count_parameters(module: nn.Module) -> int:
    """Elements of all parameters, trainable or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def parameter_counts(
    autoencoder: config.Autoencoder,
    diffusion: config.Diffusion,
    representation: config.Representation,
    dae: config.Dae | None = None,
) -> list[Count]:
    """Counts of all networks of a configuration, in the order of the stages; with ``dae`` the baselines after them."""
    with torch.device("meta"):
        trunk = UNet(diffusion, autoencoder.latent_channels)
        shift = build_shift_branch(diffusion, autoencoder.latent_channels, representation.dimension, trunk)
        whole = {
            "autoencoder": build_autoencoder(autoencoder),
            "discriminator": build_discriminator(autoencoder.discriminator),
            "unet": trunk,
            "semantic_encoder": build_semantic_encoder(representation),
        }
        counts = [Count(name, count_parameters(net), count_parameters(net)) for name, net in whole.items()]
        estimator = GradientEstimator(trunk, shift)
        counts.append(Count("gradient_estimator", count_parameters(estimator), count_parameters(shift)))
        baselines = {} if dae is None else {"dae": build_dae(dae), "supervised": build_supervised(representation)}
    return counts + [Count(name, count_parameters(net), count_parameters(net)) for name, net in baselines.items()]
