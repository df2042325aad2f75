"""``ldae check-precision``."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ldae.commands import add_config_argument
from ldae.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SUBJECTS = 5


def add(commands) -> None:
    command = commands.add_parser(
        "check-precision",
        help="whether evaluation.precision: bf16 changes a printed digit of a finished run",
        description="Encodes and evaluates some subjects of a finished run in float32 and in bf16. For every metric it "
        "prints the value that moves most beside half a unit of its last printed digit. Exit status 1 where a "
        "difference reaches that: such a metric must stay in float32. Nothing is written into the results.",
    )
    add_config_argument(command)
    command.add_argument(
        "--subjects",
        type=int,
        default=SUBJECTS,
        metavar="N",
        help=f"of the test and of the training split (default: {SUBJECTS})",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.report.precision import check_precision

    config = load_config(*options.config)
    if options.subjects < 1:
        raise UserError(f"--subjects {options.subjects}: one subject is the least.")
    with tempfile.TemporaryDirectory(prefix="ldae-precision-") as scratch:
        found = check_precision(config, config.results_dir, Path(scratch), options.subjects)
    print("\n".join(lines(found)))
    return 0 if found["survives"].all() else 1


def lines(found: pd.DataFrame) -> list[str]:
    """For people: one line per metric, then what must stay in float32."""
    page = [f"{'study':15} {'metric':42} {'fp32':>11} {'bf16':>11} {'difference':>11} {'half a unit':>11}"]
    for row in found.itertuples(index=False):
        numbers = (row.fp32, row.bf16, row.difference, row.half_a_unit)
        words = " ".join(f"{number:>11.4g}" for number in numbers)
        page.append(f"{row.study:15} {row.metric:42} {words}{'' if row.survives else '  float32'}")
    lost = found[~found["survives"]]
    if lost.empty:
        page.append(f"No printed digit of {len(found)} metrics changes in bf16.")
    else:
        page.append(f"{len(lost)} of {len(found)} metrics must stay in float32; a printed digit of them may change:")
        page += [f"  {study}: {', '.join(group['metric'])}" for study, group in lost.groupby("study", sort=False)]
    return page
