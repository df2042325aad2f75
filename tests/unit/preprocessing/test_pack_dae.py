"""The voxel-space baseline's volumes: means of blocks, a central box, and where it lies."""

import numpy as np
import pandas as pd
import pytest

from ldae.core.errors import UserError
from ldae.core.store import open_store, write_store
from ldae.preprocessing.pack import averaged, grid_change, pack_volumes_dae


@pytest.fixture
def volumes(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 12), dtype=np.uint8)
    index = pd.DataFrame({"participant_id": ["a", "b"], "session_id": ["ses-M000"] * 2, "age": [70.0, 71.0]})
    affine = np.array([[1.5, 0, 0, -9], [0, 1.5, 0, 4], [0, 0, 1.5, 2], [0, 0, 0, 1.0]])
    write_store(tmp_path / "volumes", data, index, dtype="uint8", affine=affine.tolist(), spacing_mm=1.5)
    return tmp_path


def test_blocks_are_averaged_and_the_middle_is_kept(volumes):
    pack_volumes_dae(volumes / "volumes", (4, 6, 4), 2, volumes / "small")
    large, small = open_store(volumes / "volumes"), open_store(volumes / "small")
    assert small.data.shape == (2, 4, 6, 4) and list(small.index["age"]) == [70, 71]
    block = large.data[1, 2:4, 2:4, 2:4].astype(float)  # one block is cut from each side
    assert abs(small.data[1, 0, 0, 0] - block.mean()) <= 0.5
    corners = (np.asarray(large.meta["affine"]) @ [2.5, 2.5, 2.5, 1])[:3]
    np.testing.assert_allclose(np.asarray(small.meta["affine"])[:3, 3], corners)
    assert small.meta["spacing_mm"] == 3.0 and small.meta["volumes"] == large.digest


def test_factor_one_is_a_crop(volumes):
    pack_volumes_dae(volumes / "volumes", (12, 12, 12), 1, volumes / "small")
    np.testing.assert_array_equal(open_store(volumes / "small").data, open_store(volumes / "volumes").data[:, :, 2:14])


def test_a_box_that_is_too_large_is_one_sentence(volumes):
    with pytest.raises(UserError, match=r"dae\.shape .* does not fit"):
        pack_volumes_dae(volumes / "volumes", (8, 8, 8), 2, volumes / "small")


def test_a_blocks_centre_is_that_of_its_voxels():
    assert averaged(np.arange(27.0).reshape(3, 3, 3), 3).item() == 13
    np.testing.assert_allclose(grid_change(3, (1, 0, 0)) @ [0, 0, 0, 1], [4, 1, 1, 1])
