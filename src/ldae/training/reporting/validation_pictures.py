"""Validation pictures: what the networks make of a few validation scans."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ldae.core.files import atomic_path
from ldae.training.stages.stage import Stage

logger = logging.getLogger("ldae")


@torch.no_grad()
def write_picture(path: Path, stage: Stage, product: nn.Module) -> None:
    """Middle slices of the stage's examples as a PNG, one row per scan and direction. Nothing where it has none."""
    from matplotlib.image import imsave

    try:
        examples = stage.examples(product.eval())
        if examples is None:
            return
        with atomic_path(path) as temporary:
            imsave(temporary, sheet(examples.float().cpu()), cmap="gray", vmin=0, vmax=1)
    except (OSError, torch.OutOfMemoryError) as error:  # a full disk or GPU costs a picture, not the training
        logger.warning("%s could not be written (%s)", path, error)


def sheet(examples: Tensor) -> np.ndarray:
    """Scans x columns of volumes (n, k, X, Y, Z) in [0, 1] -> one image; axial slice, and coronal slice below it."""
    rows = []
    for scan in examples.clamp(0, 1).numpy():
        middle = [size // 2 for size in scan.shape[1:]]
        rows.append(np.concatenate([np.rot90(volume[:, :, middle[2]]) for volume in scan], axis=1))
        rows.append(np.concatenate([np.rot90(volume[:, middle[1], :]) for volume in scan], axis=1))
    return np.concatenate(rows, axis=0)
