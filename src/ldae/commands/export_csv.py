"""``ldae export-csv RESULTS OUT``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "export-csv",
        help="volumes, latents and the table that the scripts of the paper's authors read",
        description="Writes OUT/scans.csv (subject, path, diagnosis, session, latent_path, age, sex, mode), one NIfTI "
        "volume and one .npz latent per scan. The paths in the table are absolute.",
    )
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    command.add_argument(
        "--latents",
        choices=("mean", "sample"),
        default="mean",
        help="mean of the posterior (default), or one sample of it, as the authors store it",
    )
    command.add_argument("--seed", type=int, default=42, metavar="N", help="of the samples")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.cohort.export_csv import export_csv

    table = export_csv(options.results, options.out, options.latents, options.seed)
    latents = int((table["latent_path"] != "").sum())
    print(f"{options.out / 'scans.csv'}: {len(table)} scans, {latents} with a latent.")
    return 0
