"""One shard of subjects from raw ADNI to BIDS: Clinica converts, every image is verified, then it is moved in place."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ldae.adni.accounting import (
    FIVE_DIGITS,
    LATER_PHASE,
    ORDINARY,
    images_on_disk,
    read_listing,
    write_readable_tables,
)
from ldae.adni.bids_tables import participant_rows
from ldae.adni.clinica import ClinicaRun, run_clinica
from ldae.adni.converted_subjects import STATUS_COLUMNS, is_current, read_record, sweep_temporary, write_record
from ldae.adni.inventory import image_folders, require_folders, subject_folders
from ldae.adni.preflight import require_ready, table_findings, tool_findings
from ldae.adni.publication import bring_in, status_row
from ldae.adni.study_tables import table_digests
from ldae.config import Convert
from ldae.core.errors import AGAIN, MORE_MEMORY, MachineError, UserError
from ldae.core.files import digest, write_tsv
from ldae.core.keys import participant_id, shard_of

logger = logging.getLogger("ldae")


def convert_shard(
    images: Path, tables: Path, bids: Path, shard: int, settings: Convert, status: Path, scratch: Path
) -> None:
    """Convert the subjects of ``shard`` that are new, changed or damaged, and write the shard's status table.

    A scan that cannot be used is quarantined with its reason, a subject that ends Clinica with Clinica's own last line;
    all others arrive, and no visit on disk is left without a row. ``status`` is written last; its ``path`` is relative
    to ``bids``.

    Raises:
        UserError: a raw folder, a study table or a tool is missing, or more than ``max_quarantined_fraction`` of the
            shard's scans are broken (those of a single subject never are too many; scans that were not downloaded,
            that the study refused, or of a phase Clinica does not convert do not count).
    """
    require_folders(images, tables)
    require_ready(tool_findings() + table_findings(tables))
    subjects = [path.name for path in subject_folders(images) if shard_of(path.name, settings.shards) == shard]
    inputs = input_digests(images, tables, subjects, settings.revision)
    forget_vanished(bids, status, shard, settings.shards, subjects)
    stale = [name for name in subjects if not is_current(read_record(status, participant_id(name)), inputs[name], bids)]
    logger.info("shard %d: %d subjects, %d to convert", shard, len(subjects), len(stale))
    work, incoming = scratch / str(shard), bids.with_name(f".incoming-{bids.name}-{shard}")
    for folder in (work, incoming):
        shutil.rmtree(folder, ignore_errors=True)
    sweep_temporary(status, [participant_id(name) for name in subjects])
    if stale:
        listing = read_listing(tables)
        write_readable_tables(tables, listing, work / "tables")
        suspects = listing.suspects(stale)
        ordinary = [name for name in stale if name not in suspects]
        for group, run in converted_groups(images, work / "tables", [ordinary, *([name] for name in suspects)], work):
            participants = participant_rows(run.bids)
            for name in group:
                facts = inputs[name], participants.get(participant_id(name), {})
                disk = images_on_disk(images / name)
                record = bring_in(name, run, listing, disk, facts, incoming / participant_id(name), bids)
                write_record(status, record)
            shutil.rmtree(run.bids.parent)
        shutil.rmtree(work / "tables")
    shutil.rmtree(incoming, ignore_errors=True)
    records = [read_record(status, participant_id(name)) for name in subjects]
    rows = [scan for record in records for scan in record.scans] + later_phases(images, shard, settings.shards)
    table = pd.DataFrame(rows, columns=STATUS_COLUMNS)
    table = table.astype({"size": "Int64"})  # as float it would lose digits in the file
    check_quarantined(table, settings.max_quarantined_fraction, shard)
    write_tsv(status, table)


def input_digests(images: Path, tables: Path, subjects: list[str], revision: int) -> dict[str, str]:
    """PTID -> digest of its image folders (names and sizes), its table rows and the revision of this step."""
    rows = table_digests(tables, subjects)
    return {name: digest([image_folders(images / name), rows[name], revision]) for name in subjects}


def forget_vanished(bids: Path, status: Path, shard: int, shards: int, subjects: list[str]) -> None:
    """Remove what was converted for subjects of this shard that are no longer in the download."""
    known = {participant_id(name) for name in subjects}
    for path in sorted((status.parent / "subjects").glob("sub-*.json")):
        if path.stem not in known and shard_of(path.stem, shards) == shard:
            shutil.rmtree(bids / path.stem, ignore_errors=True)
            path.unlink()


def converted_groups(
    images: Path, tables: Path, groups: list[list[str]], work: Path
) -> Iterator[tuple[list[str], ClinicaRun]]:
    """Run Clinica on each group of subjects; where a run dies, halve its group until those that kill it stand alone.

    A joint run costs about 4 s and 0.08 s per image, so one bad subject of 50 costs a dozen short runs, not 50. A run's
    folder has a name of its own: the Clinica of a killed job may outlive it for a while.

    Raises:
        MachineError: Clinica was killed twice in a row, on different subjects.
    """
    waiting = [group for group in reversed(groups) if group]
    killed: set[str] = set()
    while waiting:
        group = waiting.pop()
        logger.info("Clinica runs on %d subjects", len(group))
        run = run_clinica(images, tables, group, Path(tempfile.mkdtemp(prefix="run-", dir=work)), work / "clinica.log")
        killed = stop_if_killed_again(killed, set(group)) if run.killed else set()
        if run.error is None or len(group) == 1:
            yield group, run
            continue
        shutil.rmtree(run.bids.parent)
        logger.warning("Clinica died on %d subjects (%s); trying smaller groups", len(group), run.error)
        waiting += [group[len(group) // 2 :], group[: len(group) // 2]]


def stop_if_killed_again(before: set[str], group: set[str]) -> set[str]:
    """The subjects of a run of Clinica that was killed from outside.

    Args:
        before: those of the run before, if that was killed too.

    Raises:
        MachineError: these are others, so that no single subject can be the cause.
    """
    if before and before.isdisjoint(group):
        raise MachineError(f"Clinica was killed twice in a row, on different subjects: {MORE_MEMORY}; {AGAIN}.")
    return group


def later_phases(images: Path, shard: int, shards: int) -> list[dict]:
    """A row for each subject folder with a five-digit ADNI4 identifier, which Clinica passes over."""
    reason = f"{LATER_PHASE}: Clinica reads subject identifiers with four digits, not those of ADNI4"
    names = [participant_id(path.name) for path in sorted(images.iterdir()) if FIVE_DIGITS.fullmatch(path.name)]
    return [status_row(name, None, reason=reason) for name in names if shard_of(name, shards) == shard]


def check_quarantined(table: pd.DataFrame, limit: float, shard: int) -> None:
    """Raises:
    UserError: scans of more than one subject, and more than the fraction ``limit`` of those that could have been
        converted, are quarantined.
    """
    possible = table[~table["reason"].fillna("").str.startswith(ORDINARY)]
    broken = possible[possible["state"] == "quarantined"]
    if broken["participant_id"].nunique() > 1 and len(broken) > limit * len(possible):
        kinds = broken["reason"].str.split(":").str[0].value_counts()
        reasons = "; ".join(f"{count} x {reason}" for reason, count in kinds.items())
        raise UserError(
            f"Shard {shard} of the conversion: {len(broken)} of {len(possible)} scans cannot be used ({reasons}); "
            "mend the download, or raise convert.max_quarantined_fraction."
        )
