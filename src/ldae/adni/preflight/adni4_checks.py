"""What is missing of ADNI4, and how many of its visits will arrive."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ldae.adni.accounting import SECOND
from ldae.adni.adni4_scans import choices, parts_of
from ldae.adni.adni4_tables import LIST, LISTS, Adni4
from ldae.adni.clinica import session_id
from ldae.adni.clinica_tables import AdaptedTable
from ldae.adni.preflight.arrivals import Arrivals
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.adni.preflight.table_checks import is_empty, one_table
from ldae.adni.study_tables import BY_NAME
from ldae.core.text_tables import count

USED = "converting ADNI4"
OTHERWISE = ", or leave ADNI4 out (convert.adni4: false)"


def adni4_findings(found: Adni4, told: Mapping[str, AdaptedTable], tables: Path) -> list[Finding]:
    """Tables that are missing or incomplete, subjects that no table knows; else a note of what dcm2niix will convert.

    Args:
        told: Clinica's tables, whose findings are told already.
    """
    findings = []
    for name, item in found.tables.items():
        known = name in told and bool(one_table(told[name], tables))
        needed = found.needs(name) and not (name == "REGISTRY" and not found.tables["DXSUM_PDXCONV"].usable)
        if (item.usable and not is_empty(item)) or known or not (needed or item.paths):
            continue
        for finding in one_table(replace(item, table=replace(item.table, optional=not needed)), tables):
            severity: Severity = "blocking" if needed and not item.usable else "note"
            fix = finding.fix + (OTHERWISE if severity == "blocking" else "")
            findings.append(Finding(severity, finding.what, finding.where, fix, finding.used))
    listing = told.get("MPRAGEMETA")
    if LIST in found.short and (listing is None or listing.usable):  # else it is told already
        what = f"table {LIST} (or {LISTS[1]}) is missing, or has no T1w image of {shortened(found.unlisted)}"
        fix = f"download it from {BY_NAME['MPRAGEMETA'].page}{OTHERWISE}"
        findings.append(Finding("blocking", what, str(tables), fix, "the list of T1w images of ADNI4"))
    strangers = found.strangers
    if strangers and not found.short:
        what = f"subjects of ADNI4 without a dated visit: {shortened(strangers)}; they are left out"
        fix = f"download the newest DXSUM and REGISTRY ({found.tables['REGISTRY'].table.page})"
        findings.append(Finding("quarantine", what, "DXSUM, REGISTRY", fix, USED))
    for note in () if found.short else found.notes:
        findings.append(Finding("note", note, "DXSUM, PTDEMOG", "correct the tables where you know better", USED))
    findings += [] if found.short else undiagnosed(found)
    if not found.short and len(found.visits):
        visits = count(len(found.visits.drop_duplicates(["PTID", "session_id"])), "visit")
        people = count(found.visits["PTID"].nunique(), "subject")
        what = f"{visits} in ADNI4 ({people}), which dcm2niix converts, not Clinica"
        fix = "none needed; to leave them out: convert.adni4: false"
        findings.append(Finding("note", what, "the images", fix, USED))
    return findings


def undiagnosed(found: Adni4) -> list[Finding]:
    """Visits in ADNI4 with an image to which the tables give no diagnosis."""
    keys = ["PTID", "session_id"]
    scanned = found.visits.merge(found.images[keys].dropna().drop_duplicates(), on=keys)
    lacking = scanned[scanned["diagnosis"].isna()]
    if lacking.empty:
        return []
    names = shortened(f"{row.PTID} {row.session_id}" for row in lacking[keys].itertuples())
    what = f"{len(lacking)} of {count(len(scanned), 'scanned visit')} in ADNI4 without a diagnosis: {names}"
    fix = "download the newest DXSUM, with the rows of ADNI4: a scan without a diagnosis is left out of the cohort "
    return [Finding("note", what, "DXSUM", f"{fix}(manifest.require_diagnosis)", "the diagnosis of a scan")]


def count_adni4(arrivals: Arrivals, found: Adni4) -> None:
    """Add the visits of ADNI4 to what will arrive and what will not.

    Args:
        arrivals: those of Clinica, whose visits have their image already.
    """
    taken = {(name, session_id(code)) for name, code in arrivals.arriving}
    for name, part in parts_of(found).items():
        disk = found.files[name]
        for choice in choices(part, disk, disk.troubles):
            if choice.reason is not None or choice.session_id is None:
                arrivals.add(name, str(choice.reason))
            elif (name, choice.session_id) in taken:
                arrivals.add(name, f"{SECOND}: I{(choice.image or {}).get('ImageUID')}")
            else:
                arrivals.arriving.append((name, choice.session_id))
