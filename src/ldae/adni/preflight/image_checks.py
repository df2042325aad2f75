"""Images that are listed and not on disk, on disk and not listed, or named so that Clinica cannot find them."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ldae.adni.inventory import subject_folders
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.preflight.visit_checks import bad_dates
from ldae.adni.study_tables import BY_NAME

COLLECTIONS = "LONI IDA, Search & Download > Image Collections > Advanced Search"
USED = "finding the files of an image"
IMAGE_FILE = re.compile(r"_I(\d+)\.[^.]")
IMAGE_FOLDER = re.compile(r"I\d+")


@dataclass
class FilesOnDisk:
    """``images``: numbers that Clinica can find, by a file name that ends ``_I<number>.<suffix>``; ``misnamed``:
    folders ``I<number>`` that hold no file of that ending; ``empty``: folders ``I<number>`` without any file.
    """

    images: set[str] = field(default_factory=set)
    misnamed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def files_by_subject(images: Path, subjects: list[str]) -> dict[str, FilesOnDisk]:
    """PTID -> its image files, by name alone."""
    found = {}
    for subject in subjects:
        files = found[subject] = FilesOnDisk()
        for folder, _, names in os.walk(images / subject):
            here = {match.group(1) for name in names if (match := IMAGE_FILE.search(name))}
            files.images |= here
            name = Path(folder).name
            if IMAGE_FOLDER.fullmatch(name) and name[1:] not in here:
                (files.misnamed if names else files.empty).append(name)
    return found


def image_findings(meta: pd.DataFrame, files: dict[str, FilesOnDisk], images: Path) -> list[Finding]:
    """Compare MPRAGEMETA with the file names, for the subjects on disk."""
    rows = meta[meta["SubjectID"].isin(files)]
    numbers = rows["ImageUID"].str.strip()
    on_disk = {(subject, number) for subject, item in files.items() for number in item.images}
    listed = set(zip(rows["SubjectID"], numbers, strict=True))
    named_otherwise = {(subject, name[1:]) for subject, item in files.items() for name in item.misnamed + item.empty}
    absent = sorted(f"I{number}" for _, number in listed - on_disk - named_otherwise)
    unlisted = sorted(f"I{number}" for _, number in on_disk - listed)
    misnamed = sorted(name for item in files.values() for name in item.misnamed)
    empty = sorted(name for item in files.values() for name in item.empty)
    again = f"download them again from {COLLECTIONS}, by image ID, and unpack without renaming"
    findings = [
        *bad_dates(rows, "ScanDate", "SubjectID", "MPRAGEMETA", "such an image is left out"),
        *processed_only_listed(rows, numbers, on_disk),
    ]
    if misnamed:
        what = f"{len(misnamed)} images whose files do not end _I<image ID>.dcm: {shortened(misnamed)}; not found"
        findings.append(Finding("quarantine", what, str(images), again, USED))
    if empty:
        what = f"{len(empty)} image folders are empty: {shortened(empty)}"
        findings.append(Finding("quarantine", what, str(images), again, USED))
    if absent:
        what = f"{len(absent)} listed images are not on disk: {shortened(absent)}"
        fix = f"if you want them: {COLLECTIONS}, add them by image ID and download them beside the others"
        findings.append(Finding("note", what, str(images), fix, USED))
    if unlisted:
        what = f"{len(unlisted)} images on disk are not listed in MPRAGEMETA: {shortened(unlisted)}; passed over"
        fix = f"none needed if they are no T1w images; else a newer list from {BY_NAME['MPRAGEMETA'].page}"
        findings.append(Finding("note", what, str(images), fix, USED))
    return findings


def processed_only_listed(rows: pd.DataFrame, numbers: pd.Series, on_disk: set[tuple[str, str]]) -> list[Finding]:
    """Visits whose processed image (Scaled, N3m), which Clinica prefers, is not on disk while the original is."""
    present = pd.Series([pair in on_disk for pair in zip(rows["SubjectID"], numbers, strict=True)], index=rows.index)
    preferred = (rows["Orig/Proc"] == "Processed") & rows["Sequence"].str.endswith(("Scaled", "N3m"))
    key = [rows["SubjectID"], rows["Visit"]]
    served = (preferred & present).groupby(key).transform("any")
    lost = preferred & ~served & present.groupby(key).transform("any")
    if not lost.any():
        return []
    subjects = shortened(sorted(set(rows.loc[lost, "SubjectID"])))
    what = f"the processed image that Clinica prefers is not on disk for visits of {subjects}; they will be lost"
    fix = f"{COLLECTIONS}, tick Original, Pre-processed and Post-processed, and add the missing images"
    return [Finding("quarantine", what, "MPRAGEMETA", fix, "choosing one image for a visit")]


def folder_findings(images: Path) -> list[Finding]:
    """An empty cohort, and folders that look like subjects to a person but not to Clinica."""
    findings = []
    if not subject_folders(images):
        fix = "set raw.images to the folder that holds one folder per subject, as LONI's zip unpacks (usually ADNI)"
        findings.append(Finding("blocking", "no subject folder named NNN_S_NNNN", str(images), fix, USED))
    longer = sorted(path.name for path in images.iterdir() if re.fullmatch(r"\d{3}_S_\d{5,}", path.name))
    if longer:
        what = f"Clinica passes over subjects with five digits: {shortened(longer)}"
        fix = "none needed; ADNI4 is not converted by this Clinica"
        findings.append(Finding("quarantine", what, str(images), fix, USED))
    return findings
