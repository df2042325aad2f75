"""``ldae trainings RESULTS RESULTS ...``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "trainings", help="headline numbers of several trainings on the same splits, and how much is luck"
    )
    command.add_argument(
        "results", type=Path, nargs="+", metavar="RESULTS", help="results that differ in training_seed alone"
    )
    command.add_argument("--out", type=Path, metavar="STEM", help="write STEM.tsv, STEM.md and STEM.tex as well")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from rich.console import Console

    from ldae.report.trainings import compare_trainings, for_the_terminal
    from ldae.studies.common.paper_tables import write_table

    table = compare_trainings(options.results)
    if options.out:
        write_table(table, options.out)
    Console().print(for_the_terminal(table))
    return 0
