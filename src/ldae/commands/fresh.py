"""``ldae fresh``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "fresh", help="start a training over, or a results folder with another cohort; the old one is kept aside"
    )
    command.add_argument("folder", type=Path, help="folder of the training, like results/train/autoencoder")
    command.add_argument(
        "--cohort",
        action="store_true",
        help="the folder is a results folder: move all that was made of its cohort into aside-1 within it",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.training.safety.start_over import set_aside, set_cohort_aside

    if options.cohort:
        aside = set_cohort_aside(options.folder)
        print(f"What was made of the cohort is kept in {aside}; {options.folder} is free for another.")
        return 0
    aside = set_aside(options.folder)
    print(f"{options.folder} is kept as {aside}.")
    print("The next snakemake run, of everything or of `train`, trains it from step 0.")
    return 0
