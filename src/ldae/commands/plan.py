"""``ldae plan``."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from ldae.commands import add_config_argument
from ldae.core.errors import UserError

if TYPE_CHECKING:
    from ldae.config import Config
    from ldae.report.gpu_work import Cohort, Work

PAPER = 10_340  # scans of the paper's cohort
SHARE = 0.2


def add(commands) -> None:
    command = commands.add_parser(
        "plan",
        help="GPU hours of every rule and disk space of a configuration, counted",
        description="The number of scans is that of the results folder once they are split, else the paper's. Hours "
        "are those of one A100 (312 TFLOP/s in bf16, 156 in float32 as TF32) at the given share of its peak: the "
        "operations are counted, the share is assumed. Validations of trainings are not in it.",
    )
    add_config_argument(command)
    command.add_argument("--scans", type=int, metavar="N", help="plan for so many scans instead")
    command.add_argument("--subjects", type=int, metavar="N", help="of so many subjects (default: 4.9 scans each)")
    command.add_argument("--share", type=float, default=SHARE, metavar="S", help=f"of the peak (default: {SHARE})")
    command.add_argument(
        "--gpus",
        type=int,
        default=1,
        metavar="N",
        help="of one job, where its rule can use several: hours of its clock, too (default: 1)",
    )
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.report.gpu_work import Cohort, disk, work

    config = load_config(*options.config)
    if not 0 < options.share <= 1:
        raise UserError(f"--share {options.share}: a share of the peak lies above 0 and is at most 1.")
    if options.gpus < 1:
        raise UserError(f"--gpus {options.gpus}: a job has one GPU at least.")
    if options.scans is not None and options.scans < 1:
        raise UserError(f"--scans {options.scans}: at least one scan is planned for.")
    if options.subjects is not None and options.subjects < 1:
        raise UserError(f"--subjects {options.subjects}: a scan has a subject.")
    if (options.subjects or 1) > (options.scans or PAPER):
        raise UserError(
            f"--subjects {options.subjects}: there are {options.scans or PAPER:,} scans, give --scans, too."
        )
    found_cohort = None if options.scans or options.subjects else Cohort.found(config.results_dir)
    cohort = found_cohort or Cohort.assumed(config, options.scans or PAPER, options.subjects)
    found, space = work(config, cohort), dict(disk(config, cohort))
    if options.json:
        rules = {
            row.rule: {
                "pflop": row.petaflops,
                "hours": row.hours(options.share),
                "clock_hours": row.clock(options.share, options.gpus),
            }
            for row in found
        }
        about = {"cohort": asdict(cohort), "share": options.share, "gpus": options.gpus}
        print(json.dumps(about | {"rules": rules, "disk_gb": space}, indent=2))
    else:
        if not (found_cohort or options.scans or options.subjects):
            print("The paper's cohort, since nobody is dealt to splits yet; --scans N counts for another.")
        print("\n".join(lines(cohort, found, space, options.share, options.gpus)))
        for sentence in unshared(config, found, options.gpus):
            print(sentence)
    return 0


def unshared(config: Config, found: list[Work], gpus: int) -> Iterator[str]:
    """A line for every training whose batch so many GPUs cannot share: planning would refuse it."""
    for name in (row.rule.removeprefix("train_") for row in found if row.rule.startswith("train_")):
        if reason := getattr(config, name).training.not_shared(gpus):
            yield f"train_{name} cannot have {gpus} GPUs as it is: {reason}."


def lines(cohort: Cohort, found: list[Work], space: dict[str, float], share: float, gpus: int = 1) -> list[str]:
    """For people: work and hours by rule, then the disk.

    Args:
        gpus: of a job that can use several; more than one: with a column for the hours of its clock.
    """
    page = [
        f"{cohort.scans:,} scans of {cohort.subjects:,} subjects; test: {cohort.test_scans:,} of "
        f"{cohort.test_subjects:,}, {cohort.triplets:,} triplets",
        f"{'rule':22} {'PFLOP':>9} {'A100 hours at ' + format(share, '.0%'):>20} {'at 50%':>8}"
        + (f"   clock at {share:.0%}, up to {gpus} GPUs a job" if gpus > 1 else ""),
    ]
    for row in found:
        clock = f" {row.clock(share, gpus):>10,.1f}" if gpus > 1 else ""
        page.append(f"{row.rule:22} {row.petaflops:>9,.1f} {row.hours(share):>20,.1f} {row.hours(0.5):>8,.1f}{clock}")
    for name, part in (
        ("trainings", [row for row in found if row.rule.startswith("train_")]),
        ("encoding, evaluation", [row for row in found if not row.rule.startswith("train_")]),
    ):
        total, hours, half = (
            sum(values)
            for values in zip(*((row.petaflops, row.hours(share), row.hours(0.5)) for row in part), strict=True)
        )
        page.append(f"{name:22} {total:>9,.1f} {hours:>20,.1f} {half:>8,.1f}")
    page.append("disk, GB (raw images, BIDS and derivatives come on top)")
    page += [f"{name:42} {size:>9,.2f}" for name, size in space.items()]
    return page
