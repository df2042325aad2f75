"""``ldae preprocess SCAN OUT_DIR``."""

import re
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from ldae.core.errors import QuarantinedScan, UserError

REFUSED = 3  # exit status


def add(commands) -> None:
    command = commands.add_parser(
        "preprocess",
        help="one scan to the grid of the networks, outside the workflow",
        description="Exit status: 0 preprocessed, 3 the scan is refused (one sentence says why), 1 anything else.",
    )
    command.add_argument("scan", type=Path, metavar="SCAN", help="NIfTI file, or folder with one DICOM series")
    command.add_argument("out", type=Path, metavar="OUT_DIR", help="folder for the derivatives (BIDS)")
    command.add_argument(
        "--config", type=Path, nargs="+", metavar="FILE", help="their preprocessing section; none: the paper's settings"
    )
    command.add_argument("--subject", metavar="ID", help="participant_id (sub-01); default: from the file's name")
    command.add_argument("--session", metavar="ID", help="session_id (ses-M000); default: from the file's name")
    command.add_argument(
        "--orientation",
        metavar="LAS",
        help="where the voxel axes point (left, anterior, superior), for a file whose header does not say",
    )
    command.add_argument(
        "--pages",
        action="store_true",
        help="also write OUT_DIR/qc/index.html, on which all scans of OUT_DIR are looked at",
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.core.runtime import limit_threads

    limit_threads(1)
    from ldae.config import Preprocessing, load_config
    from ldae.core.errors import blaming_the_machine
    from ldae.preprocessing.derivatives import ScanFiles
    from ldae.preprocessing.one_scan import as_nifti, preprocess_scan, scan_names
    from ldae.preprocessing.orientation import require_no_orientation

    settings = load_config(*options.config).preprocessing if options.config else Preprocessing(shards=1)
    if options.orientation:
        settings = with_orientation(settings, options.orientation)
    participant, session = scan_names(options.scan.resolve())
    for option, name, prefix in (("subject", options.subject, "sub"), ("session", options.session, "ses")):
        if name is not None and not re.fullmatch(rf"{prefix}-[A-Za-z0-9]{{1,64}}", name):
            raise UserError(f"--{option} {name!r} is no name of BIDS: give {prefix}- and at most 64 letters or digits.")
    files = ScanFiles(options.out, options.subject or participant, options.session or session)
    try:
        with tempfile.TemporaryDirectory(prefix="ldae-dicom-") as scratch, blaming_the_machine(options.out):
            image = as_nifti(options.scan, Path(scratch))
            if options.orientation:
                require_no_orientation(image)
            row = preprocess_scan(image, files, settings, options.scan)
    except QuarantinedScan as error:
        print(f"ldae: {options.scan} is refused: {error}.", file=sys.stderr)
        return REFUSED
    write_row(row, files)
    print(line_of(row))
    if options.pages:
        from ldae.report.qc_pages import write_pages_of_folder

        with blaming_the_machine(options.out):
            print(f"pages: {write_pages_of_folder(options.out, settings)}")
    if row["qc"] == "fail" and settings.quality.quarantine != "none":
        print(f"ldae: {options.scan} is refused: quality control: {row['qc_reason']}.", file=sys.stderr)
        return REFUSED
    return 0


def with_orientation(settings, orientation: str):
    """The settings with a stated orientation.

    Raises:
        UserError: it is not one letter of each pair.
    """
    from pydantic import ValidationError

    from ldae.core.errors import UserError

    try:
        return type(settings).model_validate(settings.model_dump() | {"orientation": orientation.upper()})
    except ValidationError as error:
        raise UserError(
            f"--orientation {orientation} must have one letter of each pair: L or R, A or P, S or I (LAS, RAS)."
        ) from error


def write_row(row: dict, files) -> None:
    """The quality-control row as a table of one line beside the scan's derivatives."""
    import pandas as pd

    from ldae.core.files import write_tsv
    from ldae.preprocessing.one_scan import ROW

    write_tsv(files.anat / f"{files.stem}{ROW}", pd.DataFrame([row]))


def line_of(row: dict) -> str:
    """The quality-control line: verdict first, then the metrics."""
    from ldae.core.keys import KEY  # brings pandas, which `ldae --help` shall not wait for

    hidden = {*KEY, "path", "sha256", "qc", "qc_reason"}
    shown = {name: "n/a" if value is None else f"{value:.3g}" for name, value in row.items() if name not in hidden}
    metrics = [f"{name} {value}" for name, value in shown.items()]
    reason = f" ({row['qc_reason']})" if row["qc_reason"] else ""
    return f"{row['participant_id']} {row['session_id']}: {row['qc']}{reason}; {', '.join(metrics)}; {row['path']}"
