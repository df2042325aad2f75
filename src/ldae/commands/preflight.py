"""``ldae preflight RAW CLINICAL``, ``ldae preflight --bids DIR``."""

import json
import logging
import os
import sys
from argparse import Namespace
from pathlib import Path

from ldae.core.errors import UserError, is_machine_error

STDOUT = "-"
WITHOUT_CONFIG = (
    "judged as the paper does it: a scan without a diagnosis is left out (manifest.require_diagnosis); --config "
    "config/config.yaml MINE.yaml judges as your configuration does, and whether there are subjects enough to split"
)
LAYOUTS = ("oasis3", "aibl", "openneuro")
SEVERITIES = ("blocking", "quarantine", "note")
CALLS = {  # what a configuration of another source is for
    "bids": "call: ldae preflight --bids DIR --config FILE (or give a configuration of source: adni)",
    "csv": "its table is checked when the run starts",
}
CONVERTERS = ("oasis3-to-bids", "aibl-to-bids")


def add(commands) -> None:
    command = commands.add_parser(
        "preflight",
        help="check a raw ADNI download, or a BIDS dataset, and list everything that is wrong with it",
        description="Reads study tables, names and sizes of files and some headers, never pixels; writes nothing. "
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
        help="with RAW and CLINICAL: as this configuration converts (convert.adni4, and the limits of convert), "
        "and also weights that the trainings of this configuration would miss at their start "
        "(planning with a profile checks batches and memory, too); with --bids: as its sections bids, manifest and "
        "splits have it",
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
    if (call := wrong_call(options)) is not None:
        print(f"ldae: {call}", file=sys.stderr)
        return 2
    if options.bids is not None:
        return run_bids(options)
    return run_clinica(options) if options.clinica is not None else run_adni(options)


def wrong_call(options: Namespace) -> str | None:
    """What is wrong with the arguments themselves; None where nothing is."""
    from ldae.adni.archives import unpacked_by
    from ldae.core.file_names import is_archive

    call = "call: ldae preflight RAW CLINICAL"
    if options.bids is not None:
        if options.raw is not None or options.clinica is not None:
            return "RAW, CLINICAL and --clinica are not for a BIDS dataset; call: ldae preflight --bids DIR"
    elif options.raw is None or options.clinical is None:
        return f"{call}, or ldae preflight --bids DIR"
    else:
        for folder in (options.raw, options.clinical):
            if folder.is_file() and is_archive(folder.name):
                return f"{folder} is an archive: unpack it ({unpacked_by(folder.name)}) and give the folder; {call}"
            if not folder.is_dir():
                return f"{folder} is not a folder; {call}"
        of_bids = ("layout", "visits", "participants")
        if given := [f"--{name}" for name in of_bids if getattr(options, name) is not None]:
            return f"{', '.join(given)}: of a BIDS dataset alone; call: ldae preflight --bids DIR"
    if options.json not in (None, STDOUT):
        if Path(options.json).is_dir():
            return f"--json {options.json} is a folder: name a file (or nothing, to print it)"
        if (trouble := unwritable(Path(options.json))) is not None:
            return f"--json {options.json} cannot be written ({trouble}): name another file."
    if options.config:
        from ldae.config import load_config

        try:
            config = load_config(*options.config)
        except UserError as error:
            return str(error)
        if options.bids is None and options.clinica is None and config.source != "adni":
            if config.clinica is not None:
                return f"the configuration has source: clinica; {call} --clinica {config.clinica.converter}"
            return f"the configuration has source: {config.source}, which reads no RAW CLINICAL; {CALLS[config.source]}"
    return None


def unwritable(path: Path) -> str | None:
    """Why a file cannot be written, before hours of reading are lost to it; None where it can, as far as that is
    known."""
    above = next(folder for folder in path.absolute().parents if folder.exists() or folder.is_symlink())
    if not above.is_dir():
        return f"{above} is not a folder"
    place = path if path.exists() else above
    return None if os.access(place, os.W_OK) else f"no right to write to {place}"


def run_adni(options: Namespace) -> int:
    """Every problem of a raw download, the verdict first."""
    from ldae.adni.preflight import as_json, preflight
    from ldae.config import load_config
    from ldae.core.text_tables import count

    if options.config:
        convert = load_config(*options.config).convert
        limits = convert.max_quarantined_fraction, convert.adni4, convert.max_contradicted_fraction
        findings = preflight(options.raw, options.clinical, *limits)
        findings += planned(options.config)
    else:
        findings = preflight(options.raw, options.clinical)
    severities = [finding.severity for finding in findings]
    blocking = severities.count("blocking")
    if for_machines(options, as_json(findings)):
        return 1 if blocking else 0
    arrivals = f": {findings.arrivals.sentence()}{findings.arrivals.facts()}" if findings.arrivals is not None else ""
    if blocking:
        print(f"The download is not ready to be converted, {count(blocking, 'finding')} to mend first{arrivals}.")
    else:
        left_out = ", but for the scans below" if "quarantine" in severities else ""
        print(f"The download is ready to be converted{left_out}{arrivals}.")
    for finding in sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), finding.needs_nothing)):
        lines = [finding.brief()] if finding.needs_nothing else finding.lines()
        print("\n".join([f"{finding.severity}: {lines[0]}", *lines[1:]]))
    return 1 if blocking else 0


def for_machines(options: Namespace, report: dict) -> bool:
    """Write the report to the file of ``--json``, or print it; True where nothing else is to be printed.

    Raises:
        UserError: the file cannot be written.
    """
    from ldae.core.files import printable, write_json

    report = printable(report)
    if options.json == STDOUT:
        print(json.dumps(report, indent=2, sort_keys=True))
    elif options.json is not None:
        try:
            write_json(options.json, report)
        except OSError as error:
            if is_machine_error(error):
                raise
            raise UserError(f"--json {options.json} cannot be written ({error.strerror}): name another file.") from None
    return options.json == STDOUT


def run_clinica(options: Namespace) -> int:
    """What is missing for another of Clinica's converters."""
    from ldae.adni.other_studies import hollow_ones, is_whole, raw_images, require_ready
    from ldae.config import Clinica

    settings = Clinica(converter=options.clinica, images=options.raw, tables=options.clinical)
    require_ready(settings)
    images = raw_images(settings)
    hollow = [image for image in images if not is_whole(image)]
    images = [image for image in images if image not in hollow]
    people = len({image.subject for image in images})
    left_out = [f"{hollow_ones(hollow)}: copy them again"] if hollow else []
    report = {"ready": True, "images": len(images), "subjects": people, "left_out": left_out}
    if for_machines(options, report):
        return 0
    print(f"The raw files are ready for clinica {options.clinica}: {len(images)} T1w images of {people} subjects.")
    for line in left_out:
        print(f"quarantine: {line}")
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
    from ldae.cohort.entry import Dealing, entry
    from ldae.config import Bids, Manifest, layered, load_config
    from ldae.core.contamination import training_subjects

    logging.getLogger("ldae").addHandler(logging.NullHandler())  # what is noticed is printed here, once
    given = {name: getattr(options, name) for name in ("layout", "visits", "participants") if getattr(options, name)}
    if not options.config:
        found = entry(Bids.model_validate({"path": options.bids} | given), Manifest())
        found.notes.append(WITHOUT_CONFIG)
    else:
        config = load_config(*options.config)
        section = layered(*options.config).get("bids") or {}
        ledger = config.results_dir / "manifest" / "splits_ledger.tsv"
        seen = training_subjects(config.imported.training_subjects, config.source)
        dealing = Dealing(config.splits, config.seed, ledger if ledger.is_file() else None, frozenset(seen))
        settings = Bids.model_validate(section | {"path": options.bids} | given)
        found = entry(settings, config.manifest, None if config.model else dealing)
        found.blocking.extend(f"{finding}" for finding in planned(options.config))
    if not for_machines(options, found.report()):
        print("\n".join(found.lines()))
    return 1 if found.blocking else 0
