"""The plain way of what ours does otherwise, written from the paper and its published settings, to be timed beside it.

Nothing of the authors' code is here. Each function does the same work as its counterpart in ``bench.py`` by the choice
that the reference made: one tensor after the other, one file per item, an inversion for every picture.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from scipy.ndimage import affine_transform
from torch import Tensor

STEPS = 100  # of DDIM, each way


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], state: Mapping[str, Tensor], decay: float) -> None:
    """Exponential moving average of a whole state, frozen tensors included, one tensor after the other."""
    for name, value in average.items():
        value.mul_(decay).add_(state[name], alpha=1 - decay)


def read_volume(path: Path, shape: tuple[int, int, int], spacing_mm: float) -> Tensor:
    """A NIfTI file -> (1, X, Y, Z) on the grid of the networks, scaled to [0, 1]; at every visit of the item."""
    image = nib.load(path)
    values = np.asarray(image.dataobj, dtype=np.float32)
    step = spacing_mm / np.asarray(image.header.get_zooms())
    offset = (np.asarray(values.shape) - step * np.asarray(shape)) / 2
    resampled = affine_transform(values, np.diag(step), offset, output_shape=shape, order=1)
    low, high = resampled.min(), resampled.max()
    return torch.from_numpy((resampled - low) / (high - low))[None]


def read_latents(paths: Sequence[Path], scale: float) -> Tensor:
    """A batch of posterior means, one compressed file per item -> (B, C, x, y, z)."""
    items = []
    for path in paths:
        with np.load(path) as item:
            items.append(torch.from_numpy(item["mean"]))
    return torch.stack(items) * scale


def interpolation_calls(triplets: int) -> int:
    """Network calls: each triplet inverts both of its ends and decodes the middle, by DDIM."""
    return triplets * 3 * STEPS
