"""One shard of subjects from raw ADNI to BIDS: Clinica converts, every image is verified, then it is moved in place."""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from ldae.adni.accounting import (
    LATER_PHASE,
    Listing,
    kinds_of,
    lost_scans,
    read_listing,
    write_readable_tables,
)
from ldae.adni.adni4_scans import Part, parts_of
from ldae.adni.adni4_tables import read_written
from ldae.adni.bids_tables import (
    STATUS_COLUMNS,
    is_current,
    participant_rows,
    read_record,
    sweep_temporary,
    write_record,
)
from ldae.adni.clinica import ClinicaRun, run_clinica
from ldae.adni.disk import subject_files
from ldae.adni.inventory import FIVE_DIGITS, image_folders, require_folders, subject_folders
from ldae.adni.preflight import require_ready, table_findings, tool_findings
from ldae.adni.publication import ClinicaPart, OnDisk, OwnPart, bring_in, status_row
from ldae.adni.staging import stage_subject
from ldae.adni.study_tables import table_digests
from ldae.config import Convert
from ldae.core.errors import AGAIN, MORE_MEMORY, MachineError, UserError, blaming_the_machine
from ldae.core.files import digest, write_tsv
from ldae.core.keys import participant_id, shard_of

NONE: Mapping[str, Part] = {}
logger = logging.getLogger("ldae")


def convert_shard(
    images: Path, tables: Path, bids: Path, shard: int, settings: Convert, status: Path, scratch: Path
) -> None:
    """Convert the subjects of ``shard`` that are new, changed or damaged, and write the shard's status table.

    A scan that cannot be used is quarantined with its reason, a subject that ends Clinica with Clinica's own last line;
    all others arrive, and no visit on disk is left without a row. ``status`` is written last; its ``path`` is relative
    to ``bids``.

    Raises:
        UserError: a raw folder, a study table or a tool is missing, or Clinica dies on all subjects alike. Lost scans
            never stop a shard; ``merge_bids`` judges those of the whole cohort.
    """
    require_folders(images, tables)
    found = read_written(tables)
    parts, alone = parts_of(found), found.alone if found is not None else set()
    subjects = [path.name for path in subject_folders(images) if shard_of(path.name, settings.shards) == shard]
    subjects = [name for name in subjects if name in parts or not FIVE_DIGITS.fullmatch(name)]
    needed = [] if found is not None and set(subjects) <= alone else table_findings(tables)
    require_ready(tool_findings() + needed)
    inputs = input_digests(images, tables, subjects, settings.revision, parts)
    forget_vanished(bids, status, shard, settings.shards, subjects)
    stale = [name for name in subjects if not is_current(read_record(status, participant_id(name)), inputs[name], bids)]
    logger.info("shard %d: %d subjects, %d to convert", shard, len(subjects), len(stale))
    work, incoming = scratch / str(shard), bids.with_name(f".incoming-{bids.name}-{shard}")
    for folder in (work, incoming):
        shutil.rmtree(folder, ignore_errors=True)
    sweep_temporary(status, [participant_id(name) for name in subjects])
    theirs, tree = [name for name in stale if name not in alone], work / "images"

    def own(name: str) -> OwnPart | None:
        return OwnPart(parts[name], tree, work / "own") if name in parts else None

    for name in stale:
        if name in alone:
            with blaming_the_machine(work):
                disk = staged(images, [name], {name: parts[name].image_ids}, tree)[name]
            facts = inputs[name], parts[name].person
            write_record(status, bring_in(name, None, own(name), disk, facts, incoming / participant_id(name), bids))
    if theirs:
        elsewhere = set(found.images["ImageUID"]) if found is not None else set()
        listing = read_listing(tables, settings.adni4, elsewhere)
        with blaming_the_machine(work):
            disks = staged(images, theirs, listed_images(listing, theirs, parts), tree)
        had = {name: disk.files.ids - set(disk.reasons) for name, disk in disks.items()}
        shown = listing.shown(had)
        rules = listing.rules(shown)
        write_readable_tables(tables, listing, shown, work / "tables")
        suspects = listing.suspects(theirs)
        ordinary = [name for name in theirs if name not in suspects]
        for group, run in converted_groups(tree, work / "tables", [ordinary, *([name] for name in suspects)], work):
            participants, part = participant_rows(run.bids), ClinicaPart(run, listing, rules)
            for name in group:
                known = parts[name].person if name in parts else {}
                facts = inputs[name], participants.get(participant_id(name), known)
                record = bring_in(name, part, own(name), disks[name], facts, incoming / participant_id(name), bids)
                write_record(status, record)
            shutil.rmtree(run.bids.parent)
        shutil.rmtree(work / "tables")
    for folder in (work / "own", tree):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(incoming, ignore_errors=True)
    records = [read_record(status, participant_id(name)) for name in subjects]
    assert None not in records  # each was there or has been written
    rows = [scan for record in records if record is not None for scan in record.scans]
    rows += later_phases(images, shard, settings.shards, set(parts))
    table = pd.DataFrame(rows, columns=STATUS_COLUMNS)
    table = table.astype({"size": "Int64"})  # as float it would lose digits in the file
    warn_of_losses(table, shard)
    write_tsv(status, table)


def listed_images(listing: Listing, subjects: list[str], parts: dict[str, Part]) -> dict[str, set[str]]:
    """PTID -> images that are to be staged: those listed and not withheld, and those of ADNI4."""
    rows = listing.images[~listing.images["withheld"]]
    listed = rows.groupby("SubjectID")["ImageUID"].agg(set).to_dict()
    return {name: listed.get(name, set()) | (parts[name].image_ids if name in parts else set()) for name in subjects}


def staged(images: Path, subjects: list[str], listed: dict[str, set[str]], tree: Path) -> dict[str, OnDisk]:
    """Build the tree that the converters see, of the listed images."""
    disks = {}
    for name in subjects:
        files = subject_files(images / name)
        result = stage_subject(name, files, listed.get(name, set()), tree)
        for note in result.notes:
            logger.warning("%s: %s", participant_id(name), note)
        disks[name] = OnDisk(files, result.reasons)
    return disks


def input_digests(
    images: Path, tables: Path, subjects: list[str], revision: int, parts: Mapping[str, Part] = NONE
) -> dict[str, str]:
    """PTID -> digest of its image folders (names and sizes), its table rows and the revision of this step."""
    rows = table_digests(tables, subjects)
    content = {name: [image_folders(images / name), rows[name], revision] for name in subjects}
    return {name: digest([*own, asdict(parts[name])] if name in parts else own) for name, own in content.items()}


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
    folder has a name of its own: the Clinica of a killed job may outlive it for a while. Where both halves of a group
    die alike, and so do single subjects of both and of the rest, the cause is no subject's.

    Raises:
        MachineError: Clinica was killed twice in a row, on different subjects.
        UserError: Clinica dies on all subjects alike.
    """

    def run_on(group: list[str]) -> ClinicaRun:
        logger.info("Clinica runs on %d subjects", len(group))
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=work))
        return run_clinica(images, tables, group, folder, work / "clinica.log")

    waiting = [(group, Halves()) for group in reversed(groups) if group]
    killed: set[str] = set()
    cleared: set[str | None] = set()  # kinds of errors that some subjects do not have
    while waiting:
        group, halves = waiting.pop()
        run = run_on(group)
        killed = stop_if_killed_again(killed, set(group)) if run.killed else set()
        if halves.both_died_alike(group, run) and halves.kind not in cleared:
            probes = [half[-1:] for half in halves.dead if len(half) > 1]
            probes += [[name] for name in groups[0][-1:] if not any(name in half for half in halves.dead)]
            if probes and all(dies_alike(run_on(probe), halves.kind) for probe in probes):
                shutil.rmtree(run.bids.parent)
                raise UserError(
                    f"Clinica dies on all subjects alike ({run.error}): the cause is none of theirs; run "
                    f"`ldae preflight`, look at the study tables, and at the end of {work / 'clinica.log'}."
                )
            cleared.add(halves.kind)
        if run.error is None or len(group) == 1:
            yield group, run
            continue
        shutil.rmtree(run.bids.parent)
        logger.warning("Clinica died on %d subjects (%s); trying smaller groups", len(group), run.error)
        both = Halves(kind_of(run.error))
        waiting += [(group[len(group) // 2 :], both), (group[: len(group) // 2], both)]


@dataclass
class Halves:
    """The two halves of a group on which Clinica died with an error of this kind, and those that died of it again."""

    kind: str | None = None
    dead: list[list[str]] = field(default_factory=list)

    def both_died_alike(self, group: list[str], run: ClinicaRun) -> bool:
        """Take note of a half's run; True once both halves have died of the same kind of error."""
        if run.error is not None and not run.killed and kind_of(run.error) == self.kind:
            self.dead.append(group)
        return len(self.dead) == 2


def dies_alike(probe: ClinicaRun, kind: str | None) -> bool:
    """Whether Clinica died of this kind of error in a run that was made to find that out; what it wrote is removed."""
    shutil.rmtree(probe.bids.parent)
    return probe.error is not None and kind_of(probe.error) == kind


def kind_of(error: str) -> str:
    """An error without the names and numbers of a subject, its visits and images."""
    return re.sub(r"\S*\d{3}_S_\d{4}\S*|\S*ADNI\d{3}S\d{4}\S*|\S*ses-M\d+\S*|\d+", "#", error)


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


def later_phases(images: Path, shard: int, shards: int, converted: set[str]) -> list[dict]:
    """A row for each subject folder with a five-digit ADNI4 identifier that is not ``converted``; Clinica passes over
    them."""
    reason = f"{LATER_PHASE}: Clinica reads subject identifiers with four digits, not those of ADNI4"
    folders = [path.name for path in subject_folders(images) if FIVE_DIGITS.fullmatch(path.name)]
    names = [participant_id(name) for name in folders if name not in converted]
    return [status_row(name, None, reason=reason) for name in names if shard_of(name, shards) == shard]


def warn_of_losses(table: pd.DataFrame, shard: int) -> None:
    """Say that a shard is lost almost wholly; whether that is too much is judged of all shards together."""
    broken, possible = lost_scans(table)
    if 2 * len(broken) > possible:
        reasons = kinds_of(broken)
        logger.warning("shard %d: %d of %d scans cannot be used (%s)", shard, len(broken), possible, reasons)
