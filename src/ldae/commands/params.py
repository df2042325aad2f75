"""``ldae params``."""

import json
from argparse import Namespace

from ldae.commands import add_config_argument


def add(commands) -> None:
    command = commands.add_parser("params", help="parameters of every network of a configuration")
    add_config_argument(command)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config
    from ldae.networks.counts import parameter_counts

    config = load_config(*options.config)
    counts = parameter_counts(config.autoencoder, config.diffusion, config.representation, config.dae)
    if options.json:
        print(json.dumps({c.network: {"parameters": c.parameters, "trainable": c.trainable} for c in counts}, indent=2))
        return 0
    for count in counts:
        print(f"{count.network:20} {count.parameters:>13,} parameters, {count.trainable:>13,} trained by its stage")
    return 0
