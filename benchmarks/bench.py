"""Ours beside the reference's choices, as ratios of one run: ``make bench``.

    python benchmarks/bench.py [--only C1 C3 ...] [--out FILE]

Where a number can be counted (network calls, operations, bytes, casts) it is; the others are the least of several
interleaved repetitions. The reference's choices are in ``benchmarks/reference.py``. Writes one JSON file for each
machine and ends with status 1 when a *counted* target is missed; times are told, and judged by nobody but the reader.
What takes longer has commands of its own: ``make bench-preprocess`` (SyN, Clinica), ``make bench-gpu``.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ldae.config import Compute, load_config
from ldae.core.store import open_store, write_store
from ldae.diffusion.samplers import SAMPLERS
from ldae.diffusion.schedule import Schedule
from ldae.inference.readers import Latents
from ldae.networks.gradient_estimator import build_shift_branch
from ldae.networks.unet import UNet
from ldae.training.trainer import moving_average

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import bench_dag  # noqa: E402
import paper_scale  # noqa: E402
import reference as choices  # noqa: E402

PAPER = HERE.parent / "config" / "config.yaml"
ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One measure.

    Attributes:
        ours, reference: in ``unit``; no reference where the target is one for ours alone.
        kind, target: of reference / ours (``times``, at least), of ours / reference (``share``, at most) or of ours
            alone (``ours``, at most).
    """

    id: str
    what: str
    unit: str
    ours: float
    reference: float | None
    kind: str
    target: float
    counted: bool

    @property
    def reached(self) -> float:
        if self.kind == "ours" or self.reference is None:
            return self.ours
        return self.reference / self.ours if self.kind == "times" else self.ours / self.reference

    @property
    def met(self) -> bool:
        return self.reached >= self.target if self.kind == "times" else self.reached <= self.target


def least_seconds(*ways: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Of each way the least of ``rounds`` repetitions, in turn; a first one, not counted, warms up."""
    seconds = [math.inf] * len(ways)
    for turn in range(rounds + 1):
        for i, way in enumerate(ways):
            started = time.perf_counter()
            way()
            if turn:
                seconds[i] = min(seconds[i], time.perf_counter() - started)
    return seconds


class Mixture:
    """The exact noise of a mixture of Gaussians, in closed form; counts its calls."""

    def __init__(self, schedule: Schedule, parts: int = 8, size: int = 64, spread: float = 0.2):
        self.schedule, self.spread, self.calls = schedule, spread, 0
        self.centres = torch.randn(parts, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def draw(self, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(2)
        part = torch.randint(len(self.centres), (count,), generator=generator)
        noise = torch.randn(count, self.centres.shape[1], dtype=torch.float64, generator=generator)
        return self.centres[part] + self.spread * noise

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.calls += 1
        alpha_bar = float(self.schedule.alpha_bar[int(t[0])])
        variance = alpha_bar * self.spread**2 + 1 - alpha_bar
        offsets = x[:, None] - math.sqrt(alpha_bar) * self.centres
        weights = torch.softmax(-offsets.square().sum(-1) / (2 * variance), dim=1)
        return math.sqrt(1 - alpha_bar) * (weights[..., None] * offsets).sum(1) / variance


def round_trip(mixture: Mixture, solver: str, steps: int) -> tuple[int, float]:
    """Calls and root mean square error of z -> x_T -> z."""
    sampler, schedule, z = SAMPLERS[solver], mixture.schedule, mixture.draw(256)
    grid, mixture.calls = sampler.grid(steps, schedule), 0
    back = sampler.decode(mixture, sampler.encode(mixture, z, grid, schedule), grid, schedule)
    return mixture.calls, float((back - z).square().mean().sqrt())


def c1_calls_of_a_round_trip() -> Iterator[Row]:
    mixture = Mixture(Schedule.of(load_config(PAPER).diffusion))
    calls, error = round_trip(mixture, "ddim", choices.STEPS)
    ours = next(
        found for steps in range(4, choices.STEPS) if (found := round_trip(mixture, "dpmpp_2m", steps))[1] <= error
    )
    yield Row("C1", "network calls of a round trip as exact as DDIM-100's", "calls", ours[0], calls, "times", 5, True)


def c2_calls_of_the_interpolation() -> Iterator[Row]:
    """30 subjects with seven or eight visits have 1,400 triplets or so; x_T of a visit is found once."""
    schedule, triplets, visits = Schedule.of(load_config(PAPER).diffusion), 1_400, 226
    calls = len(SAMPLERS["dpmpp_2m"].grid(20, schedule)) - 1
    ours = calls * (visits + triplets)
    reference = choices.interpolation_calls(triplets)
    yield Row("C2", "network calls of 1,400 interpolated visits", "calls", ours, reference, "times", 10, True)


def c3_average() -> Iterator[Row]:
    """The stage-3 networks at the paper's size. The reference averages at each of the four micro-batches of a step."""
    config = load_config(PAPER)
    trunk = UNet(config.diffusion, config.autoencoder.latent_channels)
    shift = build_shift_branch(config.diffusion, trunk.channels, config.representation.dimension, trunk)
    both = nn.ModuleList([trunk, shift])
    state = both.state_dict()
    copies = {name: value.clone() for name, value in state.items() if value.is_floating_point()}
    average = moving_average(shift, 0.999)
    assert average is not None
    millions = sum(value.numel() for value in copies.values()) / 1e6
    seconds = least_seconds(
        lambda: average.update_parameters(shift),
        lambda: [choices.update_average(copies, state, 0.999) for _ in range(4)],
        rounds=3,
    )
    yield Row("C3", f"average of a step, {millions:.0f} M parameters", "s", *seconds, "times", 5, False)


def c4_volumes(folder: Path) -> Iterator[Row]:
    conform = load_config(PAPER).preprocessing.conform
    noise = np.random.default_rng(0).random((182, 218, 182), dtype=np.float32)
    head = (gaussian_filter(noise, 3) * 4095).astype(np.int16)
    nib.save(nib.Nifti1Image(head, np.eye(4)), folder / "head.nii.gz")
    volume = choices.read_volume(folder / "head.nii.gz", tuple(conform.shape), conform.spacing_mm)
    index = pd.DataFrame({"participant_id": ["sub-1"], "session_id": ["ses-M000"]})
    write_store(folder / "volumes", [(volume[0].numpy() * 255).round()], index, dtype="uint8")
    store = open_store(folder / "volumes")
    seconds = least_seconds(
        lambda: store.volumes([0]),
        lambda: choices.read_volume(folder / "head.nii.gz", tuple(conform.shape), conform.spacing_mm),
    )
    yield Row("C4", "one volume: store / nii.gz and resampling", "s", *seconds, "times", 100, False)


def c5_latents(folder: Path) -> Iterator[Row]:
    shape, batch = load_config(PAPER).latent_shape, 64
    values = np.random.default_rng(0).standard_normal((batch, 2, *shape), dtype=np.float32)
    paths = [folder / f"{i}.npz" for i in range(batch)]
    for path, value in zip(paths, values, strict=True):
        np.savez_compressed(path, mean=value[0], log_variance=value[1])
    index = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(batch)], "session_id": "ses-M000"})
    write_store(folder / "latents", values, index, scale_factor=1.0)
    resident = Latents(open_store(folder / "latents"), np.arange(batch), torch.device("cpu"))
    seconds = least_seconds(lambda: resident.evaluated(range(batch), "mean"), lambda: choices.read_latents(paths, 1.0))
    yield Row("C5", "a batch of 64 latents: resident / a file per item", "s", *seconds, "times", 50, False)


class Kernels(TorchDispatchMode):
    """Counts casts of the given tensors, and waits for a number of the device."""

    def __init__(self, weights: Sequence[Tensor] = ()):
        super().__init__()
        self.weights, self.casts, self.waits = {weight.data_ptr() for weight in weights}, 0, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        if function is torch.ops.aten._to_copy.default:
            self.casts += arguments[0].data_ptr() in self.weights
        self.waits += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(keywords or {}))


def c6_casts_and_waits() -> Iterator[Row]:
    settings = load_config(PAPER).diffusion.model_copy(update={"channels": 32})
    z, t = torch.randn(1, 3, 8, 8, 8), torch.tensor([3])
    counts = []
    for half in (True, False):
        network = UNet(settings, 3).eval().requires_grad_(False)
        if half:
            network.halve()
        layers = (nn.Conv3d, nn.Conv1d, nn.Linear)
        weights = [module.weight for module in network.modules() if isinstance(module, layers)]
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), Kernels(weights) as kernels:
            network(z, t)
        counts.append(kernels.casts)
    yield Row("C6", "casts of weights in a forward pass under bf16", "kernels", *counts, "ours", 0, True)
    schedule, sampler = Schedule.of(settings), SAMPLERS["dpmpp_2m"]
    grid = sampler.grid(20, schedule)
    with Kernels() as kernels:
        sampler.decode(lambda x, t: 0.1 * x, z, grid, schedule)
    yield Row("C6", "waits for the device in 20 steps of a sampler", "waits", kernels.waits, None, "ours", 0, True)


def c7_c8_operations_and_memory() -> Iterator[Row]:
    rows = paper_scale.compare(load_config(PAPER))
    for name, row in rows.items():
        if "target" in row:
            unit, number = ("TFLOP", "C7") if "operations" in name else ("GiB", "C8")
            yield Row(number, name, unit, row["rewritten"], row["reference"], "share", row["target"], True)


def c9_preprocessing(folder: Path) -> Iterator[Row]:
    """One phantom at 2 mm, affine; SyN and Clinica take minutes: make bench-preprocess."""
    out = folder / "preprocess.json"
    command = [sys.executable, HERE / "bench_preprocess.py", "--parts", "affine", "--voxel-mm", "2", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| phantom")]
    if len(lines) != 2:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    reference, ours = (float(line[7]) for line in lines)
    yield Row("C9", "preprocessing of a scan, affine", "CPU-s", ours, reference, "share", 1 / 8, False)


def c10_stage_3_step() -> Iterator[Row]:
    """With and without the rewrites of ``training.compute``, which are made for a GPU's memory.

    Forward of the UNet, forward and backward of the shift branch; a quarter of the paper's channels, one scan, float32.
    """
    config = load_config(PAPER)
    ways = []
    for compute in (Compute(), Compute.plain()):
        training = config.diffusion.training.model_copy(update={"compute": compute})
        settings = config.diffusion.model_copy(update={"channels": 64, "training": training})
        trunk = UNet(settings, 3).requires_grad_(False)
        ways.append((trunk, build_shift_branch(settings, 3, config.representation.dimension, trunk)))
    z, t, y = torch.randn(1, *config.latent_shape), torch.tensor([300]), torch.randn(1, config.representation.dimension)

    def step(trunk: UNet, shift: nn.Module) -> None:
        features, embedded = trunk.features(z, t)
        shift(features, embedded, y).square().mean().backward()

    seconds = least_seconds(*(lambda way=way: step(*way) for way in ways), rounds=3)
    yield Row("C10", "a step of stage 3 on a CPU, quarter of the channels", "s", *seconds, "share", 0.75, False)


def c11_planning(folder: Path) -> Iterator[Row]:
    bench_dag.fabricate(folder, bench_dag.ADNI)
    seconds = bench_dag.plan(folder)["user_s"]
    yield Row("C11", "planning of 10,340 scans", "CPU-s", seconds, None, "ours", 6, False)


def cpu_seconds(*command: str) -> float:
    """Of one process and what it started, the least of three."""
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def c12_cold_starts() -> Iterator[Row]:
    for what, command, most in (
        ("ldae --help", ("-m", "ldae.cli", "--help"), 0.1),
        ("imports of a figure's rule", ("-c", "import ldae.studies.manipulation.figure"), 1.5),
        ("imports of an evaluation's rule", ("-c", "import ldae.studies.manipulation.measure"), 4.0),
    ):
        yield Row("C12", what, "CPU-s", cpu_seconds(*command), None, "ours", most, False)


MEASURES: dict[str, tuple[Callable[..., Iterator[Row]], bool]] = {  # and whether it needs a folder
    "C1": (c1_calls_of_a_round_trip, False),
    "C2": (c2_calls_of_the_interpolation, False),
    "C3": (c3_average, False),
    "C4": (c4_volumes, True),
    "C5": (c5_latents, True),
    "C6": (c6_casts_and_waits, False),
    "C7": (c7_c8_operations_and_memory, False),
    "C9": (c9_preprocessing, True),
    "C10": (c10_stage_3_step, False),
    "C11": (c11_planning, True),
    "C12": (c12_cold_starts, False),
}


def line(row: Row) -> str:
    reference = "" if row.reference is None else f"{row.reference:,.4g}"
    sign = ">=" if row.kind == "times" else "<="
    ratio = "" if row.kind == "ours" else f"{row.reached:.3g}" + ("x" if row.kind == "times" else "")
    verdict = "met" if row.met else "MISSED" if row.counted else "not met"
    how = "counted" if row.counted else "timed"
    cells = (row.id, row.what, row.unit, f"{row.ours:,.4g}", reference, ratio, f"{sign} {row.target:.3g}", how, verdict)
    return "| " + " | ".join(cells) + " |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), help="C7 is C7 and C8")
    parser.add_argument("--out", type=Path, default=HERE / "results" / f"{platform.node() or 'machine'}.json")
    asked = parser.parse_args(arguments)
    torch.manual_seed(0)
    rows: list[Row] = []
    print("| | | unit | ours | reference | ratio | target | | |\n|---|---|---|---:|---:|---:|---:|---|---|")
    for name in asked.only:
        measure, on_disk = MEASURES[name]
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(Path(folder)) if on_disk else measure():
                rows.append(row)
                print(line(row), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    described = [asdict(row) | {"reached": row.reached, "met": row.met} for row in rows]
    asked.out.write_text(json.dumps({"machine": machine, "rows": described}, indent=2) + "\n")
    print(f"written: {asked.out}")
    return int(any(row.counted and not row.met for row in rows))


if __name__ == "__main__":
    sys.exit(main())
