"""``ldae fresh``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser("fresh", help="start a training over; the old folder is kept aside")
    command.add_argument("folder", type=Path, help="folder of the training, like results/train/autoencoder")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.training.safety.start_over import set_aside

    aside = set_aside(options.folder)
    print(f"{options.folder} is kept as {aside}; the next snakemake run trains it from step 0.")
    return 0
