"""Image metrics of reconstructions against scans. The name of a metric says how it was computed.

And LPIPS, when the user has the weights of its network.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ldae.config import Evaluation
from ldae.networks.discriminator import SlicePerceptual, build_perceptual

SIGMA = 1.5  # of the Gaussian window, voxels (Wang 2004)
K1, K2 = 0.01, 0.03
LPIPS = ["lpips_squeeze_fake3d", "lpips_paper_half"]
_FRACTIONS = dict(zip(LPIPS, (1.0, 0.5), strict=True))
SMALLEST = 17  # edge of a slice, pixels, that survives SqueezeNet's three poolings
_SEED = 0  # of the paper's random half of the slices, which its code leaves unseeded


def gaussian_window(size: int, sigma: float = SIGMA) -> Tensor:
    """(size,) weights that sum to one. An even window has no centre voxel, as in the paper's interpolation study."""
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-(distance**2) / (2 * sigma**2))
    return weights / weights.sum()


def _band(window: Tensor, size: int) -> Tensor:
    """(size - len(window) + 1, size) matrix that slides the window along an axis of ``size`` voxels."""
    matrix = window.new_zeros(size - len(window) + 1, size)
    for row in range(len(matrix)):
        matrix[row, row : row + len(window)] = window
    return matrix


def _smooth(x: Tensor, window: Tensor) -> Tensor:
    """Separable valid convolution of (N, 1, X, Y, Z) along the three axes.

    As matrix products: on a CPU 10 times faster than ``conv3d`` with a single channel.
    """
    along_x, along_y, along_z = (_band(window, size) for size in x.shape[2:])
    x = along_y @ (x @ along_z.T)
    return (along_x @ x.flatten(3)).unflatten(3, x.shape[3:])


def ssim_map(x: Tensor, y: Tensor, window: int, data_range: float = 1.0) -> Tensor:
    """SSIM at every place where the whole window fits (Wang 2004, eq. 13).

    Args:
        x, y: (B, 1, X, Y, Z) images in the same unit.
        window: size of the Gaussian window (sigma 1.5), voxels.

    Returns:
        (B, 1, X - window + 1, Y - window + 1, Z - window + 1).
    """
    weights = gaussian_window(window).to(x)
    moments = _smooth(torch.cat([x, y, x * x, y * y, x * y]), weights)
    mean_x, mean_y, square_x, square_y, product = moments.chunk(5)
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    covariance = product - mean_x * mean_y
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * covariance + c2) / (variance_x + variance_y + c2)


def ssim_brain(original: Tensor, other: Tensor, window: int = 11, mask: Tensor | None = None) -> Tensor:
    """(B,) mean SSIM over the voxels of the brain (``original > 0`` unless a mask is given).

    The images are continued at their borders, so that every voxel has a value.
    """
    before = (window - 1) // 2
    pad = (before, window - 1 - before) * 3
    first, second = (F.pad(image, pad, mode="replicate") for image in (original, other))
    values = ssim_map(first, second, window)
    brain = (original > 0 if mask is None else mask).to(values)
    return (values * brain).flatten(1).sum(1) / brain.flatten(1).sum(1).clamp(min=1)


def ssim_whole(original: Tensor, other: Tensor, window: int = 3) -> Tensor:
    """(B,) mean SSIM of the whole volume, valid windows only: MONAI's SSIMMetric with ``win_size = window``.

    The paper's tables use windows of 3 and 4 voxels, which cut the Gaussian short and include the empty background:
    such numbers are higher than, and not comparable with, the usual window of 11. NaN where the window does not fit.
    """
    if min(original.shape[2:]) < window:
        return original.new_full((len(original),), torch.nan)
    return ssim_map(original, other, window).flatten(1).mean(1)


def mse(original: Tensor, other: Tensor) -> Tensor:
    """(B,) mean squared error of the whole volume, background included, nothing clipped (as in the paper)."""
    return ((original - other) ** 2).flatten(1).mean(1)


def psnr(original: Tensor, other: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratio (dB) for images in [0, 1]; at most 100, so that equal images have a mean."""
    return -10 * torch.log10(mse(original, other).clamp(min=1e-10))


def image_metrics(original: Tensor, other: Tensor) -> dict[str, list[float]]:
    """The image columns of the reconstruction table: metric name -> one value per scan of the batch."""
    values = {
        "ssim_w11_brain": ssim_brain(original, other),
        "ssim_w11": ssim_whole(original, other, 11),
        "ssim_w3_paper": ssim_whole(original, other),
        "mse": mse(original, other),
        "psnr": psnr(original, other),
    }
    return {name: value.double().cpu().tolist() for name, value in values.items()}


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
