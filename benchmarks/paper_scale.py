"""The paper's networks with the rewrites against the same networks without: operations and kept memory, counted.

Nothing is computed: shapes run through forward and backward passes of every stage at the paper's size (fake tensors).
The reference is each layer as its library has it, under bf16 autocast, which keeps what fp16 autocast keeps.

    make bench-paper-scale
"""

import json
import sys
from pathlib import Path

import torch

from ldae.config import Compute, Config, load_config
from ldae.networks.autoencoder import build_autoencoder
from ldae.training.dry_run import passes
from ldae.training.memory import autoencoder, diffusion, representation

sys.path.insert(0, str(Path(__file__).parent))
from memory_table import per_scan, with_compute

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
TARGETS = {
    "autoencoder decode, operations": 0.74,
    "autoencoder step, operations": 0.83,
    "autoencoder kept, bytes": 0.62,
    "diffusion kept, bytes": 0.60,
    "representation kept, bytes": 0.25,
}


def counts(config: Config) -> dict[str, float]:
    """TFLOP of one scan and GiB kept per scan, by what is counted."""
    latent = config.latent_shape
    stages = {stage.name: stage for stage in (autoencoder(config), diffusion(config), representation(config))}
    found = {}

    def decode(network, scans):
        return network.decode(torch.randn(scans, *latent)).float().mean()

    settings = config.autoencoder
    found["autoencoder decode, operations"] = passes(lambda: build_autoencoder(settings), decode).forward / 1e12
    for name, stage in stages.items():
        found[f"{name} step, operations"] = passes(stage.network, stage.forward).both / 1e12
        found[f"{name} kept, bytes"] = per_scan(stage)
    return found


def compare(config: Config) -> dict[str, dict[str, float]]:
    """Name -> reference, rewritten, ratio and, where there is one, target."""
    reference = counts(with_compute(config, Compute.plain()))
    rewritten = counts(with_compute(config, Compute(checkpoint_backbone=True)))
    rows = {}
    for name, value in reference.items():
        rows[name] = {"reference": value, "rewritten": rewritten[name], "ratio": rewritten[name] / value}
        if name in TARGETS:
            rows[name]["target"] = TARGETS[name]
    return rows


def main(arguments: list[str]) -> int:
    rows = compare(load_config(CONFIG))
    if "--json" in arguments:
        print(json.dumps(rows, indent=2))
    else:
        print("of one scan: TFLOP (2 per multiplication and addition), GiB kept for the backward pass")
        for name, row in rows.items():
            target = f"  target <= {row['target']:.2f}" if "target" in row else ""
            print(f"{name:36} {row['reference']:8.3f} -> {row['rewritten']:8.3f}  ratio {row['ratio']:.3f}{target}")
    return int(any(row["ratio"] > row.get("target", float("inf")) for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
