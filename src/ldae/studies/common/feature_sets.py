"""What the probes are fitted on: y_sem, and the references it has to beat.

Two of these need neither network nor label. ``tissue_volumes``: the share of cerebrospinal fluid, grey and white matter
in the brain, as the weights of a mixture of three normal distributions of intensity (Wells et al. 1996, without its
bias field: N4 came before). ``region_volumes``: fluid near the ventricles and tissue where the hippocampi lie, in ml of
MNI space (:mod:`ldae.studies.common.anatomy`).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ldae.core.batches import batches
from ldae.studies.common.anatomy import hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.linear_probes import Features, Task

COMPONENTS = (5, 10, 20, 50, 100)  # of the voxel PCA, to choose from
FACTORS = ["ventricle_ml", "hippocampus_l_ml", "hippocampus_r_ml", "brain_ml", "icv_ml", "cortical_loss", "caps"]
TASKS: tuple[Task, ...] = ("ad", "age")
TaskSets = dict[Task, dict[str, Features]]
"""task -> name -> features."""
_PCA_MM = 3.0  # edge of the voxel PCA's blocks, at most
_PCA_BYTES = 2**28  # of the voxels that it holds at once
BACKGROUND = 0.02  # intensities up to here are outside the brain (a preprocessed volume is [0, 1], its outside 0)
START = np.array([0.1, 0.45, 0.85])  # quantiles of intensity where the three means start
_BRAIN_VOXELS, _POINTS, _FEWEST = 100_000, 2000, 30  # of the mixture: taken, quantiles, too few


def feature_sets(inputs: Inputs, batch: int, baselines: bool = True) -> TaskSets:
    """Codes (``ldae``, ``dae``, ``untrained_encoder``), what needs no network (``pca_voxels``, ``tissue_volumes``,
    ``region_volumes``, ``demographics``) and, for phantom cohorts, the truth (``oracle``).

    ``pca_voxels`` is fitted anew with every probe, on the scans that the probe is fitted on; ``pca_voxels_once`` on the
    training scans, once, as y_sem's encoder is: a cross-validation compares the latter with y_sem like with like.

    None of them has seen a label, so that they can be cross-validated. ``demographics`` of age lacks age.

    Args:
        baselines: whether the paper's rivals were trained; else there is no ``dae``.
    """
    measured, gram = measured_volumes(inputs, batch), voxel_gram(inputs, batch)
    train = np.flatnonzero(inputs.scans["split"] == "train")
    sets = code_sets(inputs, baselines) | {
        "pca_voxels": VoxelPca(gram),
        "pca_voxels_once": VoxelPca(gram, base=train),
        "tissue_volumes": fixed(measured["tissue"]),
        "region_volumes": fixed(measured["regions"]),
    }
    if inputs.has_truth:
        sets["oracle"] = fixed(true_factors(inputs.scans))
    return {task: sets | {"demographics": fixed(demographics(inputs.scans, task))} for task in TASKS}


def code_sets(inputs: Inputs, baselines: bool = True) -> dict[str, Features]:
    """y_sem, the code of the voxel-space baseline where it was trained, and what y_sem is before any training."""
    everything = inputs.scans.index.to_numpy()
    names = {"ldae": "y_sem", **({"dae": "y_dae"} if baselines else {}), "untrained_encoder": "y_sem_untrained"}
    return {name: fixed(inputs.code(code, everything)) for name, code in names.items()}


def labelled_sets(inputs: Inputs) -> TaskSets:
    """``supervised_features``: what the head of the supervised encoder of each task reads.

    That encoder has seen the labels of all but the test subjects, so a cross-validation of it would mean nothing.
    """
    everything = inputs.scans.index.to_numpy()
    return {task: {"supervised_features": fixed(inputs.code(f"supervised_{task}", everything))} for task in TASKS}


@dataclass(frozen=True)
class FixedFeatures:
    """The same of every row, whatever is fitted on. ``matrix``: (N, dimension) without missing values."""

    matrix: np.ndarray

    def __call__(self, fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.matrix[fit_rows], self.matrix[rows]


def fixed(matrix: np.ndarray) -> Features:
    """Features that do not depend on the rows they are fitted on, but for missing values: those become their mean."""
    if not np.isnan(matrix).any():
        return FixedFeatures(matrix)

    def described(fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = matrix[fit_rows]
        known = ~np.isnan(seen)
        mean = np.where(known, seen, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return tuple(np.where(np.isnan(part), mean, part) for part in (seen, matrix[rows]))

    return described


def demographics(scans: pd.DataFrame, task: Task) -> np.ndarray:
    """(N, columns) sex (1 male), field strength in tesla, and for the diagnosis age in years; NaN where unknown."""
    sex = scans["sex"].map({"M": 1.0, "F": 0.0})
    columns = [sex, scans["field_strength"], *([scans["age"]] if task == "ad" else [])]
    return np.column_stack([pd.to_numeric(column).to_numpy(float) for column in columns])


def true_factors(scans: pd.DataFrame) -> np.ndarray:
    """(N, factors) what the phantom was made from: anatomy only, no diagnosis, stage or age; volumes as logarithms.

    Args:
        scans: with the columns ``truth_<factor>``.
    """
    names = [name for name in FACTORS if f"truth_{name}" in scans]
    columns = scans[[f"truth_{name}" for name in names]].to_numpy(float)
    volumes = np.array([name.endswith("_ml") for name in names])
    return np.where(volumes, np.log(np.where(volumes, columns, 1.0)), columns)


def voxel_gram(inputs: Inputs, batch: int, most: int = _PCA_BYTES) -> np.ndarray:
    """(N, N) inner products of all scans, from which any PCA of any subset of them follows exactly.

    Voxels are averaged in blocks as large as 3 mm hold (the paper's 1.5 mm becomes 3 mm). All scans are read slab by
    slab along x, so that no more than a slab of each is held.

    Args:
        most: bytes of a slab of all scans, a plane of blocks at least.
    """
    factor = max(1, int(_PCA_MM / inputs.grid.spacing_mm + 1e-6))
    x, y, z = (size // factor for size in inputs.grid.shape)
    rows = inputs.scans.index.to_numpy()
    planes = max(1, most // (4 * len(rows) * y * z))
    gram = np.zeros((len(rows), len(rows)))
    for slab in batches(range(x), planes):
        part = slice(slab.start * factor, slab.stop * factor)
        voxels = np.empty((len(rows), len(slab) * y * z), dtype=np.float32)
        for places in batches(np.arange(len(rows)), batch):
            voxels[places] = block_means(inputs.volumes.volumes((rows[places], part)), factor)
        voxels -= voxels.mean(axis=0)  # only for precision: every PCA centres with its own rows
        gram += voxels @ voxels.T
    return gram


def block_means(volumes: np.ndarray, factor: int) -> np.ndarray:
    """(N, voxels) means of blocks of ``factor`` voxels a side."""
    n, *shape = volumes.shape
    x, y, z = (size // factor for size in shape)
    cut = volumes[:, : x * factor, : y * factor, : z * factor]
    return cut.reshape(n, x, factor, y, factor, z, factor).mean(axis=(2, 4, 6)).reshape(n, -1)


@dataclass(frozen=True)
class VoxelPca:
    """Principal components of the voxels of the fitted rows, strongest first (dual form; Turk & Pentland 1991).

    Args:
        gram: (N, N) of :func:`voxel_gram`.
        widths: numbers of components to choose from; the largest are computed.
        base: the rows whose components are taken, whatever rows a probe is fitted on: as y_sem's encoder, that is
            trained once. None: those that the probe is fitted on.
    """

    gram: np.ndarray
    widths: tuple[int, ...] = COMPONENTS
    base: np.ndarray | None = None

    def __call__(self, fit_rows: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.base is None:
            scores = self._fitted(fit_rows)
            return scores(fit_rows), scores(rows)
        return self._once[fit_rows], self._once[rows]

    @cached_property
    def _once(self) -> np.ndarray:
        base = np.arange(len(self.gram)) if self.base is None else self.base
        return self._fitted(base)(np.arange(len(self.gram)))

    def _fitted(self, fit_rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        from scipy.linalg import eigh

        inner = self.gram[np.ix_(fit_rows, fit_rows)]
        mean, total, n = inner.mean(axis=0), inner.mean(), len(fit_rows)
        wanted = min(max(self.widths), n - 1)
        values, vectors = eigh(inner - mean[:, None] - mean[None] + total, subset_by_index=[n - wanted, n - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        keep = values > 1e-10 * values.max(initial=0)
        axes = vectors[:, keep] / np.sqrt(values[keep])
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)  # a fixed sign

        def scores(chosen: np.ndarray) -> np.ndarray:
            cross = self.gram[np.ix_(chosen, fit_rows)]
            return (cross - cross.mean(axis=1, keepdims=True) - mean + total) @ axes

        return scores


def measured_volumes(inputs: Inputs, batch: int) -> dict[str, np.ndarray]:
    """``tissue``: (N, 3) fractions of CSF, GM and WM; ``regions``: (N, 2) ventricle and hippocampus-region ml."""
    region = hippocampus_region(inputs.grid)
    fractions, regions = [], []
    for rows in batches(inputs.scans.index.to_numpy(), batch):
        for volume in volumes_of(inputs, rows)[:, 0]:
            fractions.append(tissue_fractions(volume))
            regions.append((ventricle_ml(volume, inputs.grid), hippocampus_region_ml(volume, inputs.grid, region)))
    return {"tissue": np.array(fractions), "regions": np.array(regions)}


def tissue_fractions(volume: np.ndarray) -> np.ndarray:
    """(3,) shares of CSF, GM and WM in the brain, darkest first; they sum to 1. NaN where there is hardly any brain.

    The mixture is fitted to 2,000 quantiles of the intensities, which stand for their distribution and make the result
    a fixed function of the volume.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    inside = volume[volume > BACKGROUND]
    if len(inside) < _FEWEST or np.ptp(inside) < 1e-6:
        return np.full(3, np.nan)
    inside = inside[:: max(1, len(inside) // _BRAIN_VOXELS)].astype(float)
    points = np.quantile(inside, (np.arange(_POINTS) + 0.5) / _POINTS)
    start = np.quantile(points, START) + np.array([-1e-6, 0, 1e-6])
    model = GaussianMixture(
        3,
        weights_init=np.full(3, 1 / 3),
        means_init=start[:, None],
        precisions_init=np.full((3, 1, 1), 9 / np.var(points)),
        reg_covar=1e-6,
        max_iter=200,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last of 200 steps is good enough
        model.fit(points[:, None])
    return model.weights_[np.argsort(model.means_[:, 0], kind="stable")]
