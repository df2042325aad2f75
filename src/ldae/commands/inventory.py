"""``ldae inventory``."""

from argparse import Namespace

from ldae.commands import add_config_argument


def add(commands) -> None:
    command = commands.add_parser(
        "inventory",
        help="look whether the raw download changed (a subject or a table more, or less)",
        description="Rewrites raw_inventory.tsv of the configuration's results only when the download is another one. "
        "Snakemake does not watch the raw folders; this file is what plans the conversion of what is new.",
    )
    add_config_argument(command)
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.adni.inventory import refresh_inventory
    from ldae.config import load_config

    print(refresh_inventory(load_config(*options.config)))
    return 0
