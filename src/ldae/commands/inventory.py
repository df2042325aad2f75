"""``ldae inventory``."""

from argparse import Namespace
from pathlib import Path

from ldae.commands import add_config_argument


def add(commands) -> None:
    command = commands.add_parser(
        "inventory",
        help="look whether the raw download, or the dataset given, changed",
        description="Rewrites raw_inventory.tsv (source bids and csv: dataset_inventory.tsv) of the configuration's "
        "results only when it says something else. Snakemake does not watch your data; this file is what plans the "
        "work on what is new or changed. Status tables of an earlier version that blame scans for a full disk or "
        "another error of the machine are removed, so that these scans are tried again.",
    )
    add_config_argument(command)
    command.add_argument(
        "--same-cohort",
        action="store_true",
        help="these are the data that the results were made of, though they moved and cannot be recognised",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.adni import inventory as download
    from ldae.cohort import inventory as dataset
    from ldae.cohort.identity import identity_of, require_same_cohort, take_for_the_same
    from ldae.cohort.private_folders import make_private, require_group
    from ldae.config import load_config
    from ldae.core.errors import forget_machine_errors

    config = load_config(*options.config)
    if options.same_cohort:
        take_for_the_same(config)
    else:
        require_same_cohort(config)
    require_group(config)
    place = identity_of(config).get("path")
    if config.results_dir.exists() and (place is None or Path(place).exists()):  # else the chain makes it, later
        make_private(config, [config.results_dir / "manifest" / "inventory"])
    if options.same_cohort and place and not Path(place).exists():
        print(f"{place} is not there (any more): the results keep their inventory, and remember it as their cohort's.")
        return 0
    if config.source == "adni":
        print(download.refresh_inventory(config))
        if (inventory := download.inventory_path(config)).is_file():
            dataset.remember_download(config, inventory)
    else:
        print(dataset.refresh_inventory(config, options.same_cohort))
    for path in forget_machine_errors(config.results_dir):
        print(f"{path} blamed scans for an error of the machine: removed, they will be tried again.")
    return 0
