"""The first day on a GPU in under nine minutes: everything that only a GPU can tell, in one command, part by part.

    python benchmarks/gpu_day.py --out gpu_day.json                       # on one H100, no network
    python benchmarks/gpu_day.py --parts doctor conv --out gpu_day.json   # some parts again; the others are kept

- doctor: `ldae doctor`, and the rate of a large matrix product in bf16;
- conv: 3-D convolutions at the hot shapes, bf16 and fp16, channels first and last, cudnn.benchmark off and on;
- trainings: 20 optimizer steps and one validation of each of the six at the paper's size: scans/s, MFU, peak memory
  beside the counted;
- resume: a small training, stopped after its first step and continued, against one that was not: are the bytes the
  same, with and without `training.deterministic`, and what does that cost;
- samplers: T=100 DDIM and 20 steps of DPM-Solver++, batch 1 and 8, and decoding;
- brains: what time is left trains stage 1 on given volumes (--volumes FILE.npz, array `volumes` (N, X, Y, Z) uint8):
  SSIM of the last six beside that of the mean volume.

The JSON is written after every part, so that a run that is cut keeps what it has. It runs under the versions of
requirements.lock and under PyTorch 2.11 with Python 3.12; docs/performance.md says what to carry to a machine without
a network.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import bench_gpu
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from ldae import config
from ldae.commands.doctor import findings
from ldae.core.errors import Interrupted
from ldae.core.files import read_json, write_json
from ldae.core.store import open_store, write_store
from ldae.inference.device import device_name, one_thread, pick_device
from ldae.inference.model_folder import Loaded, initial_representation
from ldae.inference.pipeline import LDAE
from ldae.inference.readers import Volumes
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.operations import teraflops
from ldae.networks.unet import UNet
from ldae.training import memory
from ldae.training.loop import train
from ldae.training.stages.autoencoder import AutoencoderStage
from ldae.training.stages.stage import ssim
from ldae.training.trainer import Trainer

HERE = Path(__file__).parents[1] / "config"
PAPER = [HERE / "config.yaml", HERE / "gpu_80gb.yaml"]
SMALL = [HERE / "config.yaml", HERE / "small_networks.yaml", HERE / "demo.yaml"]
MINUTES, STEPS, HELD_OUT = 9.0, 20, 6
SHAPES = {  # (channels, x, y, z) of the convolutions that take most of the work
    "autoencoder, finest": (64, 128, 160, 128),
    "autoencoder, half": (128, 64, 80, 64),
    "UNet, finest, 64 scans": (256, 16, 20, 16),
    "DAE, finest": (64, 112, 128, 112),
}


class Day:
    """One run: what was asked for, the clock, and the JSON."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.device, self.started = options, pick_device(), time.perf_counter()
        self.settings = config.load_config(*options.config)
        self.found: dict[str, Any] = read_json(options.out) if options.out.is_file() else {}

    @property
    def left(self) -> float:
        """Seconds."""
        return 60 * self.options.minutes - (time.perf_counter() - self.started)

    def keep(self, part: str, result: Any) -> None:
        about = {"device": device_name(self.device), "torch": torch.__version__, "python": sys.version.split()[0]}
        self.found |= about | {part: result}
        write_json(self.options.out, self.found)

    def seconds(self, call: Callable[[], object], repeats: int = 3) -> float:
        """The median of the repeats, after one call that does not count, to the end of the GPU's work."""
        call()
        times = []
        for _ in range(repeats):
            self.wait()
            started = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak(self) -> float | None:
        """GiB since the last call."""
        if self.device.type != "cuda":
            return None
        found = torch.cuda.max_memory_allocated(self.device) / 2**30
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        return found


def doctor(day: Day) -> Any:
    """What the machine has, and what a matrix product reaches."""
    rate = bench_gpu.matmul_tflops(day.device, half=True)
    return {"findings": [asdict(one) for one in findings(day.settings)], "matmul_tflops": rate}


def conv(day: Day) -> Any:
    """Seconds and TFLOP/s of one forward and backward pass of a 3 x 3 x 3 convolution."""
    rows = []
    orders = {"NCDHW": torch.contiguous_format, "NDHWC": torch.channels_last_3d}
    kinds = (torch.bfloat16, torch.float16) if day.device.type == "cuda" else (torch.bfloat16,)
    for name, (channels, *size) in SHAPES.items():
        size = [max(4, int(side * day.options.scale)) for side in size]
        scans = 64 if "64 scans" in name and day.device.type == "cuda" else 1
        for kind, order, benchmark in product(kinds, orders, (False, True)):
            torch.backends.cudnn.benchmark = benchmark
            x = torch.randn(scans, channels, *size, device=day.device, dtype=kind).to(memory_format=orders[order])
            weight = torch.randn(channels, channels, 3, 3, 3, device=day.device, dtype=kind)
            weight = weight.to(memory_format=orders[order]).requires_grad_()

            x.requires_grad_()

            def both(x=x, weight=weight) -> None:
                F.conv3d(x, weight, padding=1).sum().backward()

            spent = day.seconds(both)
            work = 3 * 2 * 27 * scans * channels**2 * float(np.prod(size)) / 1e12
            row = {"shape": name, "type": str(kind).removeprefix("torch."), "order": order, "benchmark": benchmark}
            rows.append(row | {"seconds": spent, "tflops": work / spent})
    torch.backends.cudnn.benchmark = False
    day.peak()
    return rows


def trainings(day: Day) -> Any:
    """Steps and one validation of every training, at its configured batch; cut short where they are slow."""
    costs, rate = teraflops(day.settings, plain=True).trainings(), bench_gpu.matmul_tflops(day.device, half=True)
    rows: dict[str, Any] = day.found.get("trainings", {})
    with tempfile.TemporaryDirectory() as folder:
        stages = bench_gpu.Stages(day.settings, Path(folder), day.device)
        for name in day.options.stages:
            settings = stages.training(name)
            day.peak()
            trainer = Trainer(stages.make(name), settings, bench_gpu.SEED)
            trainer.advance()
            day.wait()
            started, steps = time.perf_counter(), 0
            while steps < day.options.steps and (not steps or time.perf_counter() - started < day.options.seconds):
                trainer.advance()
                steps += 1
            spent = time.perf_counter() - started
            stepping, scans = day.peak(), steps * settings.batch / spent
            validating = time.perf_counter()
            metrics = trainer.validate()
            day.wait()
            rows[name] = {
                "steps": steps,
                "micro_batch": trainer.micro_batch,
                "scans_per_second": scans,
                "mfu": costs[f"train_{name}"] * scans / rate,
                "peak_gib": stepping,
                "counted_gib": memory.need(getattr(memory, name)(day.settings)).total,
                "validation_seconds": time.perf_counter() - validating,
                "validation_peak_gib": day.peak(),
                "metrics": metrics,
            }
            del trainer
            day.keep("trainings", rows)  # after every stage
    return rows


def resume(day: Day) -> Any:
    """Two whole runs and one that was stopped: equal or not, for every stage of the small networks."""
    small, rows = config.load_config(*SMALL), []
    plain = config.Launch(pictures_every=0)  # an image may have no matplotlib
    stopped = plain.model_copy(update={"stop_margin_seconds": 1e6})
    chain = [name for name in ("autoencoder", "diffusion", "representation") if name in day.options.stages]
    for name, chosen in product(chain, (False, True)):
        with tempfile.TemporaryDirectory() as folder:
            places = iter(range(9))
            changes = {"steps": 6, "validate_every": 3, "deterministic": chosen}
            settings = getattr(small, name).training.model_copy(update=changes)

            def run(place: Path, launch=plain, settings=settings, name=name, folder=folder, places=places) -> dict:
                stages = bench_gpu.Stages(small, Path(folder) / str(next(places)), day.device)
                return train(stages.make(name), settings, 1, place, {}, launch).weights

            root = Path(folder)
            started = time.perf_counter()
            whole, again = run(root / "whole"), run(root / "again")
            spent = (time.perf_counter() - started) / 2
            os.environ["LDAE_STOP_AT"] = str(time.time() + 1)
            try:
                run(root / "parts", stopped)
            except Interrupted:
                pass
            finally:
                del os.environ["LDAE_STOP_AT"]
            parts = run(root / "parts")
            rows.append(
                {
                    "stage": name,
                    "deterministic": chosen,
                    "two_runs_equal": _equal(whole, again),
                    "stopped_and_whole_equal": _equal(whole, parts),
                    "seconds": spent,
                }
            )
    return rows


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def samplers(day: Day) -> Any:
    """Seconds per scan of sampling and of decoding, and peak memory; random weights."""
    ldae, rows = untrained(day), []
    for (solver, steps), batch in product((("ddim", day.options.timesteps), ("dpmpp_2m", 20)), (1, 8)):
        sampler = ldae.with_sampling(solver, steps)
        noise = sampler.noise([str(number) for number in range(batch)], 1)
        code = torch.zeros(batch, ldae.dimension, device=day.device)
        day.peak()
        spent = day.seconds(lambda one=sampler, x=noise, y=code: one.sample(x, y), repeats=1) / batch
        rows.append({"solver": solver, "steps": steps, "batch": batch, "seconds": spent, "peak_gib": day.peak()})
    latent = ldae.noise(["one"], 1)
    spent = day.seconds(lambda: ldae.decode_latent(latent))
    return [*rows, {"solver": "decode", "steps": 1, "batch": 1, "seconds": spent, "peak_gib": day.peak()}]


def untrained(day: Day) -> LDAE:
    """The chain of the configuration with the weights it begins with."""
    settings, device = day.settings, day.device
    autoencoder = build_autoencoder(settings.autoencoder).requires_grad_(False).eval()
    unet = UNet(settings.diffusion.model_copy(update={"prior": "none"}), settings.latent_shape[0])
    sizes = {"scale_factor": 1.0, "latent_shape": list(settings.latent_shape), "seed": 1}
    parts: dict[str, Loaded] = {
        "autoencoder": Loaded(autoencoder, {"settings": settings.section("autoencoder")}, "a"),
        "diffusion": Loaded(
            unet.requires_grad_(False).eval(), {"settings": settings.section("diffusion")} | sizes, "b"
        ),
    }
    described = {"settings": settings.section("representation")} | sizes
    network = initial_representation(described, parts["diffusion"]).requires_grad_(False).eval()
    sampling = config.Sampling(steps=day.options.timesteps)
    return LDAE(*parts.values(), Loaded(network, described, "c"), settings.method, sampling, device)


def brains(day: Day) -> Any:
    """Stage 1 on given volumes until the time is up; SSIM of the held-out ones beside the mean volume's."""
    if day.options.volumes is None:
        return "no --volumes given"
    volumes = np.load(day.options.volumes)["volumes"]
    with tempfile.TemporaryDirectory() as folder:
        names = [f"sub-{number:03d}" for number in range(len(volumes))]
        index = pd.DataFrame({"participant_id": names, "session_id": "ses-M000"})
        write_store(Path(folder) / "volumes", volumes, index, dtype="uint8")
        store, last = open_store(Path(folder) / "volumes"), len(volumes) - HELD_OUT
        rows = np.arange(last), np.arange(last, len(volumes))
        stage = AutoencoderStage(day.settings.autoencoder, *(Volumes(store, part, day.device) for part in rows), 1)
        trainer, started = Trainer(stage, day.settings.autoencoder.training, 1), time.perf_counter()
        while day.left > day.options.reserve or trainer.step < 1:
            trainer.advance()
        spent = time.perf_counter() - started
        scores = trainer.validate()
    mean = torch.from_numpy(volumes[:last].mean(axis=0, dtype=np.float32) / 255)[None, None]
    held_out = torch.from_numpy(volumes[last:].astype(np.float32) / 255)[:, None]
    rival = float(ssim(held_out, mean.expand_as(held_out)).mean())
    return {"steps": trainer.step, "seconds": spent, "validation": scores, "mean_volume_ssim": rival}


PARTS = {part.__name__: part for part in (doctor, conv, trainings, resume, samplers, brains)}


@one_thread()  # as every rule of the workflow
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu_day.json"))
    parser.add_argument("--config", type=Path, nargs="+", default=PAPER, help="files, each over the one before")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--stages", nargs="+", choices=bench_gpu.NAMES, default=bench_gpu.NAMES)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no part begins later")
    parser.add_argument("--steps", type=int, default=STEPS, help="of every training")
    parser.add_argument("--seconds", type=float, default=30.0, help="of every training at most, where steps are slow")
    parser.add_argument("--timesteps", type=int, default=100, help="of DDIM")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sides of the convolutions (tests)")
    parser.add_argument("--volumes", type=Path, help="packed brains for the last part")
    parser.add_argument("--reserve", type=float, default=20.0, help="seconds kept for the last validation")
    day = Day(parser.parse_args(arguments))
    for name in day.options.parts:
        if day.left <= 0:
            print(f"{name}: no time left", flush=True)
            continue
        started = time.perf_counter()
        try:
            result = PARTS[name](day)
        except Exception as error:  # the other parts still tell what they can
            result = {"failed": f"{type(error).__name__}: {error}"}
        day.keep(name, result)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    return int(any("failed" in str(day.found.get(name))[:12] for name in day.options.parts))


if __name__ == "__main__":
    sys.exit(main())
