"""LPIPS with SqueezeNet over slices of volumes ("fake 3-D"), from weights in a file; nothing is downloaded."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ldae.networks.weights import load_strictly, load_weights


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
