"""``ldae retry``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser("retry", help="let a training try again that is refused after two faults")
    command.add_argument("folder", type=Path, help="folder of the training, like results/train/autoencoder")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.training.safety.start_over import forget_faults

    print(forget_faults(options.folder))
    return 0
