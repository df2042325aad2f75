"""No study holds the volumes of a cohort: the memory of each is measured on many small and on a few large ones.

Every allocation of NumPy is counted (tracemalloc), so nothing depends on the machine. A study declares what it holds:
so many volumes, whatever the cohort, and so many bytes of rows and codes for every scan.
"""

import dataclasses
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import toy_cohort
from torch import Tensor
from torch.nn import functional as F

from ldae.config import Arithmetic, Evaluation, Method, Sampling
from ldae.core.store import open_store, write_store
from ldae.inference.pipeline import MAIN, CodeKey
from ldae.preprocessing.pack import pack_volumes_dae
from ldae.studies.common.feature_sets import measured_volumes, voxel_gram
from ldae.studies.common.inputs import Inputs, open_inputs
from ldae.studies.efficiency.measure import timings
from ldae.studies.interpolation.measure import run_interpolation
from ldae.studies.manipulation.measure import run_manipulation
from ldae.studies.reconstruction.measure import run_reconstruction
from ldae.studies.reconstruction.solvers import run_solvers
from ldae.studies.samples.measure import run_samples
from ldae.studies.samples.variation import run_variation

SIZES = {"2,000 small": ((32, 40, 32), 6.0, 2000, 24), "20 of the paper's size": ((128, 160, 128), 1.5, 20, 6)}
VOLUMES = 60  # float32 volumes that a study may hold, its pictures included: 0.6 GB at the paper's size
PER_SCAN = 12_000  # bytes of rows, codes and inner products of every scan of the cohort
SETTINGS = Evaluation(
    sampling=Sampling(steps=2),
    batch=2,
    bootstrap=20,
    folds=2,
    variations=3,
    samples=100,
    dae_scans=4,
    max_triplets=6,
    calibration_scans=40,
    efficiency_repeats=1,
    directions=["probe"],
    probabilities=[0.1, 0.9],
    dose_probabilities=[0.5],
    alphas=[1],
)


class BlockLDAE:
    """Latents are means of blocks of 8 voxels a side, y the means of six slabs; a sampler adds what y says."""

    device, method, sampling = torch.device("cpu"), Method(), Sampling(steps=2)
    arithmetic = Arithmetic()
    digest, unconditional_digest, autoencoder_digest = "linear", "linear, unconditional", "doubling"
    dimension, scale_factor, network_calls = 6, 1.0, 2

    def __init__(self, shape: tuple[int, ...]):
        self.digests = {"autoencoder": "doubling", "diffusion": "linear", "representation": "linear"}
        self.latent_shape = (1, *(size // 8 for size in shape))
        self.encoder = self.autoencoder = self.estimator = torch.nn.Identity()
        self.estimator.trunk = torch.nn.Identity()

    def with_sampling(self, solver: str, steps: int) -> "BlockLDAE":
        other = object.__new__(BlockLDAE)
        other.__dict__.update(self.__dict__, sampling=Sampling(solver=solver, steps=steps))
        return other

    def posterior_noise(self, ids: list[str]) -> None:
        return None

    def encode_latent(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        return F.avg_pool3d(x, 8)

    def decode_latent(self, z: Tensor) -> Tensor:
        return F.interpolate(z, scale_factor=8)

    def autoencode(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        return self.decode_latent(self.encode_latent(x))

    def encode_semantic(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(x, (1, 1, 6)).flatten(1)

    def invert(self, z: Tensor, y: Tensor | None) -> Tensor:
        return z if y is None else z - y.mean(1).view(-1, 1, 1, 1, 1)

    def sample(self, x_T: Tensor, y: Tensor | None) -> Tensor:
        return x_T if y is None else x_T + y.mean(1).view(-1, 1, 1, 1, 1)

    def noise(self, ids: list[str], seed: int) -> Tensor:
        draws = [np.random.default_rng([seed, *name.encode()]).standard_normal(self.latent_shape) for name in ids]
        return torch.from_numpy(np.stack(draws).astype(np.float32))


def cohort_table(scans: int, test: int) -> pd.DataFrame:
    """Subjects with two scans, those of the test split with three."""
    rows, number = [], 0
    while len(rows) < scans:
        split = "test" if len(rows) < test else ("validation" if number % 7 == 3 else "train")
        for visit in range(3 if split == "test" else 2):
            keys = (f"sub-{number:04d}", f"ses-M{12 * visit:03d}", 12 * visit, 65 + number % 20 + visit)
            rows.append((*keys, ("CN", "AD")[number % 2], split))
        number += 1
    names = ["participant_id", "session_id", "months", "age", "diagnosis", "split"]
    return pd.DataFrame(rows[:scans], columns=names).assign(sex="F")


@pytest.fixture(scope="module", params=SIZES)
def cohort(request, tmp_path_factory):
    """Inputs, the chain, the baseline and the bytes of a float32 volume."""
    shape, spacing, scans, test = SIZES[request.param]
    store = tmp_path_factory.mktemp("results") / "store"
    toy_cohort.write_models(store.parent / "train")
    table, rng, ldae = cohort_table(scans, test), np.random.default_rng(0), BlockLDAE(shape)
    keys = table[["participant_id", "session_id"]]
    corner = np.array(toy_cohort.CENTRE) - spacing * (np.array(shape) - 1) / 2
    affine = np.vstack([np.column_stack([spacing * np.eye(3), corner]), [0, 0, 0, 1]]).tolist()
    radius = sum(axis**2 for axis in np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    head = np.where(radius < 0.8, 150 - 100 * (radius < 0.1), 0)

    def volume(place: int) -> np.ndarray:
        return np.where(head > 0, head + place % 60 + rng.integers(0, 9, shape), 0).astype(np.uint8)

    index = table.drop(columns="split").assign(determinant=1.0, field_strength=3.0)
    write_store(store / "volumes", map(volume, range(scans)), index, dtype="uint8", affine=affine, spacing_mm=spacing)
    packed = open_store(store / "volumes")
    facts = {"scans": packed.scans, "volumes": packed.digest}
    box = tuple(size // 2 - 2 for size in shape)
    pack_volumes_dae(store / "volumes", box, 2, store / "volumes_dae")
    x = [torch.from_numpy(packed.volumes([row]))[:, None] for row in range(scans)] if scans < 100 else None

    def volume_of(row: int) -> Tensor:
        return torch.from_numpy(packed.volumes([row]))[:, None] if x is None else x[row]

    z = np.concatenate([ldae.encode_latent(volume_of(row)).numpy() for row in range(scans)])
    y = np.concatenate([ldae.encode_semantic(volume_of(row)).numpy() for row in range(scans)])
    latents = np.stack([z, np.zeros_like(z)], axis=1)
    write_store(store / "latents", latents, index, scale_factor=1.0, autoencoder=ldae.autoencoder_digest, **facts)
    codes = store / "codes"
    write_store(codes / "y_sem", y, keys, model=ldae.digest, **facts)
    write_store(codes / "y_sem_untrained", y, keys, model="untrained", untrained=ldae.digest, **facts)
    write_store(codes / "y_dae", y[:, :3], keys, model="known", **facts)
    rows = np.flatnonzero(table["split"] == "test")
    for conditional, name in MAIN.items():
        key = CodeKey.of(ldae, conditional)
        meta = {"model": key.model, "conditional": conditional, "solver": key.solver, "steps": key.steps, "method": {}}
        meta |= {"latents": open_store(store / "latents").digest, "y_sem": open_store(codes / "y_sem").digest}
        meta |= {"scans": [packed.scans[row] for row in rows]}
        given = torch.from_numpy(z[rows]), torch.from_numpy(y[rows]) if conditional else None
        write_store(codes / name, ldae.invert(*given).numpy(), keys.iloc[rows].reset_index(drop=True), **meta)
    before, toy_cohort.BOX = toy_cohort.BOX, box
    dae = toy_cohort.toy_dae(store, 1).with_sampling(Sampling(steps=2))
    toy_cohort.BOX = before
    splits = table[["participant_id", "split"]].drop_duplicates()
    return open_inputs(store, splits), ldae, dae, 4 * int(np.prod(shape))


def run_features(ldae, dae, inputs: Inputs, out: Path) -> None:
    """What of :func:`feature_sets` reads volumes; the regions of 100 scans, as each takes a tenth of a second."""
    voxel_gram(inputs, SETTINGS.batch)
    measured_volumes(dataclasses.replace(inputs, scans=inputs.scans.head(100)), SETTINGS.batch)


def run_moves(ldae, dae, inputs: Inputs, out: Path) -> None:
    probe = {"mean": [0.0] * 6, "std": [0.1] * 6, "weight": [1.0] * 6, "bias": 0.0, "penalty": 1.0, "imported": "none"}
    (out / "probe.json").write_text(json.dumps(probe))
    run_manipulation(ldae, inputs, out / "probe.json", SETTINGS, 1, out)


STUDIES = {
    "fit_probes and eval_probe_checks": run_features,
    "eval_reconstruction": lambda ldae, dae, inputs, out: run_reconstruction(ldae, dae, inputs, SETTINGS, 1, out),
    "eval_solvers": lambda ldae, dae, inputs, out: run_solvers(ldae, dae, inputs, SETTINGS, 1, out),
    "eval_interpolation": lambda ldae, dae, inputs, out: run_interpolation(ldae, inputs, SETTINGS, 1, out),
    "eval_manipulation": run_moves,
    "eval_samples": lambda ldae, dae, inputs, out: run_samples(ldae, inputs, SETTINGS, 1, out),
    "eval_variation": lambda ldae, dae, inputs, out: run_variation(ldae, inputs, SETTINGS, 1, out),
    "eval_efficiency": lambda ldae, dae, inputs, out: timings(ldae, dae, inputs, SETTINGS, 1),
    "pack_volumes_dae": lambda ldae, dae, inputs, out: pack_volumes_dae(
        inputs.store / "volumes", tuple(dae.shape), 2, out / "again"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_holds_no_more_than_it_declares(cohort, study, tmp_path):
    inputs, ldae, dae, volume = cohort
    scans = len(inputs.scans)
    tracemalloc.start()
    STUDIES[study](ldae, dae, inputs, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{study}, {scans} scans: {peak / 1e6:.0f} MB, {peak / volume:.1f} volumes")
    # The voxel PCA has its own budget of voxels, and a product of all scans with each other in two precisions.
    pca = 2**28 + 20 * scans**2 if study.startswith("fit_probes") else 0
    assert peak < VOLUMES * volume + PER_SCAN * scans + pca
    assert VOLUMES * volume + PER_SCAN * scans < scans * volume or scans < 100  # all volumes would be more
