"""The commands of ``ldae``, one module each: ``add`` declares its arguments, ``run`` returns the exit status."""

from argparse import ArgumentParser
from pathlib import Path

OVERLAID = "configuration files, each laid over the ones before it"


def add_config_argument(parser: ArgumentParser, description: str = OVERLAID) -> None:
    """``--config FILE ...``, the same in every command."""
    parser.add_argument("--config", type=Path, nargs="+", required=True, metavar="FILE", help=description)
