"""What the loop needs to know of a stage; and what stages share: noise, and the similarity that picks the best step.

The tables have a similarity of their own, in :mod:`ldae.studies.common.image_metrics`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ldae.core.batches import batches
from ldae.core.keyed import Draw, generator
from ldae.diffusion.schedule import Schedule
from ldae.inference.device import exact_convolutions
from ldae.inference.readers import keyed_noise

Product = TypeVar("Product", bound=nn.Module)
EXAMPLES = 4  # validation scans in a picture
VALIDATION_DRAWS = 4  # noise levels per validation scan
WINDOW, SIGMA = 11, 1.5


class Stage(ABC, Generic[Product]):
    """A training stage: networks, data, one loss, one validation.

    Attributes:
        name: ``autoencoder``, ``diffusion``, ``representation``, or that of a baseline.
        networks: trained networks by name; each gets an optimizer of its own.
        product: the network that the stage is for; averaged, validated and written.
        scans: number of training scans.
        selection: validation metric (larger is better) whose best step is written; none: the last step.
        scan_names: names of the training scans, for messages.
        averaged_twice: beginnings of the names of parameters whose average is updated twice as often.
    """

    name: str
    networks: dict[str, nn.Module]
    product: Product
    scans: int
    selection: str | None = None
    scan_names: Sequence[str] | None = None
    averaged_twice: tuple[str, ...] = ()

    def learning_rate(self, network: str, default: float) -> float:
        """Peak learning rate of one network."""
        return default

    @abstractmethod
    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """Losses of one micro-batch, with gradients added to the networks.

        Args:
            share: micro-batch / effective batch, the weight of these scans' mean loss.

        Returns:
            detached scalars to report, not multiplied by ``share``.
        """

    @abstractmethod
    def validate(self, product: Product) -> dict[str, float]:
        """Metrics of ``product`` (or its average) on the validation scans, with fixed random numbers."""

    def examples(self, product: Product) -> Tensor | None:
        """A few validation scans for a picture: (scans, columns, X, Y, Z) in [0, 1]; none: no picture."""
        return None

    def remark(self, history: Sequence[Mapping[str, Any]]) -> str | None:
        """One sentence where the metrics rows so far show a network that came out degenerate; none: nothing to say."""
        return None

    def names(self, scans: Sequence[int]) -> list[str]:
        """Names of some training scans, or their numbers where no names are known."""
        return [str(scan) if self.scan_names is None else self.scan_names[scan] for scan in scans]


def noisy(z: Tensor, draws: Sequence[Draw], schedule: Schedule) -> tuple[Tensor, Tensor, Tensor]:
    """z_t, its noise and its timesteps for latents z_0 (B, C, x, y, z), all keyed by the draws."""
    noise = keyed_noise(draws, tuple(z.shape[1:]), "noise").to(z.device)
    steps = [int(torch.randint(schedule.timesteps, (), generator=generator(*draw.key, "timestep"))) for draw in draws]
    t = torch.tensor(steps, device=z.device)
    return schedule.add_noise(z, noise, t), noise, t


def validation_draws(seed: int, stage: str, scans: int, batch: int) -> list[list[Draw]]:
    """The same noise and timesteps at every validation, in batches."""
    draws = [Draw(scan, (seed, stage, "validation", scan, i)) for scan in range(scans) for i in range(VALIDATION_DRAWS)]
    return batches(draws, batch)


@exact_convolutions()
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
