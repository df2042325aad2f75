"""``ldae summary RESULTS``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser("summary", help="headline numbers and wall times of a finished run")
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument("--seconds", type=float, metavar="S", help="wall time of the run, to be printed")
    command.add_argument(
        "--times",
        type=Path,
        metavar="FILE",
        help="write the seconds of every rule to this table, for `ldae run --times`",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.report.run_summary import print_summary, write_times

    print_summary(options.results, options.seconds)
    if options.times:
        write_times(options.results, options.times)
    return 0
