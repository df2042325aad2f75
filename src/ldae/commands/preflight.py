"""``ldae preflight RAW CLINICAL``."""

import json
import sys
from argparse import Namespace
from pathlib import Path

STDOUT = "-"


def add(commands) -> None:
    command = commands.add_parser(
        "preflight",
        help="check a raw ADNI download and list everything that is wrong with it",
        description="Reads study tables and names of folders and files, never an image, and writes nothing. "
        "Exit status: 0 ready (some scans may be left out), 1 the conversion cannot run, 2 a wrong call.",
    )
    command.add_argument("raw", type=Path, metavar="RAW", help="folder with one subfolder per subject (NNN_S_NNNN)")
    command.add_argument("clinical", type=Path, metavar="CLINICAL", help="folder with the study tables")
    command.add_argument(
        "--json",
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        help="for machines: print JSON instead of text or, with FILE, write it there as well (put it last)",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.adni.preflight import as_json, preflight, write_report

    for folder in (options.raw, options.clinical):
        if not folder.is_dir():
            print(f"ldae: {folder} is no folder; call: ldae preflight RAW CLINICAL", file=sys.stderr)
            return 2
    findings = preflight(options.raw, options.clinical)
    severities = {finding.severity for finding in findings}
    if options.json == STDOUT:
        print(json.dumps(as_json(findings), indent=2, sort_keys=True))
        return 1 if "blocking" in severities else 0
    for finding in findings:
        print(f"{finding.severity}: {finding}")
    if options.json:
        write_report(findings, Path(options.json))
    if "blocking" in severities:
        return 1
    left_out = ", but for the scans above" if "quarantine" in severities else ""
    arrivals = f": {findings.arrivals.sentence()}" if findings.arrivals is not None else ""
    print(f"The download is ready to be converted{left_out}{arrivals}.")
    return 0
