"""``ldae``: what a person does outside the workflow."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ldae.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a :class:`UserError` becomes one line on stderr and exit status 1."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        print(f"ldae: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="ldae", description="Latent diffusion autoencoders of brain MRI, from raw ADNI.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    check = commands.add_parser(
        "preflight",
        help="check a raw ADNI download and list everything that is wrong with it",
        description="Exit status: 0 ready (some scans may be left out), 1 the conversion cannot run, 2 a wrong call.",
    )
    check.add_argument("raw", type=Path, metavar="RAW", help="folder with one subfolder per subject (NNN_S_NNNN)")
    check.add_argument("clinical", type=Path, metavar="CLINICAL", help="folder with the study tables")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the findings there as well")
    check.set_defaults(run=run_preflight)

    phantom = commands.add_parser("phantom", help="write a synthetic raw ADNI download with known anatomy")
    phantom.add_argument("out", type=Path, metavar="OUT", help="folder for ADNI, clinical, truth.tsv and phantom.json")
    phantom.add_argument(
        "--config",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="configuration files, each laid over the ones before it; their phantom section is used",
    )
    phantom.add_argument("--processes", type=int, default=1, metavar="N", help="scans generated side by side")
    phantom.set_defaults(run=run_phantom)

    params = commands.add_parser("params", help="parameters of every network of a configuration")
    params.add_argument("--config", type=Path, nargs="+", required=True, metavar="FILE", help="configuration files")
    params.add_argument("--json", action="store_true", help="for machines")
    params.set_defaults(run=run_params)

    summary = commands.add_parser("summary", help="headline numbers and wall times of a finished run")
    summary.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    summary.add_argument("--seconds", type=float, metavar="S", help="wall time of the run, to be printed")
    summary.set_defaults(run=run_summary)
    return top


def run_preflight(options: argparse.Namespace) -> int:
    from ldae.adni.preflight import preflight, write_report

    findings = preflight(options.raw, options.clinical)
    for finding in findings:
        print(f"{finding.severity}: {finding}")
    if options.json:
        write_report(findings, options.json)
    severities = {finding.severity for finding in findings}
    if "blocking" in severities:
        return 1
    left_out = ", but for the scans above" if "quarantine" in severities else ""
    print(f"The download is ready to be converted{left_out}.")
    return 0


def run_phantom(options: argparse.Namespace) -> int:
    from ldae.config import load_config
    from ldae.phantom.cohort import make_raw_adni

    config = load_config(*options.config)
    if config.phantom is None:
        raise UserError(f"{options.config[-1]} has no phantom section: use the demo's configuration, or add one.")
    make_raw_adni(options.out, config.phantom, config.seed, options.processes)
    return 0


def run_params(options: argparse.Namespace) -> int:
    from ldae.config import load_config
    from ldae.models.counts import parameter_counts

    config = load_config(*options.config)
    counts = parameter_counts(config.autoencoder, config.diffusion, config.representation)
    if options.json:
        print(json.dumps({c.network: {"parameters": c.parameters, "trainable": c.trainable} for c in counts}, indent=2))
        return 0
    for count in counts:
        print(f"{count.network:20} {count.parameters:>13,} parameters, {count.trainable:>13,} trained by its stage")
    return 0


def run_summary(options: argparse.Namespace) -> int:
    from ldae.summary import print_summary

    print_summary(options.results, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
