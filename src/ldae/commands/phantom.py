"""``ldae phantom OUT``."""

from argparse import Namespace
from pathlib import Path

from ldae.commands import add_config_argument
from ldae.core.errors import UserError


def add(commands) -> None:
    command = commands.add_parser("phantom", help="write a synthetic raw ADNI download with known anatomy")
    command.add_argument("out", type=Path, metavar="OUT", help="folder for ADNI, clinical, truth.tsv and phantom.json")
    add_config_argument(command, "configuration files, each laid over the ones before; their phantom section is used")
    command.add_argument("--processes", type=int, default=1, metavar="N", help="scans generated side by side")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.phantom.cohort import make_raw_adni

    config = load_config(*options.config)
    if config.phantom is None:
        raise UserError(f"{options.config[-1]} has no phantom section: use the demo's configuration, or add one.")
    make_raw_adni(options.out, config.phantom, config.seed, options.processes)
    return 0
