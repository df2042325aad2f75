"""``ldae preflight RAW CLINICAL``, ``ldae preflight --bids DIR``."""

import json
import sys
from argparse import Namespace
from pathlib import Path

STDOUT = "-"
LAYOUTS = ("oasis3", "aibl", "openneuro")
CONVERTERS = ("oasis3-to-bids", "aibl-to-bids")


def add(commands) -> None:
    command = commands.add_parser(
        "preflight",
        help="check a raw ADNI download, or a BIDS dataset, and list everything that is wrong with it",
        description="Reads study tables, names and sizes of files, never an image, and writes nothing. "
        "Exit status: 0 ready (some scans may be left out), 1 the conversion cannot run, 2 a wrong call.",
    )
    command.add_argument(
        "raw", type=Path, metavar="RAW", nargs="?", help="folder with one subfolder per subject (NNN_S_NNNN)"
    )
    command.add_argument("clinical", type=Path, metavar="CLINICAL", nargs="?", help="folder with the study tables")
    command.add_argument(
        "--bids", type=Path, metavar="DIR", help="a BIDS dataset instead: which of its scans will enter the cohort"
    )
    command.add_argument(
        "--clinica",
        choices=CONVERTERS,
        help="RAW and CLINICAL are those of another study, for that converter of Clinica (source: clinica)",
    )
    command.add_argument("--layout", choices=LAYOUTS, help="with --bids: columns and visits as that study has them")
    command.add_argument("--visits", type=Path, metavar="FILE", help="with --bids: the table of all visits")
    command.add_argument("--participants", type=Path, metavar="FILE", help="with --bids: the table of the participants")
    command.add_argument(
        "--config",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="with RAW and CLINICAL: as this configuration converts (convert.adni4, convert.max_quarantined_fraction), "
        "and also weights that the trainings of this configuration would miss at their start "
        "(planning with a profile checks batches and memory, too)",
    )
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
    from ldae.config import load_config

    if options.bids is not None:
        return run_bids(options)
    if options.raw is None or options.clinical is None:
        print("ldae: call: ldae preflight RAW CLINICAL, or ldae preflight --bids DIR", file=sys.stderr)
        return 2
    for folder in (options.raw, options.clinical):
        if not folder.is_dir():
            print(f"ldae: {folder} is no folder; call: ldae preflight RAW CLINICAL", file=sys.stderr)
            return 2
    if options.clinica is not None:
        return run_clinica(options)
    if options.config:
        convert = load_config(*options.config).convert
        findings = preflight(options.raw, options.clinical, convert.max_quarantined_fraction, convert.adni4)
        findings += planned(options.config)
    else:
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


def run_clinica(options: Namespace) -> int:
    """What is missing for another of Clinica's converters."""
    from ldae.adni.other_studies import hollow_ones, is_whole, raw_images, require_ready
    from ldae.config import Clinica

    settings = Clinica(converter=options.clinica, images=options.raw, tables=options.clinical)
    require_ready(settings)
    images = raw_images(settings)
    if hollow := [image for image in images if not is_whole(image)]:
        print(f"quarantine: {hollow_ones(hollow)}: copy them again")
    images = [image for image in images if image not in hollow]
    people = len({image.subject for image in images})
    print(f"The raw files are ready for clinica {options.clinica}: {len(images)} T1w images of {people} subjects.")
    return 0


def planned(config: list[Path]) -> list:
    """Findings about what the trainings of a configuration would refuse at their start."""
    from ldae.adni.preflight.finding import Finding
    from ldae.config import load_config
    from ldae.training.planning import unmet

    parts = (sentence.rstrip(".").rpartition("; ") for sentence in unmet(load_config(*config), {}))
    return [Finding("blocking", what, "the configuration", fix) for what, _, fix in parts]


def run_bids(options: Namespace) -> int:
    """What of a BIDS dataset will enter the cohort, and what was noticed of its tables."""
    from ldae.cohort.bids import bids_scans
    from ldae.cohort.exclusions import tally, with_reasons
    from ldae.config import Bids

    given = {name: getattr(options, name) for name in ("layout", "visits", "participants") if getattr(options, name)}
    scans = bids_scans(Bids.model_validate({"path": options.bids} | given))
    notes = scans.attrs["notes"]
    scans = scans.sort_values(["participant_id", "months", "session_id"], ignore_index=True)
    scans = with_reasons(scans, require_diagnosis=False, source_step="read")
    kept = scans[scans["status"] == "included"]
    known = {f"with_{name}": int(kept[name].notna().sum()) for name in ("age", "diagnosis")}
    report = {"images": len(scans), "scans": len(kept), "notes": list(notes)} | known
    if options.json == STDOUT:
        print(json.dumps(report, indent=2, sort_keys=True))
        return 0 if len(kept) else 1
    for note in notes:
        print(f"note: {note}")
    for name, number in kept["diagnosis"].fillna("no diagnosis").value_counts().sort_index().items():
        print(f"{name}: {number} scans")
    print(f"left out: {tally(scans) or 'none'}")
    print(
        f"{len(kept)} of {len(scans)} images will enter, {known['with_age']} with an age, {known['with_diagnosis']} "
        "with a diagnosis (manifest.require_diagnosis asks for one)."
    )
    return 0 if len(kept) else 1
