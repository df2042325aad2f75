"""``ldae memory``."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ldae.commands import add_config_argument

if TYPE_CHECKING:
    from ldae.training.memory import Need

GPUS = (16, 24, 40, 80)


def add(commands) -> None:
    command = commands.add_parser("memory", help="GPU memory of every training stage of a configuration, and what fits")
    add_config_argument(command)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.training.memory import needs

    found = needs(load_config(*options.config))
    if options.json:
        print(
            json.dumps(
                {need.stage: asdict(need) | {"total": need.total, "fits": _fits(need)} for need in found}, indent=2
            )
        )
    else:
        print("\n".join(lines(found)))
    return 0


def lines(found: Sequence[Need]) -> list[str]:
    """For people: what each stage needs, and what fits."""
    page = [
        "GiB, counted, not measured: what stays + per scan of a micro-batch (kept for the backward pass + its work)"
    ]
    for need in found:
        largest = ", ".join(f"{gpu} GB: {scans or 'none'}" for gpu, scans in _fits(need).items())
        parts = f"{need.state:5.1f} + {need.per_scan:.2f} + {need.working:.2f}"
        page.append(f"{need.stage:15} {parts}; micro-batch {need.micro_batch}: {need.total:5.1f}")
        page.append(f"{'':15} largest micro-batch of {need.batch} on a GPU of {largest}")
    return page


def _fits(need: Need) -> dict[int, int]:
    from ldae.training.memory import USABLE

    return {gpu: need.largest(USABLE * gpu) for gpu in GPUS}
