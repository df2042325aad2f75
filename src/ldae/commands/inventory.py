"""``ldae inventory``."""

from argparse import Namespace

from ldae.commands import add_config_argument


def add(commands) -> None:
    command = commands.add_parser(
        "inventory",
        help="look whether the raw download changed (a subject or a table more, or less)",
        description="Rewrites raw_inventory.tsv of the configuration's results only when the download is another one. "
        "Snakemake does not watch the raw folders; this file is what plans the conversion of what is new. Status "
        "tables of an earlier version that blame scans for a full disk or another error of the machine are removed, so "
        "that these scans are tried again.",
    )
    add_config_argument(command)
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.adni.inventory import refresh_inventory
    from ldae.config import load_config
    from ldae.core.machine import forget_machine_errors

    config = load_config(*options.config)
    print(refresh_inventory(config))
    for path in forget_machine_errors(config.results_dir):
        print(f"{path} blamed scans for an error of the machine: removed, they will be tried again.")
    return 0
