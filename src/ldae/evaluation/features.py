"""What the probes are fitted on: y_sem, and the references it has to beat."""

import numpy as np

from ldae.evaluation.inputs import Inputs
from ldae.evaluation.linear import Features
from ldae.evaluation.sampling import batches, volumes_of

COMPONENTS = 20  # of the voxel PCA
FACTORS = ["ventricle_ml", "hippocampus_l_ml", "hippocampus_r_ml", "brain_ml", "icv_ml", "cortical_loss", "caps"]
_VOXELS = 300_000  # at most, after averaging blocks


def feature_sets(inputs: Inputs, batch: int) -> dict[str, Features]:
    """Name -> features: ``ldae``, ``dae``, ``untrained_encoder``, ``pca_voxels`` and, for phantom cohorts, ``oracle``.

    None of them has seen a label. The supervised encoders have, so they are no part of a cross-validation.
    """
    everything = inputs.scans.index.to_numpy()
    sets = {
        "ldae": fixed(inputs.code("y_sem", everything)),
        "dae": fixed(inputs.code("y_dae", everything)),
        "untrained_encoder": fixed(inputs.code("y_sem_untrained", everything)),
        "pca_voxels": pca(voxel_gram(inputs, batch), COMPONENTS),
    }
    if inputs.has_truth:
        sets["oracle"] = fixed(true_factors(inputs))
    return sets


def fixed(matrix: np.ndarray) -> Features:
    """Features that do not depend on the rows they are fitted on."""
    return lambda fit_rows, rows: (matrix[fit_rows], matrix[rows])


def true_factors(inputs: Inputs) -> np.ndarray:
    """(N, factors) what the phantom was made from: anatomy only, no diagnosis, stage or age; volumes as logarithms."""
    names = [name for name in FACTORS if f"truth_{name}" in inputs.scans]
    columns = inputs.scans[[f"truth_{name}" for name in names]].to_numpy(float)
    volumes = np.array([name.endswith("_ml") for name in names])
    return np.where(volumes, np.log(np.where(volumes, columns, 1.0)), columns)


def voxel_gram(inputs: Inputs, batch: int) -> np.ndarray:
    """(N, N) inner products of all scans, from which any PCA of any subset of them follows exactly.

    Volumes above 300,000 voxels are averaged in blocks first (the paper's 1.5 mm becomes 3 mm).
    """
    factor = 1
    while np.prod([size // factor for size in inputs.grid.shape]) > _VOXELS:
        factor += 1
    rows = inputs.scans.index.to_numpy()
    voxels = np.concatenate([_blocks(volumes_of(inputs, part)[:, 0], factor) for part in batches(rows, batch)])
    voxels -= voxels.mean(axis=0)  # only for precision: every PCA centres with its own rows
    return (voxels @ voxels.T).astype(np.float64)


def _blocks(volumes: np.ndarray, factor: int) -> np.ndarray:
    """(N, voxels) means of blocks of ``factor`` voxels a side."""
    n, *shape = volumes.shape
    x, y, z = (size // factor for size in shape)
    cut = volumes[:, : x * factor, : y * factor, : z * factor]
    return cut.reshape(n, x, factor, y, factor, z, factor).mean(axis=(2, 4, 6)).reshape(n, -1)


def pca(gram: np.ndarray, components: int) -> Features:
    """Principal components of the voxels of the rows it is fitted on (dual form; Turk & Pentland 1991)."""

    def project(fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inner = gram[np.ix_(fit_rows, fit_rows)]
        mean, total = inner.mean(axis=0), inner.mean()
        values, vectors = np.linalg.eigh(inner - mean[:, None] - mean[None] + total)
        keep = np.argsort(values)[::-1][: min(components, len(fit_rows) - 1)]
        keep = keep[values[keep] > 1e-10 * values.max()]
        axes = vectors[:, keep] / np.sqrt(values[keep])
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(keep))] < 0, -1, 1)  # a fixed sign

        def scores(chosen: np.ndarray) -> np.ndarray:
            cross = gram[np.ix_(chosen, fit_rows)]
            return (cross - cross.mean(axis=1, keepdims=True) - mean + total) @ axes

        return scores(fit_rows), scores(rows)

    return project
