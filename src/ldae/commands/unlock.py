"""``ldae unlock [FOLDER]``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "unlock",
        help="unlock a working directory after Snakemake was killed, if none of its SLURM jobs is left",
        description="Exit status: 0 unlocked (or was not locked), 1 jobs are left (listed) or cannot be seen.",
    )
    command.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="default: this one")
    command.add_argument("--snakefile", type=Path, metavar="FILE", help="default: FOLDER/Snakefile")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.core.snakemake_lock import unlock

    folder = options.folder.resolve()
    print(unlock(folder, options.snakefile or folder / "Snakefile"))
    return 0
