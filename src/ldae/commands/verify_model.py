"""``ldae verify-model MODEL``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "verify-model",
        help="whether a model folder is as it was exported, and loads",
        description="Every file against SHA256SUMS, no file more, no identifier; then the networks are loaded.",
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="folder that `ldae export-model` wrote")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.inference.model import LDAE
    from ldae.report.export_model import verify_model

    digest = verify_model(options.model)
    LDAE.load(options.model)
    print(f"{options.model}: {digest}, whole")
    return 0
