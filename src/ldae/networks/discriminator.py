"""The patch discriminator of stage 1 (training only) and its least-squares losses (paper 4.1)."""

from pathlib import Path

from torch import Tensor, nn

from ldae import config
from ldae.networks.weights import load_strictly, load_weights


class Discriminator(nn.Module):
    """Volumes (B, 1, X, Y, Z) -> one score per patch, (B, 1, x, y, z)."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) -> (B, 1, x, y, z), no sigmoid: least-squares scores."""
        return self.net(x)[-1]  # MONAI returns every layer's features; the last are the scores


def build_discriminator(settings: config.Discriminator) -> Discriminator:
    """MONAI's PatchDiscriminator, with batch normalisation and leaky ReLU as in the paper's code."""
    from monai.networks.nets import PatchDiscriminator

    net = PatchDiscriminator(spatial_dims=3, channels=settings.channels, in_channels=1, num_layers_d=settings.layers)
    return Discriminator(net)


def load_discriminator(discriminator: Discriminator, path: str | Path, sha256: str | None = None) -> None:
    """Weights of MONAI's PatchDiscriminator, of which MONAI Generative has the same names.

    Raises:
        UserError: the file is missing, has another digest, or is of another architecture.
    """
    load_strictly(discriminator.net, load_weights(path, sha256), path)


def generator_loss(scores_reconstruction: Tensor) -> Tensor:
    """Least squares: the reconstruction should be scored 1."""
    return (scores_reconstruction - 1).square().mean()


def discriminator_loss(scores_reconstruction: Tensor, scores_original: Tensor) -> Tensor:
    """Least squares: reconstructions 0, originals 1."""
    return 0.5 * (scores_reconstruction.square().mean() + (scores_original - 1).square().mean())
