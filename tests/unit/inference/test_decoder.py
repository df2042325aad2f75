"""How many scans go through a network at once."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ldae.inference.decoder import Decoder

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

from toy_cohort import BOX, SHAPE, LinearLDAE, toy_dae

VOLUME_PASSES = ("autoencode", "encode_latent", "decode_latent", "encode_semantic")


class Watched(LinearLDAE):
    """Notes how many scans each of its methods was given."""

    def __init__(self):
        super().__init__()
        self.seen = {}
        for name in (*VOLUME_PASSES, "invert", "sample"):
            setattr(self, name, self._watched(name, getattr(self, name)))

    def _watched(self, name, method):
        def call(first, *others):
            self.seen.setdefault(name, []).append(len(first))
            return method(first, *others)

        return call


@pytest.mark.parametrize("volumes", [1, 2])
def test_volumes_go_through_the_networks_few_at_once_and_latents_by_the_batch(volumes):
    ldae, rng = Watched(), np.random.default_rng(0)
    decoder = Decoder(ldae, 4, volumes)
    x = rng.random((5, 1, *SHAPE), dtype=np.float32)
    names = [f"scan-{i}" for i in range(5)]
    y, z = decoder.encode_semantic(x), decoder.encode_mean(x)
    x_T = decoder.invert(z, y)
    made = decoder.generate(x_T, y)
    decoder.autoencode(x, names)
    assert ldae.seen["invert"] == ldae.seen["sample"] == [4, 1]
    for name in VOLUME_PASSES:
        assert max(ldae.seen[name]) == volumes and not sum(ldae.seen[name]) % 5, name
    whole = LinearLDAE()
    latents = whole.sample(torch.from_numpy(x_T), torch.from_numpy(y))
    assert np.abs(made - whole.decode_latent(latents).numpy()).max() < 1e-5


def test_the_voxel_space_baseline_takes_few_volumes_at_once():
    dae, seen = toy_dae(None, 2), []
    dae.network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    x = np.random.default_rng(0).random((5, 1, *BOX), dtype=np.float32)
    y = dae.encode(x)
    dae.generate(dae.invert(x, y), y, encoded=True)
    assert set(seen) == {2, 1}
