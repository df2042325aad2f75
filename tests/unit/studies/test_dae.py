"""The voxel-space baseline against hand computation, on its own grid and on ours."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_cohort import BOX, SHAPE

from ldae.config import Sampling
from ldae.core.files import read_tsv
from ldae.inference.decoder import DaeDecoder
from ldae.studies.common.inputs import Inputs


@pytest.fixture
def batch(cohort: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, their volumes on the baseline's grid (B, 1, x, y, z), and their y."""
    inputs: Inputs = cohort[1]
    rows = inputs.rows("test")[:3]
    return rows, inputs.volumes_dae.volumes(rows)[:, None], inputs.code("y_dae", rows)


@pytest.mark.parametrize("sampling", [Sampling(steps=7), Sampling(solver="dpmpp_2m", steps=5)])
def test_decoded_noise_is_what_the_hand_computes(dae: DaeDecoder, batch: tuple, sampling: Sampling) -> None:
    """A network that is sure of D(y) predicts one and the same noise at every step, the one that is left of x_T."""
    _, _, y = batch
    noise = dae.noise(["a", "b", "c"], 1)
    first, last = dae.schedule.alpha_bar[[0, -1]]
    known = dae.network.volume(torch.from_numpy(y)).numpy()
    left = (noise - np.sqrt(last) * known) / np.sqrt(1 - last)
    expected = np.clip((np.sqrt(first) * known + np.sqrt(1 - first) * left + 1) / 2, 0, 1)
    np.testing.assert_allclose(dae.with_sampling(sampling).generate(noise, y, encoded=False), expected, atol=2e-4)


def test_inversion_is_what_the_hand_computes_and_decoding_undoes_it(dae: DaeDecoder, batch: tuple) -> None:
    _, x, y = batch
    first, last = dae.schedule.alpha_bar[[0, -1]]
    known = dae.network.volume(torch.from_numpy(y)).numpy()
    left = (2 * x - 1 - np.sqrt(first) * known) / np.sqrt(1 - first)
    expected = np.sqrt(last) * known + np.sqrt(1 - last) * left
    x_T = dae.invert(x, y)
    np.testing.assert_allclose(x_T, expected, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(dae.generate(x_T, y, encoded=True), x, atol=1e-4)


def test_the_table_rows_are_those_volumes_measured(
    evaluated: Path, cohort: tuple, dae: DaeDecoder, batch: tuple
) -> None:
    inputs, (rows, x, y) = cohort[1], batch
    table = read_tsv(evaluated / "reconstruction" / "scans.tsv", dtype={"session_id": str})
    table = table.set_index(["method", "participant_id", "session_id"])["mse"]
    made = dae.generate(dae.noise([inputs.scan_id(row) for row in rows], 1), y, encoded=False)
    for place, row in enumerate(rows):
        key = tuple(inputs.scans.loc[row, ["participant_id", "session_id"]])
        if ("dae_noise", *key) in table.index:
            own, fine = made[place, 0] - x[place, 0], np.zeros(SHAPE)
            fine[:, 2:18, 2:14] = torch.nn.functional.interpolate(
                torch.from_numpy(made[place : place + 1]), scale_factor=2, mode="trilinear"
            )[0, 0]
            scan = inputs.volumes.volumes(row)
            assert table["dae_noise_own_grid", *key] == pytest.approx(np.mean(own**2), rel=1e-4)
            assert table["dae_noise", *key] == pytest.approx(np.mean((fine - scan) ** 2), rel=1e-4)
            assert table["dae_encoded_own_grid", *key] < 1e-6 < table["dae_encoded", *key]


def test_upsampling_keeps_places_and_is_zero_outside_the_box(dae: DaeDecoder) -> None:
    """A ramp stays the same ramp: block centres are where pack_volumes_dae has put them."""
    ramp = np.broadcast_to(np.arange(SHAPE[0], dtype=np.float32)[:, None, None], SHAPE)
    small = ramp.reshape(8, 2, 10, 2, 8, 2).mean(axis=(1, 3, 5))[:, 1:9, 1:7]
    assert small.shape == BOX
    fine = dae.upsampled(small[None, None], SHAPE)[0, 0]
    np.testing.assert_allclose(fine[1:-1, 2:18, 2:14], ramp[1:-1, 2:18, 2:14], atol=1e-5)
    outside = np.ones(SHAPE, dtype=bool)
    outside[:, 2:18, 2:14] = False
    assert not fine[outside].any()
