"""Tissue volumes of preprocessed scans, without any network or label: what a probe of a code has to beat.

Two sets. ``tissue``: the share of cerebrospinal fluid, grey and white matter in the brain, as the weights of a mixture
of three normal distributions of intensity (Wells et al. 1996, without its bias field: N4 came before). ``regions``:
fluid near the ventricles and tissue where the hippocampi lie, in ml of MNI space
(:mod:`ldae.studies.common.anatomy.ventricles`, :mod:`ldae.studies.common.anatomy.hippocampus`).
"""

import warnings

import numpy as np

from ldae.core.batches import batches
from ldae.studies.common.anatomy.hippocampus import hippocampus_region, hippocampus_region_ml
from ldae.studies.common.anatomy.ventricles import ventricle_ml
from ldae.studies.common.inputs import Inputs, volumes_of

BACKGROUND = 0.02  # intensities up to here are outside the brain (a preprocessed volume is [0, 1], its outside 0)
START = np.array([0.1, 0.45, 0.85])  # quantiles of intensity where the three means start
_VOXELS, _POINTS, _FEWEST = 100_000, 2000, 30


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
    inside = inside[:: max(1, len(inside) // _VOXELS)].astype(float)
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
