"""Every training for a few minutes on the GPU at hand: scans per second, peak memory, utilisation.

The real stages and trainer (optimizer, clipping, average, keyed noise) take steps on random volumes and latents
of the configured size, at the configured batch, micro-batch and precision. Random weights: times do not depend on them.

- MFU: operations of the networks as the paper's code computes them (``ldae plan``) / time / the rate of a large
  matrix product measured in the same run. Without a GPU the product is small and the numbers say only that it runs.
- Peak memory is PyTorch's own count on a GPU (no context); elsewhere nothing is said. Beside it: what ``ldae memory``
  counts for the same micro-batch, its allowance for context and workspaces included.

    make bench-gpu                                              # three minutes per stage
    python benchmarks/bench_gpu.py --config config/config.yaml config/gpu_80gb.yaml --stages diffusion --seconds 60
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae import config
from ldae.core.store import Store, open_store, write_store
from ldae.inference.device import pick_device
from ldae.inference.readers import Latents, Volumes
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.operations import teraflops
from ldae.training import memory as memory_stages
from ldae.training.memory import need
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.stages.dae import DaeStage
from ldae.training.stages.diffusion import DiffusionStage
from ldae.training.stages.representation import RepresentationStage
from ldae.training.stages.stage import Stage
from ldae.training.stages.supervised import Labelled, SupervisedStage
from ldae.training.trainer import Trainer

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
NAMES = tuple(stage.__name__ for stage in memory_stages.STAGES)
SCANS, HELD_OUT, SEED = 16, 2, 1  # random scans in the stores, those of validation, one seed
WARM_UP = 2  # optimizer steps before the clock starts


class Stages:
    """The stages of a configuration on random data below ``folder``."""

    def __init__(self, settings: config.Config, folder: Path, device: torch.device):
        self.settings, self.folder, self.device = settings, folder, device
        subjects = [f"sub-{number:02d}" for number in range(SCANS)]
        self.index = pd.DataFrame({"participant_id": subjects, "session_id": "ses-M000"})
        self.random = np.random.default_rng(SEED)

    def make(self, name: str) -> Stage:
        return getattr(self, f"_{name}")()

    def training(self, name: str) -> config.Training:
        return getattr(self.settings, name).training

    def _autoencoder(self) -> Stage:
        return AutoencoderStage(self.settings.autoencoder, *self._volumes(), SEED)

    def _diffusion(self) -> Stage:
        return DiffusionStage(self.settings.diffusion, self.settings.method, *self._latents(), SEED)

    def _representation(self) -> Stage:
        settings = self.settings
        unet = DiffusionStage(settings.diffusion, settings.method, *self._latents(), SEED).product
        decoder = build_autoencoder(settings.autoencoder)
        return RepresentationStage(
            settings.representation,
            settings.diffusion,
            settings.method,
            unet,
            decoder,
            1.0,
            self._volumes(),
            self._latents(),
            SEED,
        )

    def _dae(self) -> Stage:
        return DaeStage(self.settings.dae, *self._volumes(self.settings.dae.shape), SEED)

    def _supervised_ad(self) -> Stage:
        return self._supervised("ad", torch.arange(SCANS).float() % 2)

    def _supervised_age(self) -> Stage:
        return self._supervised("age", 60 + torch.arange(SCANS).float())

    def _supervised(self, target: str, labels: torch.Tensor) -> Stage:
        settings = config.Representation.model_validate(self.settings.supervised(f"supervised_{target}"))
        subjects, parts = self.index["participant_id"].to_numpy(), []
        for volumes in self._volumes():
            parts.append(Labelled(volumes, labels[volumes.positions], subjects[volumes.positions]))
        return SupervisedStage(settings, target, *parts, SEED)

    def _volumes(self, shape: tuple[int, ...] | None = None) -> tuple[Volumes, Volumes]:
        shape = tuple(shape or self.settings.preprocessing.conform.shape)
        store = self._store("volumes_" + "x".join(map(str, shape)), lambda: self._bytes(shape), dtype="uint8")
        return tuple(Volumes(store, rows, self.device) for rows in _rows())

    def _latents(self) -> tuple[Latents, Latents]:
        store = self._store("latents", lambda: self._posteriors(self.settings.latent_shape), scale_factor=1.0)
        return tuple(Latents(store, rows, self.device) for rows in _rows())

    def _bytes(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.random.integers(0, 256, (SCANS, *shape), dtype=np.uint8)

    def _posteriors(self, shape: tuple[int, ...]) -> np.ndarray:
        values = self.random.standard_normal((SCANS, 2, *shape)).astype(np.float32)
        values[:, 1] = 0.1  # spreads
        return values

    def _store(self, name: str, make, **meta) -> Store:
        path = self.folder / name
        if not (path / "store.json").is_file():
            write_store(path, make(), self.index, **meta)
        return open_store(path)


def _rows() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(SCANS - HELD_OUT), np.arange(SCANS - HELD_OUT, SCANS)


def measure(stage: Stage, training: config.Training, seconds: float) -> dict[str, float]:
    """Optimizer steps until the time is up, at least one.

    Returns:
        steps, seconds, scans per second and, on a GPU, the peak of allocated memory in GiB.
    """
    trainer, gpu = Trainer(stage, training, SEED), stage.device.type == "cuda"
    for _ in range(WARM_UP):
        trainer.advance()
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started, steps = time.perf_counter(), 0
    while not steps or time.perf_counter() - started < seconds:
        step = trainer.advance()  # waits for its losses, and so for the GPU
        steps += 1
        if step.skipped:
            raise RuntimeError(f"{stage.name}: a loss or gradient is not finite: {step.losses}")
    spent = time.perf_counter() - started
    found = {"steps": steps, "seconds": spent, "scans_per_second": steps * training.batch / spent}
    found["micro_batch"] = trainer.micro_batch  # half of the configured one, had it not fitted
    if gpu:
        found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return found


def matmul_tflops(device: torch.device, half: bool) -> float:
    """What a large matrix product reaches here, best of five."""
    gpu = device.type == "cuda"
    size, kind = 8192 if gpu else 512, torch.bfloat16 if half and gpu else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    times = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(10):
            a @ b
        if gpu:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - started) / 10)
    return 2 * size**3 / min(times[1:]) / 1e12


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, nargs="+", default=[CONFIG], help="files, each over the one before")
    parser.add_argument("--stages", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--seconds", type=float, default=180.0, help="for each stage, after its warm-up")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    settings, device = config.load_config(*options.config), pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU: times say nothing about a GPU"
    tflops, rows = teraflops(settings, plain=True).trainings(), {}
    print(f"{name}, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        stages = Stages(settings, Path(folder), device)
        for stage in options.stages:
            training = stages.training(stage)
            peak = matmul_tflops(device, training.precision == "bf16")
            counted = need(getattr(memory_stages, stage)(settings)).total
            row = measure(stages.make(stage), training, options.seconds)
            rate = tflops[f"train_{stage}"] * row["scans_per_second"]
            row |= {"counted_gib": counted, "tflops": rate, "matmul_tflops": peak, "mfu": rate / peak}
            rows[stage] = row
            print(line(stage, row), flush=True)
            if device.type == "cuda":
                torch.cuda.empty_cache()
    if options.json:
        options.json.write_text(json.dumps({"device": name, "torch": torch.__version__, "stages": rows}, indent=2))
    return 0


def line(stage: str, row: dict[str, float]) -> str:
    peak = f"{row['peak_gib']:6.1f}" if "peak_gib" in row else "   n/a"
    return (
        f"{stage:15} micro-batch {row['micro_batch']:3d}  {row['scans_per_second']:9.3f} scans/s  "
        f"peak {peak} GiB (counted {row['counted_gib']:.1f})  {row['tflops']:8.2f} TFLOP/s  "
        f"MFU {row['mfu']:.1%} of {row['matmul_tflops']:.1f}  [{row['steps']} steps, {row['seconds']:.0f} s]"
    )


if __name__ == "__main__":
    sys.exit(main())
