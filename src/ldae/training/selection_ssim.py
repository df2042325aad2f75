"""The structural similarity that picks the best step of a training; the tables have their own, in evaluation."""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM (Wang 2004) of volumes (B, 1, X, Y, Z) in [0, 1], Gaussian window 11, sigma 1.5, no padding: (B,).

    A volume with a side shorter than 11 voxels gets the largest odd window that fits.
    """
    window = min(WINDOW, *((side - 1) // 2 * 2 + 1 for side in x.shape[2:]))
    offsets = torch.arange(window, device=x.device, dtype=x.dtype) - (window - 1) / 2
    kernel = torch.exp(-offsets.square() / (2 * SIGMA**2))
    kernel = kernel / kernel.sum()
    mean_x, mean_y, xx, yy, xy = _smooth(torch.cat([x, y, x * x, y * y, x * y]), kernel).chunk(5)
    var_x, var_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).flatten(1).mean(1)


def _smooth(x: Tensor, kernel: Tensor) -> Tensor:
    """Separable convolution along the three axes, valid part only."""
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(kernel)
        x = F.conv3d(x, kernel.view(shape))
    return x
