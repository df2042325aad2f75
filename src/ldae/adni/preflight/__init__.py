"""Everything that is wrong with a raw download, in one list, before anything is written.

Reads the study tables and the names of folders and files, never an image. The tables are judged as the table adapter
will pass them on, so a download with today's LONI names is as good as one with the names of 2023.
"""

import logging
from dataclasses import asdict
from pathlib import Path

from ldae.adni.accounting import NEEDED
from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.inventory import missing_folders, subject_folders
from ldae.adni.preflight.arrivals import Arrivals, arrival_findings, predicted
from ldae.adni.preflight.finding import SEVERITIES, Finding
from ldae.adni.preflight.image_checks import (
    archive_findings,
    files_by_subject,
    folder_findings,
    image_findings,
    visit_findings,
)
from ldae.adni.preflight.quality_checks import diagnosis_findings, doubled_visits, rejected_visits, site_findings
from ldae.adni.preflight.table_checks import adapted_findings, table_findings, tool_findings
from ldae.adni.selection import PHASES
from ldae.adni.study_tables import BY_NAME
from ldae.core.errors import UserError
from ldae.core.files import write_json

__all__ = [
    "PHASES",
    "Finding",
    "Findings",
    "as_json",
    "log",
    "preflight",
    "require_ready",
    "table_findings",
    "tool_findings",
    "write_report",
]


logger = logging.getLogger("ldae")


class Findings(list[Finding]):
    """Findings, the gravest first; ``arrivals``: what will arrive, None where the tables do not tell."""

    arrivals: Arrivals | None = None


def preflight(images: Path, tables: Path, max_quarantined_fraction: float = 0.1) -> Findings:
    """All findings about a download and the tools that convert it, the gravest first.

    Args:
        max_quarantined_fraction: more lost visits than this block (``convert.max_quarantined_fraction``).
    """
    missing = [Finding("blocking", *problem) for problem in missing_folders(images, tables)]
    if missing:
        return Findings(missing + tool_findings())
    adapted = adapt_tables(images, tables)
    contents = {name: item.content for name, item in adapted.items() if item.usable}
    subjects = [path.name for path in subject_folders(images)]
    findings = tool_findings() + adapted_findings(adapted, tables) + folder_findings(images)
    findings += site_findings(subjects)
    if "ADNIMERGE" in contents:
        merge, table = contents["ADNIMERGE"], BY_NAME["ADNIMERGE"]
        findings += visit_findings(merge, subjects)
        findings += doubled_visits(merge, subjects, table.required + table.used)
        if "DXSUM_PDXCONV" in contents:
            findings += diagnosis_findings(merge, contents["DXSUM_PDXCONV"], subjects)
    files, arrivals = files_by_subject(images, subjects), None
    findings += archive_findings(files, images)
    if "MPRAGEMETA" in contents:
        findings += image_findings(contents["MPRAGEMETA"], files, images)
    if set(NEEDED) <= set(contents):
        findings += rejected_visits(contents, subjects)
        arrivals = predicted(contents, files)
        findings += arrival_findings(arrivals, max_quarantined_fraction)
    found = Findings(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
    found.arrivals = arrivals
    return found


def log(findings: list[Finding]) -> None:
    """Say every finding in the log, and what will arrive."""
    for finding in findings:
        logger.warning("%s: %s", finding.severity, finding)
    if (arrivals := getattr(findings, "arrivals", None)) is not None:
        logger.info("%s", arrivals.sentence())


def require_ready(findings: list[Finding]) -> None:
    """Raises:
    UserError: at least one finding is blocking; the message holds all of them.
    """
    blocking = [str(finding) for finding in findings if finding.severity == "blocking"]
    if blocking:
        raise UserError("The ADNI download is not ready: " + "; ".join(blocking) + ".")


def as_json(findings: list[Finding]) -> dict:
    """``{"ready": ..., "findings": [...], "visits": {"on_disk": 6, "arriving": 5}}`` (without visits where unknown)."""
    ready = all(finding.severity != "blocking" for finding in findings)
    report: dict = {"ready": ready, "findings": [asdict(finding) for finding in findings]}
    if (arrivals := getattr(findings, "arrivals", None)) is not None:
        report["visits"] = {"on_disk": arrivals.possible, "arriving": len(arrivals.arriving)}
    return report


def write_report(findings: list[Finding], path: Path) -> None:
    """The findings as a JSON file."""
    write_json(path, as_json(findings))
