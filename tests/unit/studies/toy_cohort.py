"""A small cohort of analytic brains and a linear LDAE whose answers are known in closed form."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ldae.config import Arithmetic, Dae, Method, Sampling
from ldae.core.files import write_json
from ldae.core.store import open_store, write_store
from ldae.diffusion.schedule import Schedule
from ldae.inference.decoder import DaeDecoder
from ldae.inference.model_folder import Loaded
from ldae.inference.pipeline import MAIN, CodeKey
from ldae.networks.dae import DiffusionAutoencoder
from ldae.preprocessing.pack import pack_volumes_dae

SHAPE, SPACING, CENTRE = (16, 20, 16), 8.0, (0.0, -10.0, 15.0)
BOX = (8, 8, 6)  # of the voxel-space baseline, after averaging by 2
SOLVERS = [("ddim", 20), ("dpmpp_2m", 5), ("ddim", 5), ("ddim", 10)]
DIMENSION = 6


class LinearLDAE:
    """An LDAE in closed form: latents are doubled volumes, y = Q' x with orthonormal Q, and
    sample(x_T, y) = 0.1 x_T + 2 (Q y + template outside Q), which ``invert`` undoes exactly.

    The first column of Q is the rim of the ventricles, so the first entry of y falls as they grow.
    """

    device, method, sampling = torch.device("cpu"), Method(), Sampling(steps=20)
    arithmetic = Arithmetic()
    latent_shape, dimension = (1, *SHAPE), DIMENSION
    digest, unconditional_digest, autoencoder_digest = "linear", "linear, unconditional", "doubling"
    missed, scale_factor = 0.0, 2.0
    digests: ClassVar[dict[str, str]] = {"representation": "linear", "diffusion": "linear", "autoencoder": "doubling"}

    @property
    def network_calls(self) -> int:
        return self.sampling.steps

    def __init__(self) -> None:
        rim = ((squared_radius() > 0.1) & (squared_radius() < 0.35)).reshape(-1, 1).astype(float)
        noise = np.random.default_rng(1).standard_normal((rim.size, DIMENSION - 1))
        basis = np.linalg.qr(np.hstack([rim, noise]))[0]
        template = brain(0.15, np.zeros(SHAPE)).ravel()
        self.basis = torch.from_numpy((basis * np.sign(basis[:, :1].sum())).astype(np.float32))
        self.rest = torch.from_numpy((template - basis @ (basis.T @ template)).astype(np.float32))

    def with_sampling(self, solver: str, steps: int) -> "LinearLDAE":
        """A solver that is the worse the fewer its steps: its inversion misses by 1 / steps."""
        other = LinearLDAE()
        other.missed, other.sampling = 1 / steps, Sampling(solver=solver, steps=steps)
        return other

    def autoencode(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        return self.decode_latent(self.encode_latent(x, noise))

    def encode_latent(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        return 2 * x if noise is None else 2 * x + 0.1 * noise

    def posterior_noise(self, ids: list[str]) -> Tensor | None:
        return None if self.method.posterior != "frozen" else self.noise(ids, 0)

    def decode_latent(self, z: Tensor) -> Tensor:
        return z / 2

    def encode_semantic(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.basis

    def expected(self, y: Tensor | None) -> Tensor:
        code = 0.0 if y is None else y @ self.basis.T
        return 2 * (self.rest + code).view(-1, *self.latent_shape)

    def invert(self, z: Tensor, y: Tensor | None) -> Tensor:
        return (1 + self.missed) * (z - self.expected(y)) / 0.1

    def sample(self, x_T: Tensor, y: Tensor | None) -> Tensor:
        return 0.1 * x_T + self.expected(y)

    def noise(self, ids: list[str], seed: int) -> Tensor:
        draws = [np.random.default_rng([seed, *name.encode()]).standard_normal(self.latent_shape) for name in ids]
        return torch.from_numpy(np.stack(draws).astype(np.float32))


class KnownVolume(nn.Module):
    """A voxel-space network that is sure of the volume D(y) behind a code: its noise is what is left of x_t."""

    centred = staticmethod(DiffusionAutoencoder.centred)

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule()
        self.pattern = nn.Parameter(torch.linspace(-0.5, 0.5, int(np.prod(BOX))).view(1, 1, *BOX))

    def volume(self, y: Tensor) -> Tensor:
        """D(y), centred: in [-1, 1]."""
        return self.pattern + 0.4 * torch.tanh(y[:, :1, None, None, None])

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3]

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        a = torch.as_tensor(self.schedule.alpha_bar)[t].view(-1, 1, 1, 1, 1).float()
        return (x - a.sqrt() * self.volume(y)) / (1 - a).sqrt()


def toy_dae(store: Path, batch: int = 4) -> DaeDecoder:
    """The baseline of the toy cohort: 2 x 2 x 2 voxels of ours are one of its own, in a box."""
    training = {"steps": 1, "batch": 1, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 1}
    settings = Dae(factor=2, shape=BOX, multipliers=[1, 2], dimension=3, training=training)
    description = {"settings": settings.model_dump(mode="json"), "inputs": {}}
    network = KnownVolume().requires_grad_(False)
    return DaeDecoder(Loaded(network, description, "known"), Sampling(steps=20), batch, torch.device("cpu"))


def squared_radius() -> np.ndarray:
    """(X, Y, Z) squared distance from the centre, 1 at the middle of each face."""
    return sum(axis**2 for axis in np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij"))


def brain(ventricle: float, texture: np.ndarray) -> np.ndarray:
    """(X, Y, Z) an ellipsoid of tissue (0.8) with a soft-edged one of fluid (0.2) of squared radius ``ventricle``."""
    radius = squared_radius()
    fluid = np.clip((ventricle - radius) / 0.2 + 0.5, 0, 1)
    return np.clip(np.where(radius < 0.9, 0.8 + 0.03 * texture - 0.6 * fluid, 0.0), 0, 1)


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


def write_models(train: Path) -> None:
    """What model.json says of each stage's model, as far as readers of stores ask."""
    made = {"autoencoder": "doubling", "diffusion": "linear, unconditional", "representation": "linear", "dae": "known"}
    inputs = {"diffusion": {"autoencoder": "doubling"}}
    inputs["representation"] = inputs["diffusion"] | {"diffusion": made["diffusion"]}
    for stage in ("supervised_ad", "supervised_age", *made):
        description = {"digest": made.get(stage, stage), "inputs": inputs.get(stage, {})}
        write_json(train / stage / "model.json", description)


def write_cohort(
    store: Path, table: pd.DataFrame | None = None, stage: pd.Series | None = None, texture: float = 1.0
) -> tuple[LinearLDAE, pd.DataFrame, pd.DataFrame]:
    """That of ``cohort_table``, each scan at the stage of its diagnosis and noise; or another, at these stages."""
    write_models(store.parent / "train")
    table = cohort_table() if table is None else table
    rng, ldae = np.random.default_rng(0), LinearLDAE()
    noise = rng.normal(0, 0.3, len(table))
    stage = table["diagnosis"].map({"CN": 0, "MCI": 1, "AD": 2}) + noise if stage is None else stage
    size = 0.1 + 0.05 * stage.clip(lower=0)
    keys = table[["participant_id", "session_id"]]
    index = table.drop(columns="split").assign(determinant=2.0, field_strength=np.where(table.index % 3, 3.0, 1.5))
    corner = np.array(CENTRE) - SPACING * (np.array(SHAPE) - 1) / 2
    affine = np.vstack([np.column_stack([SPACING * np.eye(3), corner]), [0, 0, 0, 1]]).tolist()
    volumes = [np.rint(255 * brain(v, texture * rng.standard_normal(SHAPE))).astype(np.uint8) for v in size]
    write_store(store / "volumes", volumes, index, dtype="uint8", affine=affine, spacing_mm=SPACING)
    latents = np.stack([np.stack(volumes) / 255, np.zeros((len(volumes), *SHAPE))], axis=1)[:, :, None]
    packed = open_store(store / "volumes")
    facts = {"scans": packed.scans, "volumes": packed.digest}
    write_store(store / "latents", latents, index, scale_factor=2.0, autoencoder=ldae.autoencoder_digest, **facts)
    pack_volumes_dae(store / "volumes", BOX, 2, store / "volumes_dae")
    x = torch.from_numpy(np.stack(volumes).astype(np.float32) / 255)[:, None]
    y = ldae.encode_semantic(x)
    codes = store / "codes"
    write_store(codes / "y_sem", y.numpy(), keys, model=ldae.digest, **facts)
    random = rng.standard_normal(y.shape).astype(np.float32)
    write_store(codes / "y_sem_untrained", random, keys, model="untrained", untrained=ldae.digest, **facts)
    random = rng.standard_normal((len(table), 3)).astype(np.float32)
    write_store(codes / "y_dae", random, keys, model="known", **facts)
    for name, output in (("supervised_ad", 3 * (stage - 1)), ("supervised_age", table["age"] + 2)):
        heads = keys.assign(prediction=output.to_numpy())
        made = facts | {"selection": f"best step of {name}"}
        write_store(store / "codes" / name, np.zeros((len(table), 2), np.float32), heads, model=name, **made)
    test = np.flatnonzero(table["split"] == "test")
    z, test_keys = ldae.encode_latent(x[test]), keys.iloc[test].reset_index(drop=True)
    for place, (solver, steps) in enumerate(SOLVERS):
        chosen = ldae if not place else ldae.with_sampling(solver, steps)
        for conditional, main in MAIN.items():
            key = CodeKey.of(chosen, conditional)
            meta = {"model": key.model, "conditional": conditional, "solver": solver, "steps": steps, "method": {}}
            meta |= {"latents": open_store(store / "latents").digest, "y_sem": open_store(codes / "y_sem").digest}
            meta |= {"scans": [packed.scans[row] for row in test]}
            x_T = chosen.invert(z, y[test] if conditional else None).numpy()
            write_store(store / "codes" / (key.name if place else main), x_T, test_keys, **meta)
    truth = keys.assign(
        ventricle_ml=100 * size, hippocampus_l_ml=3.0 - size, icv_ml=1500.0, cortical_loss=0.1, caps=0.2
    )
    splits = table[["participant_id", "split"]].drop_duplicates()
    return ldae, splits, truth
