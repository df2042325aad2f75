"""GPU memory per stage in three ways of computing the same networks, counted, and what each switch does.

- ``fp16 autocast``: the authors' choices; in-plane resampling, no rewrite, the frozen UNet in float32 and averaged too.
- ``all bf16``: weights, gradients and activations in bf16 beside float32 masters; no rewrite, no autocast.
- ``ours``: bf16 autocast with float32 gradients, and the rewrites of ``training.compute``; then one switch at a time.

    make bench-memory
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ldae.config import Compute, Config, load_config
from ldae.training.dry_run import LiveBytes, saved_bytes, uncompiled, without_weights
from ldae.training.memory import GIB, Stage, autoencoder, diffusion, representation, state_bytes

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
STAGES = (diffusion, representation, autoencoder)
Kept = Callable[[Stage, int], int]


def with_compute(config: Config, compute: Compute, resample: str | None = None) -> Config:
    """The configuration with one set of rewrites in all three stages, and perhaps another resampling of the UNet."""
    sections = {}
    for name in ("autoencoder", "diffusion", "representation"):
        section = getattr(config, name)
        training = section.training.model_copy(update={"compute": compute})
        sections[name] = section.model_copy(update={"training": training})
    if resample is not None:
        sections["diffusion"] = sections["diffusion"].model_copy(update={"resample": resample})
    return config.model_copy(update=sections)


def kept_by_autocast(stage: Stage, scans: int) -> int:
    return saved_bytes(stage.network, stage.forward, scans)


def kept_in_bf16(stage: Stage, scans: int) -> int:
    """Bytes alive after a forward pass of a network whose weights, inputs and layers are all bf16."""
    module = without_weights(stage.network).bfloat16()
    with FakeTensorMode(allow_non_fake_inputs=True), uncompiled(), _numbers_are_bf16():
        module = module.to_empty(device="cuda").train()
        with torch.device("cuda"), LiveBytes() as live:
            loss = stage.forward(module, scans)
            alive = live.live
    del loss
    return alive


@contextmanager
def _numbers_are_bf16() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def per_scan(stage: Stage, kept: Kept = kept_by_autocast) -> float:
    """GiB kept for the backward pass of one more scan."""
    return (kept(stage, 2) - kept(stage, 1)) / GIB


def authors_state(stage: Stage) -> float:
    """GiB: everything in float32 with an average of the frozen part as well, and autocast's copies."""
    return (state_bytes(stage) + (4 * stage.frozen if stage.training.ema_decay else 0)) / GIB


def bf16_state(stage: Stage) -> float:
    """GiB: float32 masters, two moments and average; weights and gradients in bf16; the frozen part in bf16."""
    average = 4 if stage.training.ema_decay else 0
    return ((4 + 2 + 2 + 8 + average) * stage.trained + 2 * stage.frozen) / GIB


def table(config: Config) -> dict[str, dict[str, list[float]]]:
    """Way -> stage -> [state, per scan], GiB."""
    plain = with_compute(config, Compute.plain(), "in_plane")
    rows: dict[str, dict[str, list[float]]] = {"fp16 autocast": {}, "all bf16": {}}
    for make in STAGES:
        stage = make(plain)
        rows["fp16 autocast"][stage.name] = [authors_state(stage), per_scan(stage)]
        rows["all bf16"][stage.name] = [bf16_state(stage), per_scan(stage, kept_in_bf16)]
    transposed = Compute.plain().model_copy(update={"transposed_upsampling": True})
    ways = {
        "ours, no rewrite": (Compute.plain(), "in_plane"),
        "+ transposed_upsampling": (transposed, "in_plane"),
        "+ recompute_norms, half_trunk": (Compute(), "in_plane"),
        "+ isotropic resampling (the default)": (Compute(), "isotropic"),
        "+ checkpoint_backbone (the presets)": (Compute(checkpoint_backbone=True), "isotropic"),
    }
    for way, (compute, resample) in ways.items():
        stages = [make(with_compute(config, compute, resample)) for make in STAGES]
        rows[way] = {stage.name: [state_bytes(stage) / GIB, per_scan(stage)] for stage in stages}
    return rows


def main(arguments: list[str]) -> int:
    rows = table(load_config(CONFIG))
    if "--json" in arguments:
        print(json.dumps(rows, indent=2))
        return 0
    print("GiB, counted: what stays + what is kept of each scan for the backward pass")
    print(f"{'':38}" + "".join(f"{make.__name__:>18}" for make in STAGES))
    for way, stages in rows.items():
        cells = "".join(f"{state:9.2f} + {kept:6.3f}" for state, kept in stages.values())
        print(f"{way:38}{cells}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
