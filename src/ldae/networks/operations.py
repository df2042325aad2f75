"""Floating-point operations of the networks, counted on tensors without data (two per multiplication and addition)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from ldae.config import Compute, Config
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.dae import build_dae
from ldae.networks.discriminator import build_discriminator
from ldae.networks.gradient_estimator import build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder
from ldae.networks.unet import UNet

TRAINED, FROZEN = 3, 1  # a trained network counts three times its forward pass, a frozen one once
NETWORKS = ("autoencoder", "diffusion", "representation", "dae")


@dataclass(frozen=True)
class Teraflops:
    """TFLOP of one forward pass of one scan.

    Attributes:
        encode, decode, judge: autoencoder and discriminator.
        noise: the latent UNet.
        shift: the shift branch, on the UNet's features.
        read: the semantic encoder.
        dae, dae_read: the voxel-space baseline's UNet, and its encoder.
    """

    encode: float
    decode: float
    judge: float
    noise: float
    shift: float
    read: float
    dae: float
    dae_read: float

    @property
    def guided(self) -> float:
        """Of the UNet and the shift branch together: one step of the LDAE."""
        return self.noise + self.shift

    def trainings(self) -> dict[str, float]:
        """Rule -> TFLOP of one scan in one training step."""
        return {
            # the discriminator: through it once for the generator, real and reconstructed volume for itself
            "train_autoencoder": TRAINED * (self.encode + self.decode) + (2 + 2 * TRAINED) * self.judge,
            "train_diffusion": TRAINED * self.noise,
            "train_representation": FROZEN * self.noise + TRAINED * (self.shift + self.read),
            "train_dae": TRAINED * (self.dae + self.dae_read),
            "train_supervised_ad": TRAINED * self.read,
            "train_supervised_age": TRAINED * self.read,
        }


def teraflops(config: Config, plain: bool = False) -> Teraflops:
    """Those of a configuration's networks.

    Args:
        plain: computed as the paper's code computes them, without the rewrites of ``training.compute``.
    """
    sections = {name: _counted(getattr(config, name), plain) for name in NETWORKS}
    config = config.model_copy(update=sections)
    channels, dimension = config.autoencoder.latent_channels, config.representation.dimension
    with torch.device("meta"):
        autoencoder = build_autoencoder(config.autoencoder).eval()
        discriminator = build_discriminator(config.autoencoder.discriminator).eval()
        unet = UNet(config.diffusion, channels).eval()
        shift = build_shift_branch(config.diffusion, channels, dimension, unet).eval()
        encoder, dae = build_semantic_encoder(config.representation).eval(), build_dae(config.dae).eval()
        volume, coarse = torch.empty(1, 1, *config.preprocessing.conform.shape), torch.empty(1, 1, *config.dae.shape)
        latent, time = torch.empty(1, *config.latent_shape), torch.empty(1, dtype=torch.long)
        code, coarse_code = torch.empty(1, dimension), torch.empty(1, config.dae.dimension)
    features, embedded = unet.features(latent, time)
    return Teraflops(
        encode=_counted_calls(lambda: autoencoder.encode(volume)),
        decode=_counted_calls(lambda: autoencoder.decode(latent)),
        judge=_counted_calls(lambda: discriminator(volume)),
        noise=_counted_calls(lambda: unet(latent, time)),
        shift=_counted_calls(lambda: shift(features, embedded, code)),
        read=_counted_calls(lambda: encoder(volume)),
        dae=_counted_calls(lambda: dae(coarse, time, coarse_code)),
        dae_read=_counted_calls(lambda: dae.encode(coarse)),
    )


def _counted(section, plain: bool):
    """A section whose network can be counted: what is computed again in a backward pass has no part here."""
    compute = section.training.compute
    compute = Compute.plain() if plain else compute.model_copy(update={"recompute_norms": False})
    return section.model_copy(update={"training": section.training.model_copy(update={"compute": compute})})


def _counted_calls(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops() / 1e12
