"""``ldae retry``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser("retry", help="let a training try again that is refused after two faults")
    command.add_argument("folder", type=Path, help="folder of the training, like results/train/autoencoder")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.training.safety.start_over import forget_faults

    forget_faults(options.folder)
    print(f"{options.folder}: its faults are forgotten; the next snakemake run goes on from its last checkpoint.")
    return 0
