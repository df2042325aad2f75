"""Principal components of coarse voxels: a code of any volume that knows none of our networks."""

from dataclasses import dataclass

import numpy as np

from ldae.core.batches import batches
from ldae.studies.common.feature_sets import block_means
from ldae.studies.common.inputs import Inputs, volumes_of

BLOCK_MM = 9.0  # edge of a block of voxels, at most: what is finer an autoencoder smooths away
COMPONENTS = 20  # at most


@dataclass(frozen=True)
class CoarsePca:
    """Scores of block means on the strongest components (Turk & Pentland 1991).

    Attributes:
        factor: voxels of a block's edge.
        mean, axes: (voxels,) and (voxels, components).
    """

    factor: int
    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, inputs: Inputs, rows: np.ndarray, batch: int) -> "CoarsePca":
        """On these scans; all of them are held as blocks."""
        factor = max(1, int(BLOCK_MM / inputs.grid.spacing_mm + 1e-6))
        blocks = np.concatenate(
            [block_means(volumes_of(inputs, part)[:, 0], factor) for part in batches(rows, batch)]
        ).astype(float)
        mean = blocks.mean(axis=0)
        _, lengths, axes = np.linalg.svd(blocks - mean, full_matrices=False)
        return cls(factor, mean, axes[:COMPONENTS][lengths[:COMPONENTS] > 1e-9 * max(lengths[0], 1e-9)].T)

    def __call__(self, volumes: np.ndarray) -> np.ndarray:
        """(N, components) of volumes (N, X, Y, Z)."""
        return (block_means(volumes, self.factor) - self.mean) @ self.axes
