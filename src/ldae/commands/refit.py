"""``ldae refit``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "refit",
        help="train models anew on the scans of now; the old models are kept aside",
        description="Moves the models whose training or validation scans have changed to train/STAGE/replaced/, so "
        "that the next snakemake run trains them, and what rests on them, from step 0.",
    )
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument(
        "stages", nargs="*", metavar="STAGE", help="folders of RESULTS/train, such as representation; default: all"
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.core.lineage import MADE_FROM
    from ldae.training.safety.delivery import refit

    moved, seen = refit(options.results, options.stages or list(MADE_FROM))
    for stage, aside in moved.items():
        print(f"{stage}: kept as {aside}; the next snakemake run, of everything or of `train`, trains another.")
    for stage in seen:
        print(f"{stage}: has seen every scan, nothing to do (to train it again as it was, raise its revision).")
    return 0
