"""What stage 1 is trained with and later left out: the adversary, and a distance of how slices look (paper 4.1).

A patch discriminator with its least-squares losses; and LPIPS with SqueezeNet over slices of volumes ("fake 3-D"), from
weights in a file: nothing is downloaded.
"""

from pathlib import Path

import torch
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


class SlicePerceptual(nn.Module):
    """Mean LPIPS distance (Zhang 2018) of random slices of two volumes, summed over the three axes.

    Args:
        distance: LPIPS network on (N, 3, H, W); frozen.
        fraction: of the slices of each axis, drawn from torch's global generator.
    """

    def __init__(self, distance: nn.Module, fraction: float = 0.5):
        super().__init__()
        self.distance = distance.requires_grad_(False).eval()
        self.fraction = fraction

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) in [0, 1] -> scalar."""
        total = x.new_zeros(())
        for axis in (2, 3, 4):
            slices_x, slices_y = (volume.movedim(axis, 1).flatten(0, 1) for volume in (x, y))
            kept = torch.randperm(len(slices_x), device=x.device)[: max(1, int(len(slices_x) * self.fraction))]
            pair = (slices[kept].expand(-1, 3, -1, -1) for slices in (slices_x, slices_y))
            total = total + self.distance(*pair).mean()
        return total


def build_perceptual(path: str | Path, sha256: str | None = None, fraction: float = 0.5) -> SlicePerceptual:
    """LPIPS with the SqueezeNet of ``path`` (torchvision ``squeezenet1_1`` state dict).

    Its linear layers come with the lpips package.

    Raises:
        UserError: the file is missing, has another digest, or is no SqueezeNet 1.1.
    """
    import lpips

    network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    given = load_weights(path, sha256)
    names = {f"features.{name.split('.', 1)[1]}": name for name in network.net.state_dict()}
    state = {names.get(name, name): tensor for name, tensor in given.items() if not name.startswith("classifier.")}
    load_strictly(network.net, state, path)
    return SlicePerceptual(network, fraction)
