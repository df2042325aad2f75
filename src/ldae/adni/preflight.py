"""Everything that is wrong with a raw download, in one list, before anything is written.

Reads the study tables and the names of folders, never an image. Severities: ``blocking`` (the conversion cannot run),
``quarantine`` (some scans or subjects will be left out), ``note`` (worth knowing).
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.clinica import OLDEST_DCM2NIIX, clinica_command, dcm2niix_version
from ldae.adni.inventory import missing_folders, subject_folders
from ldae.adni.tables import TABLES, find_tables, read_table
from ldae.errors import UserError
from ldae.files import write_json

SEVERITIES = ("blocking", "quarantine", "note")
PHASES = {"ADNI1", "ADNIGO", "ADNI2", "ADNI3"}


@dataclass(frozen=True)
class Finding:
    """One problem: what, where, and what to do about it."""

    severity: Literal["blocking", "quarantine", "note"]
    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.fix}"


def preflight(images: Path, tables: Path) -> list[Finding]:
    """All findings about a download and the tools that convert it, the gravest first."""
    missing = [Finding("blocking", *problem) for problem in missing_folders(images, tables)]
    if missing:
        return missing + tool_findings()
    findings = tool_findings() + table_findings(tables)
    readable = {name for name, content in readable_tables(tables).items() if content is not None}
    if {"ADNIMERGE", "MPRAGEMETA"} <= readable:
        findings += value_findings(images, tables)
    findings += folder_findings(images)
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def require_ready(findings: list[Finding]) -> None:
    """Raises:
    UserError: at least one finding is blocking; the message holds all of them.
    """
    blocking = [str(finding) for finding in findings if finding.severity == "blocking"]
    if blocking:
        raise UserError("The ADNI download is not ready: " + "; ".join(blocking) + ".")


def write_report(findings: list[Finding], path: Path) -> None:
    """``{"ready": ..., "findings": [...]}`` as JSON."""
    ready = all(finding.severity != "blocking" for finding in findings)
    write_json(path, {"ready": ready, "findings": [asdict(finding) for finding in findings]})


def tool_findings() -> list[Finding]:
    """Is there a Clinica, and a dcm2niix that Clinica accepts?"""
    findings = []
    try:
        clinica_command()
    except UserError as error:
        findings.append(Finding("blocking", "no Clinica", "the Python environment", str(error)))
    version = dcm2niix_version()
    if version is None or version < OLDEST_DCM2NIIX:
        what = "no dcm2niix" if version is None else f"dcm2niix {version} is too old"
        fix = f"install {OLDEST_DCM2NIIX} or newer (older releases run commands hidden in file names)"
        findings.append(Finding("blocking", what, "PATH", fix))
    return findings


def readable_tables(tables: Path) -> dict[str, pd.DataFrame | None]:
    """Table name -> content where exactly one readable file is found and all required columns are there, else None."""
    contents: dict[str, pd.DataFrame | None] = {}
    for table in TABLES:
        paths = find_tables(tables, table.name)
        try:
            content = read_table(paths[0]) if len(paths) == 1 else None
        except UserError:
            content = None
        complete = content is not None and set(table.required) <= set(content)
        contents[table.name] = content if complete else None
    return contents


def table_findings(tables: Path) -> list[Finding]:
    """Missing, doubled and unreadable study tables, and missing columns."""
    findings = []
    for table in TABLES:
        paths = find_tables(tables, table.name)
        page = f"LONI, Search > Study Data, table {table.name} ({table.title})"
        if not paths:
            severity = "note" if table.optional else "blocking"
            what = f"table {table.name} is missing" + (": its columns will be n/a" if table.optional else "")
            findings.append(Finding(severity, what, str(tables), f"download it from {page}"))
        elif len(paths) > 1:
            names = ", ".join(path.relative_to(tables).as_posix() for path in paths)
            findings.append(
                Finding("blocking", f"{len(paths)} files are table {table.name}", names, "keep the newest file alone")
            )
        else:
            findings += column_findings(paths[0], table.required, page)
    return findings


def column_findings(path: Path, required: tuple[str, ...], page: str) -> list[Finding]:
    try:
        content = read_table(path)
    except UserError as error:
        return [Finding("blocking", str(error), path.name, f"download it again from {page}")]
    lacking = [column for column in required if column not in content]
    if not lacking:
        return []
    what = f"columns missing: {', '.join(lacking)}"
    return [Finding("blocking", what, path.name, f"download the complete table from {page}")]


def value_findings(images: Path, tables: Path) -> list[Finding]:
    """Cells that would end Clinica or lose a scan, for the subjects on disk alone."""
    contents = readable_tables(tables)
    subjects = [path.name for path in subject_folders(images)]
    merge = contents["ADNIMERGE"][contents["ADNIMERGE"]["PTID"].isin(subjects)]
    meta = contents["MPRAGEMETA"][contents["MPRAGEMETA"]["SubjectID"].isin(subjects)]
    findings = [
        *bad_dates(merge, "EXAMDATE", "PTID", "ADNIMERGE"),
        *bad_dates(meta, "ScanDate", "SubjectID", "MPRAGEMETA"),
        *unknown_phases(merge),
        *unknown_diagnoses(merge),
        *repeated_screening(merge, contents["DXSUM_PDXCONV"]),
        *absent_images(images, meta),
    ]
    strangers = sorted(set(subjects) - set(merge["PTID"]))
    if strangers:
        fix = "download ADNIMERGE again (LONI, Search > Study Data); Clinica leaves these subjects out"
        findings.append(Finding("quarantine", f"subjects without a row: {shortened(strangers)}", "ADNIMERGE", fix))
    return findings


def bad_dates(table: pd.DataFrame, column: str, subject: str, name: str) -> list[Finding]:
    dates = pd.to_datetime(table[column], format="%Y-%m-%d", errors="coerce", exact=True)
    bad = sorted(set(table.loc[dates.isna(), subject]))
    if not bad:
        return []
    what = f"{column} is empty or not YYYY-MM-DD for {shortened(bad)}; Clinica dies on such a subject"
    fix = f"fill in the dates, or download {name} again without opening it in a spreadsheet program"
    return [Finding("quarantine", what, name, fix)]


def unknown_phases(merge: pd.DataFrame) -> list[Finding]:
    findings = []
    for column, severity, effect in (
        ("ORIGPROT", "quarantine", "Clinica dies on such a subject"),
        ("COLPROT", "note", "Clinica leaves such a visit out"),
    ):
        outside = merge[~merge[column].isin(PHASES)]
        if len(outside):
            names = shortened(sorted(set(outside["PTID"])))
            what = f"{column} is not ADNI1, ADNIGO, ADNI2 or ADNI3 for {names}; {effect}"
            fix = "remove the folders of these subjects, or accept the loss"
            findings.append(Finding(severity, what, "ADNIMERGE", fix))
    return findings


def unknown_diagnoses(merge: pd.DataFrame) -> list[Finding]:
    if "DX" not in merge:
        return [Finding("note", "no column DX: no scan will have a diagnosis", "ADNIMERGE", "download it again")]
    values = sorted(set(merge["DX"]) - set(DIAGNOSES) - {""})
    if not values:
        return []
    what = f"DX holds {shortened(values)}; the diagnosis of these visits will be n/a"
    return [Finding("note", what, "ADNIMERGE", "write CN, MCI or Dementia where you know better")]


def repeated_screening(merge: pd.DataFrame, diagnoses: pd.DataFrame | None) -> list[Finding]:
    """Clinica reads the screening diagnosis of ADNI3 subjects with code that needs one (PTID, VISCODE2) pair twice."""
    if diagnoses is None or not (merge["ORIGPROT"] == "ADNI3").any():
        return []
    if diagnoses.duplicated(["PTID", "VISCODE2"]).any():
        return []
    what = "no visit stands twice in the diagnostic summary, as in a filtered copy; Clinica dies on ADNI3 subjects"
    fix = "download the complete table (LONI, Search > Study Data)"
    return [Finding("blocking", what, "DXSUM_PDXCONV", fix)]


def absent_images(images: Path, meta: pd.DataFrame) -> list[Finding]:
    """Images that MPRAGEMETA lists for the subjects on disk, without a folder of that name (``I`` and the ImageUID)."""
    present = {path.name for path in images.glob("*/*/*/I*")}
    absent = sorted(set("I" + meta["ImageUID"].str.strip()) - present)
    if not absent:
        return []
    what = f"{len(absent)} listed images are not on disk: {shortened(absent)}"
    fix = "if you want them: LONI, Search > Image Collections, add them by image ID and download them beside the others"
    return [Finding("note", what, str(images), fix)]


def folder_findings(images: Path) -> list[Finding]:
    """An empty cohort, and folders that look like subjects to a person but not to Clinica."""
    findings = []
    if not subject_folders(images):
        fix = "set raw.images to the folder that holds one folder per subject, as LONI's zip unpacks (usually ADNI)"
        findings.append(Finding("blocking", "no subject folder named NNN_S_NNNN", str(images), fix))
    longer = sorted(path.name for path in images.iterdir() if re.fullmatch(r"\d{3}_S_\d{5,}", path.name))
    if longer:
        what = f"Clinica passes over subjects with five digits: {shortened(longer)}"
        findings.append(Finding("note", what, str(images), "none needed; ADNI4 is not converted by this Clinica"))
    return findings


def shortened(names: Iterable[str], shown: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
