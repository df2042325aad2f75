"""The inner products of all scans: exact, on 3 mm blocks, and made slab by slab."""

import dataclasses

import numpy as np
import pytest
from toy_cohort import LinearLDAE

from ldae.studies.common.feature_sets import voxel_gram
from ldae.studies.common.inputs import Inputs


def expected(inputs: Inputs, factor: int) -> np.ndarray:
    """From the voxels of all scans at once, block by block, in float64."""
    volumes = np.asarray(inputs.volumes.data, dtype=np.float64) / 255
    x, y, z = (size // factor for size in volumes.shape[1:])
    blocks = np.zeros((len(volumes), x, y, z))
    for place in np.ndindex(x, y, z):
        corner = tuple(slice(i * factor, (i + 1) * factor) for i in place)
        blocks[(slice(None), *place)] = volumes[(slice(None), *corner)].mean(axis=(1, 2, 3))
    flat = blocks.reshape(len(volumes), -1)
    flat -= flat.mean(axis=0)
    return flat @ flat.T


@pytest.mark.parametrize("spacing, factor", [(1.5, 2), (1.0, 3), (8.0, 1), (2.0, 1)])
@pytest.mark.parametrize("most", [2**28, 1])
def test_blocks_are_as_large_as_3_mm_hold_however_few_are_held(
    cohort: tuple[LinearLDAE, Inputs], spacing: float, factor: int, most: int
) -> None:
    inputs = cohort[1]
    inputs = dataclasses.replace(inputs, grid=dataclasses.replace(inputs.grid, spacing_mm=spacing))
    found = voxel_gram(inputs, 5, most)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected(inputs, factor), rtol=1e-4, atol=1e-4)
