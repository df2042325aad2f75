"""A small cohort of analytic brains and a linear LDAE whose answers are known in closed form."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ldae.config import Conform, Evaluation, Sampling
from ldae.evaluation.inputs import Inputs, open_inputs
from ldae.store import write_store

SHAPE, SPACING = (16, 20, 16), 8.0
DIMENSION = 6


class LinearLDAE:
    """Identity autoencoder (latents doubled), y = projection of the volume, sampler x_T -> x_T + B y, exactly inverted."""

    device = torch.device("cpu")
    latent_shape = (1, *SHAPE)

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        size = int(np.prod(SHAPE))
        self.projection = torch.randn(size, DIMENSION, generator=generator) / size**0.5
        self.basis = 0.02 * torch.randn(DIMENSION, size, generator=generator)

    def autoencode(self, x: Tensor) -> Tensor:
        return self.decode_latent(self.encode_latent(x))

    def encode_latent(self, x: Tensor) -> Tensor:
        return 2 * x

    def decode_latent(self, z: Tensor) -> Tensor:
        return z / 2

    def encode_semantic(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.projection

    def shift(self, y: Tensor | None) -> Tensor | float:
        return 0.0 if y is None else (y @ self.basis).view(-1, *self.latent_shape)

    def invert(self, z: Tensor, y: Tensor | None) -> Tensor:
        return z - self.shift(y)

    def sample(self, x_T: Tensor, y: Tensor | None) -> Tensor:
        return x_T + self.shift(y)

    def noise(self, ids: list[str], seed: int) -> Tensor:
        draws = [np.random.default_rng([seed, *name.encode()]).standard_normal(self.latent_shape) for name in ids]
        return torch.from_numpy(np.stack(draws).astype(np.float32))


def brain(ventricle: float, texture: np.ndarray) -> np.ndarray:
    """(X, Y, Z) an ellipsoid of tissue 0.8 with a darker one of relative size ``ventricle`` inside."""
    axes = [np.linspace(-1, 1, size) for size in SHAPE]
    radius = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
    volume = np.where(radius < 0.9, 0.8 + 0.05 * texture, 0.0)
    return np.clip(np.where(radius < ventricle, 0.2, volume), 0, 1)


def cohort_table() -> pd.DataFrame:
    """30 subjects, three classes in turn, two visits, every fifth one three; a third of them test."""
    rows = []
    for number in range(30):
        diagnosis = ("CN", "AD", "MCI")[number % 3]
        split = ("train", "train", "test")[number // 3 % 3] if number else "validation"
        for months in (0, 12, 24)[: 3 if number % 5 == 3 or number == 6 else 2]:
            rows.append(
                (f"sub-{number:02d}", f"ses-M{months:03d}", months, 65 + number / 2 + months / 12, diagnosis, split)
            )
    names = ["participant_id", "session_id", "months", "age", "diagnosis", "split"]
    return pd.DataFrame(rows, columns=names).assign(sex="F")


def write_cohort(store: Path) -> tuple[LinearLDAE, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    table, rng, ldae = cohort_table(), np.random.default_rng(0), LinearLDAE()
    stage = table["diagnosis"].map({"CN": 0, "MCI": 1, "AD": 2}) + rng.normal(0, 0.3, len(table))
    size = 0.1 + 0.05 * stage.clip(lower=0)
    keys = table[["participant_id", "session_id"]]
    volumes = [np.rint(255 * brain(v, rng.standard_normal(SHAPE))).astype(np.uint8) for v in size]
    write_store(store / "volumes", volumes, keys, dtype="uint8")
    x = torch.from_numpy(np.stack(volumes).astype(np.float32) / 255)[:, None]
    y = ldae.encode_semantic(x)
    write_store(store / "codes" / "y_sem", y.numpy(), keys)
    write_store(store / "codes" / "y_sem_untrained", rng.standard_normal(y.shape).astype(np.float32), keys)
    test = np.flatnonzero(table["split"] == "test")
    z, test_keys = ldae.encode_latent(x[test]), keys.iloc[test].reset_index(drop=True)
    write_store(store / "codes" / "x_T", ldae.invert(z, y[test]).numpy(), test_keys)
    write_store(store / "codes" / "x_T_unconditional", ldae.invert(z, None).numpy(), test_keys)
    truth = keys.assign(
        ventricle_ml=100 * size, hippocampus_l_ml=3.0 - size, icv_ml=1500.0, cortical_loss=0.1, caps=0.2
    )
    splits = table[["participant_id", "split"]].drop_duplicates()
    return ldae, table, splits, truth


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[LinearLDAE, Inputs]:
    store = tmp_path_factory.mktemp("store")
    ldae, scans, splits, truth = write_cohort(store)
    conform = Conform(shape=SHAPE, spacing_mm=SPACING, centre_mm=(0, -10, 15))
    scale = truth[["participant_id", "session_id"]].assign(determinant=2.0)
    return ldae, open_inputs(store, scans, splits, conform, truth, scale)


@pytest.fixture(scope="session")
def settings() -> Evaluation:
    return Evaluation(sampling=Sampling(steps=2), batch=4, scans_per_subject=2, bootstrap=200, folds=3, variations=3)
