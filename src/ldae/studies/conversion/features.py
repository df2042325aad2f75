"""What a hazard is fitted on: principal components of y_sem, and the references that it has to beat."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA

from ldae.core.batches import batches
from ldae.phantom.population import CONVERSION_STAGE
from ldae.studies.common.anatomy import hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.feature_sets import VoxelPca, fixed, voxel_gram
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.conversion.names import ADDED, CLINICAL, ORACLE, OURS

COMPONENTS = 5  # of a code or of the voxels: a handful of conversions carries no more
SOONEST = 0.05  # years that the oracle still tells apart
Matrices = tuple[np.ndarray, np.ndarray]
Described = Callable[[np.ndarray, np.ndarray, np.ndarray], Matrices]
"""(scans whose components are taken, rows to fit on, rows to ask) -> the feature matrices of the last two."""


def described(inputs: Inputs, asked: np.ndarray, batch: int) -> dict[str, Described]:
    """Every feature set. No label has a part in any of them; components are those of the scans that are named.

    Args:
        asked: the rows whose volumes are measured.
    """
    scans = inputs.scans
    regions = _regions(inputs, asked, batch)
    mmse = inputs.volumes.index.reindex(columns=["mmse"])["mmse"].to_numpy(float, na_value=np.nan)[:, None]
    age = scans["age"].to_numpy(float, na_value=np.nan)[:, None]
    everything = scans.index.to_numpy()
    sets = {
        OURS: _components(inputs.code("y_sem", everything)),
        "untrained_encoder": _components(inputs.code("y_sem_untrained", everything)),
        "pca_voxels": _voxel_components(voxel_gram(inputs, batch)),
        "region_volumes": _as_they_are(regions),
        "mmse": _as_they_are(mmse),
        "age": _as_they_are(age),
        CLINICAL: _as_they_are(np.hstack([mmse, age, regions])),
    }
    sets[ADDED] = _joined(sets[OURS], sets[CLINICAL])
    if {"truth_stage", "truth_stage_rate"} <= set(scans):
        sets[ORACLE] = _as_they_are(-np.log(np.maximum(years_left(inputs), SOONEST))[:, None])
    return sets


def years_left(inputs: Inputs) -> np.ndarray:
    """(scans,) until a phantom's subject is at the stage at which AD is diagnosed: what decides about conversions."""
    stage, rate = (inputs.scans[f"truth_{name}"].to_numpy(float) for name in ("stage", "stage_rate"))
    return (CONVERSION_STAGE - stage) / np.maximum(rate, 1e-6)


def _components(code: np.ndarray) -> Described:
    """Of a code (scans, dimension)."""

    def parts(named: np.ndarray, fit_rows: np.ndarray, rows: np.ndarray) -> Matrices:
        width = min(COMPONENTS, code.shape[1], len(named))
        axes = PCA(width, svd_solver="covariance_eigh").fit(code[named].astype(float))
        return axes.transform(code[fit_rows]), axes.transform(code[rows])

    return parts


def _voxel_components(gram: np.ndarray) -> Described:
    """Of voxels, by their inner products (scans, scans)."""

    def parts(named: np.ndarray, fit_rows: np.ndarray, rows: np.ndarray) -> Matrices:
        return VoxelPca(gram, (COMPONENTS,), named)(fit_rows, rows)

    return parts


def _as_they_are(matrix: np.ndarray) -> Described:
    """Where a value is missing, the mean of the rows that are fitted on."""
    features = fixed(matrix)
    return lambda named, fit_rows, rows: features(fit_rows, rows)


def _joined(one: Described, other: Described) -> Described:
    def both(named: np.ndarray, fit_rows: np.ndarray, rows: np.ndarray) -> Matrices:
        pairs = zip(one(named, fit_rows, rows), other(named, fit_rows, rows), strict=True)
        first, second = (np.hstack(pair) for pair in pairs)
        return first, second

    return both


def _regions(inputs: Inputs, asked: np.ndarray, batch: int) -> np.ndarray:
    """(scans, 2) ventricle and hippocampus-region ml of the rows that are asked, NaN elsewhere."""
    region, found = hippocampus_region(inputs.grid), np.full((len(inputs.scans), 2), np.nan)
    for rows in batches(np.unique(asked), batch):
        for row, volume in zip(rows, volumes_of(inputs, rows)[:, 0], strict=True):
            found[row] = ventricle_ml(volume, inputs.grid), hippocampus_region_ml(volume, inputs.grid, region)
    return found
