"""``ldae apply MODEL INPUT ... --out DIR``; as BIDS-Apps say it, ``ldae apply MODEL BIDS_DIR OUT participant``."""

import sys
from argparse import Namespace
from pathlib import Path

from ldae.core.errors import UserError

LEVEL = "participant"


def add(commands) -> None:
    command = commands.add_parser(
        "apply",
        help="a trained model on raw scans: codes, predictions, counterfactuals, a page for each",
        description="By the model's own recipe. A scan that cannot be used is refused with its reason and stops no "
        "other; what is done is not done again. For research: nothing of it is a diagnosis. Exit status: 0 every scan "
        "answered, 3 some were refused, 1 anything else.",
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="exported model, or a results folder")
    command.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="NIfTI file or a folder of them, folder with one DICOM series, or BIDS dataset",
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="folder of the answers (BIDS derivatives)")
    command.add_argument("--participant-label", nargs="+", metavar="LABEL", help="these participants alone")
    command.add_argument("--session-label", nargs="+", metavar="LABEL", help="these sessions alone")
    command.add_argument("--codes-only", action="store_true", help="tables alone: no volume is kept or decoded")
    command.add_argument(
        "--probabilities", type=float, nargs="+", metavar="P", help="of AD, for the counterfactuals (default: 0.1 0.9)"
    )
    command.add_argument("--workers", type=int, default=1, metavar="N", help="scans preprocessed side by side (1)")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.core.runtime import limit_threads

    limit_threads(1)
    inputs, out = places(options)
    from ldae.inference.answers import NOTE
    from ldae.inference.apply import PROBABILITIES, Request, apply_model, find_scans
    from ldae.inference.model import LDAE
    from ldae.report.applied import write_pages

    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: at least one scan is worked on at a time.")
    probabilities = tuple(options.probabilities or PROBABILITIES)
    if bad := [p for p in probabilities if not 0 < p < 1]:
        raise UserError(f"--probabilities {bad[0]:g}: no finite step leads there; give one between 0 and 1.")
    scans = find_scans(inputs, options.participant_label, options.session_label)
    request, model = Request(options.codes_only, probabilities), LDAE.load(options.model)
    answers = apply_model(model, scans, out, request, options.workers)
    write_pages(model, answers, out, request)
    refused = answers[answers["status"] == "refused"]
    for row in refused.itertuples():
        print(f"ldae: {row.source} is refused: {row.reason}.", file=sys.stderr)
    unusual = int((answers["status"] == "unusual").sum())
    scans_said = "1 scan" if len(answers) == 1 else f"{len(answers)} scans"
    print(f"{scans_said}, {len(refused)} refused, {unusual} unusual: {out / 'index.html'}\n{NOTE}")
    return 3 if len(refused) else 0


def places(options: Namespace) -> tuple[list[Path], Path]:
    """What is read and where the answers go, in either way of saying it.

    Raises:
        UserError: neither way is followed, or the answers would go among the scans.
    """
    inputs = list(options.inputs)
    if options.out is None:
        if inputs[-1] != LEVEL or len(inputs) != 3:
            raise UserError(f"Give --out DIR, or say it as BIDS-Apps do: ldae apply MODEL BIDS_DIR OUT {LEVEL}.")
        inputs, out = inputs[:1], Path(inputs[1])
    else:
        out = options.out
    read = [Path(name) for name in inputs]
    for path in read:
        if path.is_dir() and out.resolve() == path.resolve():
            raise UserError(f"{out} is read: choose another folder for the answers.")
    if out.resolve().is_relative_to(options.model.resolve()):
        raise UserError(f"{out} lies in the model {options.model}, which stays as it is: choose another folder.")
    return read, out
