"""``ldae memory``."""

import json
from argparse import Namespace
from dataclasses import asdict

from ldae.commands import add_config_argument

GPUS = (16, 24, 40, 80)


def add(commands) -> None:
    command = commands.add_parser("memory", help="GPU memory of every training stage of a configuration, and what fits")
    add_config_argument(command)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.training.memory import USABLE, needs

    found = needs(load_config(*options.config))
    if options.json:
        rows = {n.stage: asdict(n) | {"total": n.total, "fits": _fits(n, USABLE)} for n in found}
        print(json.dumps(rows, indent=2))
        return 0
    print("GiB, counted, not measured: what stays + per scan of a micro-batch (kept for the backward pass + its work)")
    for n in found:
        largest = ", ".join(f"{gpu} GB: {scans or 'none'}" for gpu, scans in _fits(n, USABLE).items())
        parts = f"{n.state:5.1f} + {n.per_scan:.2f} + {n.working:.2f}"
        print(f"{n.stage:15} {parts}; micro-batch {n.micro_batch}: {n.total:5.1f}")
        print(f"{'':15} largest micro-batch of {n.batch} on a GPU of {largest}")
    return 0


def _fits(need, usable: float) -> dict[int, int]:
    return {gpu: need.largest(usable * gpu) for gpu in GPUS}
