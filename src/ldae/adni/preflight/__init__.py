"""Everything that is wrong with a raw download, in one list, before anything is written.

Reads the study tables and the names of folders and files, never an image. The tables are judged as the table adapter
will pass them on, so a download with today's LONI names is as good as one with the names of 2023.
"""

from dataclasses import asdict
from pathlib import Path

from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.inventory import missing_folders, subject_folders
from ldae.adni.preflight.finding import SEVERITIES, Finding
from ldae.adni.preflight.image_checks import files_by_subject, folder_findings, image_findings
from ldae.adni.preflight.quality_checks import rejected_visits
from ldae.adni.preflight.table_checks import adapted_findings, table_findings
from ldae.adni.preflight.tool_checks import tool_findings
from ldae.adni.preflight.visit_checks import PHASES, visit_findings
from ldae.core.errors import UserError
from ldae.core.files import write_json

__all__ = [
    "PHASES",
    "Finding",
    "as_json",
    "preflight",
    "require_ready",
    "table_findings",
    "tool_findings",
    "write_report",
]


def preflight(images: Path, tables: Path) -> list[Finding]:
    """All findings about a download and the tools that convert it, the gravest first."""
    missing = [Finding("blocking", *problem) for problem in missing_folders(images, tables)]
    if missing:
        return missing + tool_findings()
    adapted = adapt_tables(images, tables)
    contents = {name: item.content for name, item in adapted.items() if item.usable}
    subjects = [path.name for path in subject_folders(images)]
    findings = tool_findings() + adapted_findings(adapted, tables) + folder_findings(images)
    if "ADNIMERGE" in contents:
        findings += visit_findings(contents["ADNIMERGE"], subjects)
    if "MPRAGEMETA" in contents:
        findings += image_findings(contents["MPRAGEMETA"], files_by_subject(images, subjects), images)
    if {"ADNIMERGE", "MPRAGEMETA", "MRIQUALITY", "MAYOADIRL_MRI_IMAGEQC_05_07_15"} <= set(contents):
        findings += rejected_visits(contents, subjects)
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def require_ready(findings: list[Finding]) -> None:
    """Raises:
    UserError: at least one finding is blocking; the message holds all of them.
    """
    blocking = [str(finding) for finding in findings if finding.severity == "blocking"]
    if blocking:
        raise UserError("The ADNI download is not ready: " + "; ".join(blocking) + ".")


def as_json(findings: list[Finding]) -> dict:
    """``{"ready": ..., "findings": [...]}``."""
    ready = all(finding.severity != "blocking" for finding in findings)
    return {"ready": ready, "findings": [asdict(finding) for finding in findings]}


def write_report(findings: list[Finding], path: Path) -> None:
    """The findings as a JSON file."""
    write_json(path, as_json(findings))
