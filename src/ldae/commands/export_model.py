"""``ldae export-model RESULTS OUT``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "export-model",
        help="the trained model as a folder that can be passed on",
        description="Writes OUT: networks, recipe of the preprocessing, probes, reference, model card, SHA256SUMS. No "
        "scan and no identifier of the cohort is in it; `ldae apply` and LDAE.load need nothing else.",
    )
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument("out", type=Path, metavar="OUT", help="folder to write; it must not exist")
    command.add_argument(
        "--i-know",
        action="store_true",
        help="export although the gate against copies of training scans was not passed; the card says so",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.report.export_model import export_model, verify_model

    export_model(options.results, options.out, options.i_know)
    print(f"{options.out}: {verify_model(options.out)}")
    return 0
