"""One converted subject, from what Clinica and dcm2niix wrote to its place in the BIDS dataset: verified, whole, or not
at all."""

import gzip
import hashlib
import logging
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ldae.adni.accounting import LEFT_OUT, SECOND, Listing, absence, mistaken_visit, visits_left_out
from ldae.adni.adni4_scans import Part, choices
from ldae.adni.bids_tables import STATUS_COLUMNS, SubjectRecord, write_scans, write_sessions
from ldae.adni.clinica import ClinicaRun, session_id
from ldae.adni.dcm2niix import CONVERTER, convert_image, write_sidecar
from ldae.adni.dicom_headers import header_of, voxels_of
from ldae.adni.disk import SubjectFiles
from ldae.adni.selection import Rules
from ldae.adni.troubles import Trouble
from ldae.core.errors import QuarantinedScan, blaming_the_machine
from ldae.core.files import atomic_path
from ldae.core.keys import participant_id

MOST_ANISOTROPIC = 2.0  # longest edge of a voxel / shortest; ADNI's MPRAGE has 1.3 at most
EXTENT_MM = (80.0, 512.0)  # of a head scan, along each axis
TEXT_FIELDS = ("descrip", "aux_file", "db_name", "intent_name")
logger = logging.getLogger("ldae")


def expected_voxels(source: Path, image_id: str) -> int:
    """Voxels of a DICOM series: files x frames x rows x columns (nothing else is read from a header).

    Raises:
        QuarantinedScan: no file of the image can be read.
    """
    files = sorted(source.glob(f"*_I{image_id}.dcm"))
    for file in files:
        if (header := header_of(file)) is not None:
            return len(files) * voxels_of(header)
    raise QuarantinedScan(
        Trouble.UNREADABLE.because(f"none of the {len(files)} files of I{image_id} has a usable header")
    )


def checked_image(anat: Path, name: str, source: Path, image_id: str, is_dicom: bool) -> bytes:
    """The bytes of a verified ``name``.nii.gz, its free-text header fields emptied.

    dcm2niix puts the time of the acquisition into those fields; voxels, affine and the rest are as Clinica left them.

    Raises:
        QuarantinedScan: missing, split, damaged, not three-dimensional, without a plausible size, or not as many voxels
            as the series has.
    """
    target = anat / f"{name}.nii.gz"
    strays = sorted(path.name.removeprefix(name) for path in anat.glob("*") if path != target)
    if strays:
        raise QuarantinedScan(f"split or unfinished series: dcm2niix left {', '.join(strays)} for I{image_id}")
    if not target.is_file():
        raise QuarantinedScan(f"no image: dcm2niix made nothing of I{image_id}")
    try:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(target.read_bytes()))
        voxels = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, WrapStructError) as error:
        raise QuarantinedScan(f"unreadable image: the NIfTI made of I{image_id} is damaged") from error
    if voxels.ndim != 3:
        raise QuarantinedScan(f"not a volume: I{image_id} has {voxels.ndim} dimensions")
    if not np.isfinite(image.affine).all() or np.linalg.det(image.affine) == 0:
        raise QuarantinedScan(f"bad affine: I{image_id} has no position in space")
    check_size(voxels.shape, np.linalg.norm(image.affine[:3, :3], axis=0), image_id)
    if is_dicom and voxels.size != (expected := expected_voxels(source, image_id)):
        raise QuarantinedScan(f"slices lost: I{image_id} has {voxels.size} voxels, its DICOM files hold {expected}")
    if voxels.min() == voxels.max():
        raise QuarantinedScan(f"empty image: every voxel of I{image_id} has the same value")
    for field in TEXT_FIELDS:
        image.header[field] = b""
    image.header.extensions.clear()
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def check_size(shape: tuple[int, ...], steps: np.ndarray, image_id: str) -> None:
    """Args:
        steps: edges of a voxel, mm.

    Raises:
        QuarantinedScan: the voxels are far from cubes, or the volume is no head.
    """
    voxel = " x ".join(f"{step:.3g}" for step in steps)
    if steps.max() > MOST_ANISOTROPIC * steps.min():
        raise QuarantinedScan(f"implausible geometry: the voxels of I{image_id} have {voxel} mm")
    extent = np.multiply(shape, steps)
    if extent.min() < EXTENT_MM[0] or extent.max() > EXTENT_MM[1]:
        size = " x ".join(f"{length:.0f}" for length in extent)
        raise QuarantinedScan(f"implausible geometry: I{image_id} covers {size} mm")


@dataclass(frozen=True)
class OnDisk:
    """A subject's files, and ``reasons``: image ID -> why its files were not staged for Clinica."""

    files: SubjectFiles
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class ClinicaPart:
    """What Clinica made of the subjects: its ``run``, the tables (``listing``), and as it saw them (``rules``)."""

    run: ClinicaRun
    listing: Listing
    rules: Rules


@dataclass(frozen=True)
class OwnPart:
    """What dcm2niix converts of a subject (``part``) in ``tree``, the staged images, to ``work``."""

    part: Part
    tree: Path
    work: Path


def bring_in(
    name: str,
    clinica: ClinicaPart | None,
    own: OwnPart | None,
    disk: OnDisk,
    facts: tuple[str, dict],
    incoming: Path,
    bids: Path,
) -> SubjectRecord:
    """Verify the scans of one subject, build its folder at ``incoming`` (on the disk of ``bids``), rename it in.

    Args:
        clinica, own: who converts which of its visits; None: none of them.
        disk: the subject's images on disk.
        facts: digest of the subject's inputs, and its row of participants.tsv.
    """
    participant = participant_id(name)
    inputs, row = facts
    died = clinica is not None and clinica.run.error is not None
    scans = clinica_scans(name, clinica, disk, incoming) if clinica is not None else []
    if own is not None:
        taken = {scan["session_id"] for scan in scans if scan["state"] == "done"}
        scans += own_scans(name, own, disk, incoming, taken)
    for scan in scans:
        if scan["state"] == "quarantined":
            logger.warning("%s %s quarantined: %s", participant, scan["session_id"] or "", scan["reason"])
    if incoming.is_dir():
        file = f"{participant}_sessions.tsv"
        theirs = clinica.run.bids / participant / file if clinica is not None else incoming / file
        write_sessions(theirs, incoming / file, own.part.visits if own is not None else ())
    replace_folder(incoming, bids / participant)
    scans.sort(key=lambda scan: (scan["session_id"] or "", scan["image_id"] or ""))
    return SubjectRecord(participant, inputs, row, scans, retry=died)


def clinica_scans(name: str, clinica: ClinicaPart, disk: OnDisk, incoming: Path) -> list[dict]:
    """Rows of the status table for the visits that are Clinica's."""
    participant, run, listing = participant_id(name), clinica.run, clinica.listing
    if run.error is not None:
        reason = f"Clinica died: {run.error}"
        visits = visits_left_out(name, listing, disk.files, set(), set(), disk.reasons)
        visits = visits or [{"session_id": None, "reason": LEFT_OUT}]
        visits = [visit | ({"reason": reason} if visit["reason"].startswith(LEFT_OUT) else {}) for visit in visits]
        return [status_row(participant, **visit) for visit in visits]
    listed = run.listed[run.listed["Subject_ID"] == name] if len(run.listed) else run.listed
    scans: list[dict] = []
    for item in listed.to_dict("records"):
        session = session_id(item["VISCODE"])
        trouble = mistaken_visit(name, item["VISCODE"], item["Image_ID"], clinica.rules)
        if any(scan["session_id"] == session for scan in scans):
            trouble = f"{SECOND}: I{item['Image_ID']}"
        scans.append(bring_in_scan(participant, session, item, "clinica", run.bids, disk, incoming, trouble))
    chosen, taken = {scan["image_id"] for scan in scans}, {scan["session_id"] for scan in scans}
    rest = visits_left_out(name, listing, disk.files, chosen, taken, disk.reasons)
    return scans + [status_row(participant, **visit) for visit in rest]


def own_scans(name: str, own: OwnPart, disk: OnDisk, incoming: Path, taken: set[str | None]) -> list[dict]:
    """Convert a subject's visits of ADNI4; rows of the status table.

    Args:
        taken: sessions that have an image of Clinica's.
    """
    participant, scans = participant_id(name), []
    for choice in choices(own.part, disk.files, disk.reasons):
        image, session = choice.image or {}, choice.session_id
        facts = {"image_id": image.get("ImageUID"), "scan_date": image.get("ScanDate")}
        facts["field_strength"] = image.get("MagStrength")
        reason = choice.reason
        if reason is None and session in taken:
            reason = f"{SECOND}: I{facts['image_id']}"
        if reason is not None or session is None:
            scans.append(status_row(participant, session, reason=reason, **facts))
            continue
        source = own.tree / name / f"I{image['ImageUID']}"
        stem = f"{participant}_{session}_T1w"
        convert_image(source, own.work / participant / session / "anat", stem, own.work.parent / "dcm2niix.log")
        item = {"Image_ID": image["ImageUID"], "Scan_Date": image["ScanDate"], "Field_Strength": image["MagStrength"]}
        item |= {"Path": str(source), "Is_Dicom": str(any(source.glob("*.dcm")))}
        row = bring_in_scan(participant, session, item, CONVERTER, own.work, disk, incoming, None)
        if row["state"] == "done":
            write_sidecar(incoming / session / "anat" / f"{stem}.json", image["MagStrength"])
        scans.append(row)
    return scans


def bring_in_scan(
    participant: str,
    session: str,
    item: dict,
    converter: str,
    made: Path,
    disk: OnDisk,
    incoming: Path,
    trouble: str | None,
) -> dict:
    """Verify one scan and write it with its scans.tsv under ``incoming``; a row of the status table either way.

    Args:
        converter: clinica or dcm2niix, which made it at ``made``.
        trouble: why the image is not to be used, whatever was made of it.
    """
    facts = {"image_id": item["Image_ID"], "scan_date": item["Scan_Date"], "field_strength": item["Field_Strength"]}
    facts["converted_by"] = converter
    name = f"{participant}_{session}_T1w"
    path = f"{participant}/{session}/anat/{name}.nii.gz"
    try:
        if trouble:
            raise QuarantinedScan(trouble)
        if not item["Path"]:
            raise QuarantinedScan(absence(item["Image_ID"], disk.files, disk.reasons))
        source, is_dicom = Path(item["Path"]), item["Is_Dicom"] == "True"
        with blaming_the_machine(made, incoming.parent, always=True):  # dcm2niix does not say that its disk was full
            content = checked_image(made / participant / session / "anat", name, source, item["Image_ID"], is_dicom)
    except QuarantinedScan as broken:
        return status_row(participant, session, reason=str(broken), **facts | {"converted_by": None})
    with atomic_path(incoming.parent / path) as temporary:
        temporary.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    row = status_row(participant, session, path=path, size=len(content), sha256=checksum, **facts)
    write_scans([row], incoming / session / f"{participant}_{session}_scans.tsv")
    return row


def status_row(participant: str, session_id: str | None, reason: str | None = None, **facts) -> dict:
    """One row of the status table; a reason makes it a quarantined one."""
    row = dict.fromkeys(STATUS_COLUMNS) | facts
    state = "quarantined" if reason else "done"
    return row | {"participant_id": participant, "session_id": session_id, "state": state, "reason": reason}


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
