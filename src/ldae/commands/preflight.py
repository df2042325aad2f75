"""``ldae preflight RAW CLINICAL``."""

from argparse import Namespace
from pathlib import Path


def add(commands) -> None:
    command = commands.add_parser(
        "preflight",
        help="check a raw ADNI download and list everything that is wrong with it",
        description="Exit status: 0 ready (some scans may be left out), 1 the conversion cannot run, 2 a wrong call.",
    )
    command.add_argument("raw", type=Path, metavar="RAW", help="folder with one subfolder per subject (NNN_S_NNNN)")
    command.add_argument("clinical", type=Path, metavar="CLINICAL", help="folder with the study tables")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the findings there as well")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
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
