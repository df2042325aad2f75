"""``ldae status RESULTS``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "status",
        help="how far a run is: what is done, at work, failed and left",
        description="Reads the logs and benchmarks of a results folder and Snakemake's own log, and changes nothing. "
        "Trainings at work are shown with step, loss and the time that is left. Exit status: 0, or 1 if a job failed "
        "or was stopped.",
    )
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="from which Snakemake is called; default: this one"
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.commands.unlock import living_snakemakes
    from ldae.report.run_status import DOUBTFUL, LOST, status_lines

    lines = list(status_lines(options.results, options.folder, bool(living_snakemakes(options.folder.resolve()))))
    print("\n".join(lines))
    return int(any(line.startswith((LOST, DOUBTFUL)) for line in lines))
