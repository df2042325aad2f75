"""One shard of subjects from raw ADNI to BIDS: Clinica converts, every image is verified, then it is moved in place."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ldae.adni.bids_tables import participant_rows, write_scans, write_sessions
from ldae.adni.clinica import ClinicaRun, run_clinica, session_id
from ldae.adni.inventory import image_folders, require_folders, subject_folders
from ldae.adni.preflight import require_ready, table_findings, tool_findings
from ldae.adni.records import STATUS_COLUMNS, SubjectRecord, is_current, read_record, write_record
from ldae.adni.tables import table_digests
from ldae.adni.verification import checked_image
from ldae.cohort.shards import participant_id, shard_of
from ldae.config import Convert
from ldae.errors import QuarantinedScan, UserError
from ldae.files import digest, write_tsv

NOT_ON_DISK = "not downloaded"
logger = logging.getLogger("ldae")


def convert_shard(
    images: Path, tables: Path, bids: Path, shard: int, settings: Convert, status: Path, scratch: Path
) -> None:
    """Convert the subjects of ``shard`` that are new, changed or damaged, and write the shard's status table.

    A scan that cannot be used is quarantined with its reason, a subject that ends Clinica with Clinica's own last line;
    all others arrive. ``status`` is written last; its ``path`` is relative to ``bids``.

    Raises:
        UserError: a raw folder, a study table or a tool is missing, or more than ``max_quarantined_fraction`` of the
            shard's scans are broken (a single one never is too many; scans that were not downloaded do not count).
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
    for group, run in converted_groups(images, tables, stale, work):
        participants = participant_rows(run.bids)
        for name in group:
            record = bring_in(name, run, inputs[name], participants, incoming / participant_id(name), bids)
            write_record(status, record)
        shutil.rmtree(run.bids.parent)
    shutil.rmtree(incoming, ignore_errors=True)
    records = [read_record(status, participant_id(name)) for name in subjects]
    table = pd.DataFrame([scan for record in records for scan in record.scans], columns=STATUS_COLUMNS)
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
    images: Path, tables: Path, subjects: list[str], work: Path
) -> Iterator[tuple[list[str], ClinicaRun]]:
    """Run Clinica on all ``subjects``; where a run dies, halve its subjects until those that kill it stand alone.

    A joint run costs about 4 s and 0.08 s per image, so one bad subject of 50 costs a dozen short runs, not 50.
    """
    waiting = [subjects] if subjects else []
    attempt = 0
    while waiting:
        group = waiting.pop()
        run = run_clinica(images, tables, group, work / f"run-{attempt}", work / "clinica.log")
        attempt += 1
        if run.error is None or len(group) == 1:
            yield group, run
            continue
        shutil.rmtree(run.bids.parent)
        logger.warning("Clinica died on %d subjects (%s); trying smaller groups", len(group), run.error)
        waiting += [group[len(group) // 2 :], group[: len(group) // 2]]


def bring_in(
    name: str, run: ClinicaRun, inputs: str, participants: dict[str, dict], incoming: Path, bids: Path
) -> SubjectRecord:
    """Verify the scans of one subject, build its folder at ``incoming`` (on the disk of ``bids``), rename it in."""
    participant = participant_id(name)
    if run.error is not None:
        shutil.rmtree(bids / participant, ignore_errors=True)
        reason = f"Clinica died: {run.error}"
        logger.warning("%s quarantined: %s", participant, reason)
        return SubjectRecord(participant, inputs, scans=[status_row(participant, None, reason=reason)], retry=True)
    listed = run.listed[run.listed["Subject_ID"] == name] if len(run.listed) else run.listed
    scans: list[dict] = []
    for item in listed.to_dict("records"):
        session = session_id(item["VISCODE"])
        repeated = any(scan["session_id"] == session for scan in scans)
        scans.append(bring_in_scan(participant, session, item, run.bids, incoming, repeated))
        if scans[-1]["state"] == "quarantined":
            logger.warning("%s %s quarantined: %s", participant, session, scans[-1]["reason"])
    if incoming.is_dir():
        write_sessions(run.bids / participant / f"{participant}_sessions.tsv", incoming / f"{participant}_sessions.tsv")
    replace_folder(incoming, bids / participant)
    scans.sort(key=lambda scan: scan["session_id"])
    return SubjectRecord(participant, inputs, participants.get(participant, {}), scans)


def bring_in_scan(participant: str, session: str, item: dict, made: Path, incoming: Path, repeated: bool) -> dict:
    """Verify one scan and write it with its scans.tsv under ``incoming``; a row of the status table either way."""
    facts = {"image_id": item["Image_ID"], "scan_date": item["Scan_Date"], "field_strength": item["Field_Strength"]}
    name = f"{participant}_{session}_T1w"
    path = f"{participant}/{session}/anat/{name}.nii.gz"
    try:
        if repeated:
            raise QuarantinedScan(f"second image of the visit: I{item['Image_ID']}")
        if not item["Path"]:
            raise QuarantinedScan(f"{NOT_ON_DISK}: no file is named after I{item['Image_ID']}, which MPRAGEMETA lists")
        source, is_dicom = Path(item["Path"]), item["Is_Dicom"] == "True"
        content = checked_image(made / participant / session / "anat", name, source, item["Image_ID"], is_dicom)
    except QuarantinedScan as broken:
        return status_row(participant, session, reason=str(broken), **facts)
    target = incoming.parent / path
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    row = status_row(participant, session, path=path, size=len(content), sha256=checksum, **facts)
    write_scans([row], incoming / session / f"{participant}_{session}_scans.tsv")
    return row


def status_row(participant: str, session: str | None, reason: str | None = None, **facts) -> dict:
    """One row of the status table; a reason makes it a quarantined one."""
    row = dict.fromkeys(STATUS_COLUMNS) | facts
    state = "quarantined" if reason else "done"
    return row | {"participant_id": participant, "session_id": session, "state": state, "reason": reason}


def replace_folder(fresh: Path, target: Path) -> None:
    """Put ``fresh`` where ``target`` is, or remove ``target`` if there is no ``fresh``; never a mixture of the two."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = fresh.with_name(f"{fresh.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    if fresh.exists():
        fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def check_quarantined(table: pd.DataFrame, limit: float, shard: int) -> None:
    """Raises:
    UserError: more than one scan, and more than the fraction ``limit`` of those on disk, are quarantined.
    """
    on_disk = table[~table["reason"].fillna("").str.startswith(NOT_ON_DISK)]
    broken = on_disk[on_disk["state"] == "quarantined"]
    if len(broken) > max(1, limit * len(on_disk)):
        kinds = broken["reason"].str.split(":").str[0].value_counts()
        reasons = "; ".join(f"{count} x {reason}" for reason, count in kinds.items())
        raise UserError(
            f"Shard {shard} of the conversion: {len(broken)} of {len(on_disk)} scans cannot be used ({reasons}); "
            "mend the download, or raise convert.max_quarantined_fraction."
        )
