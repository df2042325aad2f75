"""A latent in a few numbers: mean and spread of its eight corners."""

from itertools import product

import numpy as np


def octants(z: np.ndarray) -> np.ndarray:
    """(N, 16 C) mean and standard deviation of each octant and channel of latents (N, C, x, y, z).

    The middle plane of an odd size belongs to both halves.
    """
    halves = [(slice(0, (size + 1) // 2), slice(size // 2, size)) for size in z.shape[2:]]
    corners = [np.asarray(z[:, :, x, y, w], dtype=np.float64) for x, y, w in product(*halves)]
    mean = np.stack([corner.mean(axis=(2, 3, 4)) for corner in corners], axis=2)
    spread = np.stack([corner.std(axis=(2, 3, 4)) for corner in corners], axis=2)
    return np.concatenate([mean.reshape(len(z), -1), spread.reshape(len(z), -1)], axis=1)
