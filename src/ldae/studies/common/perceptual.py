"""LPIPS of reconstructions, when the user has the weights of its network."""

import torch
from torch import Tensor

from ldae.config import Evaluation
from ldae.networks.slice_perceptual import SlicePerceptual, build_perceptual

LPIPS = ["lpips_squeeze_fake3d", "lpips_paper_half"]
_FRACTIONS = dict(zip(LPIPS, (1.0, 0.5), strict=True))
SMALLEST = 17  # edge of a slice, pixels, that survives SqueezeNet's three poolings
_SEED = 0  # of the paper's random half of the slices, which its code leaves unseeded


class Perceptual:
    """LPIPS (SqueezeNet, slices along three axes): of all slices, and of a seeded half of them as in the paper."""

    def __init__(self, networks: dict[str, SlicePerceptual]):
        self.networks = networks

    @classmethod
    def of(cls, settings: Evaluation, device: torch.device) -> "Perceptual":
        """Networks from ``evaluation.lpips_weights``; none without that file, and the metrics are n/a."""
        if settings.lpips_weights is None:
            return cls({})
        return cls(
            {
                name: build_perceptual(settings.lpips_weights, settings.lpips_sha256, fraction).to(device)
                for name, fraction in _FRACTIONS.items()
            }
        )

    @torch.no_grad()
    def columns(self, original: Tensor, other: Tensor) -> dict[str, list[float]]:
        """One value per scan and metric for volumes (B, 1, X, Y, Z) in [0, 1]; NaN without weights, and for slices that
        are too small for SqueezeNet."""
        values = {name: [float("nan")] * len(original) for name in LPIPS}
        if min(original.shape[2:]) < SMALLEST:
            return values
        for name, network in self.networks.items():
            for scan in range(len(original)):
                with torch.random.fork_rng():
                    torch.manual_seed(_SEED)
                    values[name][scan] = float(network(original[scan, None], other[scan, None]))
        return values
