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
    from ldae.training.rule_memory import RuleNeed

GPUS = (16, 24, 40, 80)


def add(commands) -> None:
    command = commands.add_parser("memory", help="GPU memory of every rule of a configuration, and what fits")
    add_config_argument(command)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.studies.common.image_metrics import ssim_brain
    from ldae.training.memory import needs
    from ldae.training.rule_memory import rule_needs

    config = load_config(*options.config)
    found = needs(config)
    rules = rule_needs(config, ssim_brain)
    if options.json:
        rows = {need.stage: asdict(need) | {"total": need.total, "fits": _fits(need)} for need in found}
        rows |= {need.rule: asdict(need) | {"total": need.total, "fits": _rule_fits(need)} for need in rules}
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join([*lines(found), *rule_lines(rules)]))
    return 0


def lines(found: Sequence[Need]) -> list[str]:
    """For people: what each training needs, and what fits."""
    page = [
        "GiB, counted, not measured: what stays + per scan of a micro-batch (kept for the backward pass + its work)"
    ]
    for need in found:
        largest = ", ".join(f"{gpu} GB: {scans or 'none'}" for gpu, scans in _fits(need).items())
        parts = f"{need.state:5.1f} + {need.per_scan:.2f} + {need.working:.2f}"
        validation = f" (a validation {need.validation:.2f} per scan)"
        page.append(f"{need.stage:15} {parts}{validation}; micro-batch {need.micro_batch}: {need.total:5.1f}")
        page.append(f"{'':15} largest micro-batch of {need.batch} on a GPU of {largest}")
    return page


def rule_lines(found: Sequence[RuleNeed]) -> list[str]:
    """For people: what each rule after the trainings needs, and the GPUs that are too small for it."""
    page = ["GiB of the rules after them: weights + the largest pass"]
    for need in found:
        small = [f"{gpu} GB" for gpu, fits in _rule_fits(need).items() if not fits]
        wide = f"; too small: {', '.join(small)}" if small else ""
        what = f"{need.largest_pass}, {need.at_once} at once"
        page.append(f"{need.rule:20} {need.weights:5.1f} + {need.working:.2f} ({what}): {need.total:5.1f}{wide}")
    return page


def _fits(need: Need) -> dict[int, int]:
    from ldae.training.memory import USABLE

    return {gpu: need.largest(USABLE * gpu) for gpu in GPUS}


def _rule_fits(need: RuleNeed) -> dict[int, bool]:
    from ldae.training.memory import USABLE

    return {gpu: need.fits(USABLE * gpu) for gpu in GPUS}
