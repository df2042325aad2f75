"""Everything that is wrong with a raw download, in one list, before anything is written.

Reads the study tables, the names of folders and files, and the beginning of a file of each image (more of an image that
looks damaged). The tables are judged as the table adapter will pass them on, so a download with today's LONI names is
as good as one with the names of 2023.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from ldae.adni.accounting import NEEDED, UNUSABLE_ROW
from ldae.adni.adni4_tables import Adni4, adni4_of, known_phases
from ldae.adni.beginnings import look_at_beginnings
from ldae.adni.clinica_tables import AdaptedTable, adapt_tables
from ldae.adni.disk import SubjectFiles
from ldae.adni.inventory import FIVE_DIGITS, missing_folders, outsiders, subject_folders
from ldae.adni.mixed_images import look_for_mixed_images
from ldae.adni.preflight.adni4_checks import adni4_findings, count_adni4
from ldae.adni.preflight.arrivals import Arrivals, arrival_findings, filtered_list, filtered_visits, predicted
from ldae.adni.preflight.beside_root import beside_root
from ldae.adni.preflight.beside_subjects import too_deep
from ldae.adni.preflight.cell_checks import known_facts, mangled_numbers, missing_facts, other_summaries
from ldae.adni.preflight.cross_checks import (
    contradicting_ages,
    contradicting_names,
    contradicting_series,
    contradicting_sexes,
    demographics,
)
from ldae.adni.preflight.date_checks import (
    contradicted_dates,
    misdated_scans,
    misnamed_visits,
    mixed_visits,
    swapped_dates,
    visit_dates,
)
from ldae.adni.preflight.finding import SEVERITIES, Finding
from ldae.adni.preflight.identity_checks import identities
from ldae.adni.preflight.image_checks import (
    archive_findings,
    bare_folders,
    damaged_ones,
    files_by_subject,
    folder_findings,
    image_findings,
    is_empty,
    late_beginnings,
    misplaced_images,
    missing_ends,
    renamed_folders,
    unseen_findings,
)
from ldae.adni.preflight.listing_checks import (
    contradicting_kinds,
    contradicting_sequences,
    contradicting_strengths,
)
from ldae.adni.preflight.passed_over import (
    contents_of_archives,
    count_passed_over,
    count_unseen,
    needless,
    passed_over,
    whole_elsewhere,
)
from ldae.adni.preflight.quality_checks import (
    changing_facts,
    diagnosis_findings,
    doubled_visits,
    rejected_visits,
    site_findings,
)
from ldae.adni.preflight.table_checks import adapted_findings, table_findings, tool_findings
from ldae.adni.preflight.visit_checks import (
    contradicting_codes,
    contradicting_phases,
    contradicting_scores,
    visit_findings,
)
from ldae.adni.selection import PHASES
from ldae.adni.short_series import Headers, fewer_than_declared, look_for_short_series
from ldae.adni.short_subjects import look_for_short_subjects
from ldae.adni.slices import look_for_gaps
from ldae.adni.study_tables import BY_NAME
from ldae.adni.table_adapter import apart, nothing_for_clinica
from ldae.core.errors import UserError
from ldae.core.files import printable, write_json
from ldae.core.text_tables import CUT

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


def preflight(
    images: Path,
    tables: Path,
    max_quarantined_fraction: float = 0.1,
    adni4: bool = True,
    max_contradicted_fraction: float = 0.1,
) -> Findings:
    """All findings about a download and the tools that convert it, the gravest first.

    Args:
        max_quarantined_fraction: more lost visits than this block (``convert.max_quarantined_fraction``).
        adni4: whether what is of ADNI4 will be converted (``convert.adni4``).
        max_contradicted_fraction: more visits or subjects of which tables contradict each other, or the scans, block
            (``convert.max_contradicted_fraction``).
    """
    missing = [Finding("blocking", *problem) for problem in missing_folders(images, tables)]
    if missing:
        return Findings(missing + tool_findings())
    on_disk = [path.name for path in subject_folders(images)]
    if not on_disk and subject_folders(tables):
        return Findings([swapped(images, tables), *tool_findings()])
    if (deep := too_deep(images)) is not None:
        return Findings([deep, *tool_findings()])
    files, whole = files_by_subject(images, on_disk), adapt_tables(images, tables)
    above, packed = beside_root(images)
    beside = outsiders(images, owners(whole)) + above
    adapted, found = apart(whole, images, tables, adni4, files)
    contents = {name: item.content for name, item in adapted.items() if item.usable}
    subjects = [name for name in on_disk if not FIVE_DIGITS.fullmatch(name)]
    subjects = [name for name in subjects if found is None or name not in found.alone]
    listed = owners(whole)
    look_at_beginnings(files)
    theirs_too = {} if found is None else dict(zip(found.images["ImageUID"], found.images["PTID"], strict=True))
    look_for_gaps(files, listed.keys() | theirs_too.keys())
    look_for_mixed_images(files, listed.keys() | theirs_too.keys())
    headers, called = Headers(), sequences(whole, found)
    first_slice = look_for_short_series(files, called, headers)
    short = fewer_than_declared(files, called, headers)
    look_for_short_subjects(files, called, headers)
    whose = identities(files, listed | theirs_too)
    archives = contents_of_archives(images, beside, files, packed)
    held = passed_over(images, beside, files, listed, archives, whose.contradicted)
    copies = needless(held, files)
    findings = tool_findings() + folder_findings(images, beside, adni4, copies, archives) + site_findings(on_disk)
    needless_for_all = nothing_for_clinica(images, found)
    damaged = is_damaged(adapted["ADNIMERGE"]) or not (adapted["ADNIMERGE"].usable or needless_for_all)
    damaged = damaged and any(not FIVE_DIGITS.fullmatch(name) for name in on_disk)
    told = {} if needless_for_all else adapted
    told = whole if damaged else told
    findings += adapted_findings(told, tables, images)
    if damaged:  # without ADNIMERGE, subjects of all phases look like ADNI4's, but for those with five digits
        late = {name: item for name, item in files.items() if FIVE_DIGITS.fullmatch(name)}
        sure = adni4_of(images, tables, whole, late) if adni4 and late else None
    else:
        sure = found
    if sure is not None:
        findings += adni4_findings(sure, told, tables)
    arrivals = account(adapted, found, files, adni4) if not damaged else None
    codes_wrong: list[Finding] = []
    if "ADNIMERGE" in contents:
        merge, table = contents["ADNIMERGE"], BY_NAME["ADNIMERGE"]
        merge = merge if found is None else known_phases(merge)
        costly = None if arrivals is None else arrivals.losing(UNUSABLE_ROW)
        unlike = renamed_folders(files, listed)
        known = [name for name in subjects if name not in unlike and not is_empty(images / name)]
        unnamed = next((said for said in adapted["ADNIMERGE"].changes if "whose PTID is no subject" in said), "")
        findings += visit_findings(merge, known, costly, unnamed)
        findings += (odd_phases := contradicting_phases(merge, subjects, max_contradicted_fraction))
        odd_codes = contradicting_codes(merge, subjects, max_contradicted_fraction)
        codes_wrong = [item for item in odd_codes if item.severity == "blocking"]
        findings += odd_codes
        findings += contradicting_scores(merge, subjects, max_contradicted_fraction)
        findings += doubled_visits(merge, subjects, table.required + table.used)
        findings += changing_facts(merge, subjects, max_contradicted_fraction)
        if "DXSUM_PDXCONV" in contents:
            findings += diagnosis_findings(merge, contents["DXSUM_PDXCONV"], subjects, max_contradicted_fraction)
    findings += (
        bare_folders(files, images)
        + late_beginnings(first_slice, images)
        + missing_ends(short, images)
        + archive_findings(files, images, copies | damaged_ones(archives))
        + unseen_findings(archives, images)
        + misplaced_images(files, images, listed, whose.contradicted)
        + whose.finding(images)
        + whole_elsewhere(held, files, images)
    )
    theirs = {name: files[name] for name in subjects}
    if "MPRAGEMETA" in contents:
        findings += image_findings(contents["MPRAGEMETA"], theirs, images, found, listed)
        marks = contents.get("MRIQUALITY")
        findings += contradicting_series(contents["MPRAGEMETA"], marks, theirs, max_contradicted_fraction)
        findings += contradicting_kinds(contents["MPRAGEMETA"], subjects, max_contradicted_fraction)
        findings += contradicting_sequences(contents["MPRAGEMETA"], theirs, max_contradicted_fraction)
        findings += contradicting_strengths(contents["MPRAGEMETA"], theirs, max_contradicted_fraction)
    findings += mangled_numbers(contents, subjects)
    every_table = {name: item.content for name, item in ({} if found is None else found.tables).items()} | contents
    findings += contradicting_names(every_table, on_disk, max_contradicted_fraction)
    people = demographics(images, tables, whole["ADNIMERGE"], found)
    findings += contradicting_sexes(contents.get("ADNIMERGE"), people, files, max_contradicted_fraction)
    findings += contradicting_ages(contents.get("ADNIMERGE"), people, on_disk, max_contradicted_fraction)
    if "DXSUM_PDXCONV" in contents:
        findings += other_summaries(whole["DXSUM_PDXCONV"], tables, whole["ADNIMERGE"], on_disk)
    if set(NEEDED) <= set(contents):
        findings += rejected_visits(contents, subjects)
    if arrivals is not None:
        held = [item for item in held if adni4 or not FIVE_DIGITS.fullmatch(item.subject)]
        count_passed_over(
            arrivals, held, files, lambda of: account(*apart(whole, images, tables, adni4, of), of, adni4)
        )
        count_unseen(arrivals, beside, archives, files)
        arrivals.known = known_facts(arrivals.arriving, contents.get("ADNIMERGE"), found)
        if "ADNIMERGE" in contents:
            changes = adapted["ADNIMERGE"].changes
            findings += missing_facts(contents["ADNIMERGE"], arrivals.arriving, changes, max_contradicted_fraction)
            findings += filtered_visits(contents["ADNIMERGE"], arrivals, subjects)
            if "MPRAGEMETA" in contents:
                dates = visit_dates(contents["ADNIMERGE"], contents["MPRAGEMETA"], arrivals.images, files)
                told_by_dates = codes_wrong or contradicted_dates(dates, max_contradicted_fraction)
                findings += [] if codes_wrong else told_by_dates
                findings += swapped_dates(dates)
                findings += mixed_visits(contents["MPRAGEMETA"], subjects, max_contradicted_fraction)
                findings += misdated_scans(dates, max_contradicted_fraction)
                named = misnamed_visits(merge, contents["MPRAGEMETA"], subjects, max_contradicted_fraction)
                phases_wrong = any(item.severity == "blocking" for item in odd_phases)  # then no name can be judged
                blamed = [item for item in named if item.severity == "blocking" or not told_by_dates]
                findings += [] if phases_wrong else blamed
                findings += filtered_list(contents["MPRAGEMETA"], arrivals, subjects)
        findings += arrival_findings(arrivals, max_quarantined_fraction, "VISCODE of ADNIMERGE" if codes_wrong else "")
    every = Findings(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
    every.arrivals = arrivals
    return every


def swapped(images: Path, tables: Path) -> Finding:
    """The finding for two folders that stand in each other's place."""
    what = f"the images are looked for in {images}, which has no subject folder, and {tables} has some"
    fix = "give the folders in the other order: RAW CLINICAL (raw.images, raw.tables)"
    return Finding("blocking", what, "RAW and CLINICAL", fix)


def account(
    adapted: Mapping[str, AdaptedTable], found: Adni4 | None, files: Mapping[str, SubjectFiles], adni4: bool = True
) -> Arrivals | None:
    """What will arrive of some subjects; None where the tables do not tell it of all of them.

    Args:
        adapted, found: Clinica's tables and those of ADNI4.
        files: PTID -> files of the subjects.
        adni4: ``convert.adni4``.
    """
    if found is not None and found.short:
        return None
    contents, arrivals = {name: item.content for name, item in adapted.items() if item.usable}, None
    alone = set() if found is None else found.alone
    theirs = {name: item for name, item in files.items() if not FIVE_DIGITS.fullmatch(name) and name not in alone}
    if set(NEEDED) <= set(contents):
        elsewhere = set() if found is None else set(found.images["ImageUID"])
        clinicas = {name: table for name, table in contents.items() if table is not None}
        arrivals = predicted(clinicas, theirs, adni4, elsewhere)
    elif theirs:
        return None
    if found is not None:
        arrivals = Arrivals() if arrivals is None else arrivals
        count_adni4(arrivals, found)
    return arrivals


def is_damaged(table: AdaptedTable) -> bool:
    """Whether a table is there and cannot be trusted to have all its rows and columns."""
    return bool(table.paths) and (not table.usable or CUT in table.changes)


def owners(adapted: Mapping[str, AdaptedTable]) -> dict[str, str]:
    """Image ID -> PTID, of the list of images; without those that it gives to several subjects."""
    listing = adapted["MPRAGEMETA"]
    if not listing.usable or listing.content is None:
        return {}
    pairs = listing.content[["ImageUID", "SubjectID"]].drop_duplicates().drop_duplicates("ImageUID", keep=False)
    return dict(zip(pairs["ImageUID"], pairs["SubjectID"], strict=True))


def sequences(adapted: Mapping[str, AdaptedTable], found: Adni4 | None) -> dict[str, str]:
    """Image ID -> sequence, of the list of images, and of the lists of those of ADNI4."""
    listing = adapted["MPRAGEMETA"]
    others = (
        {} if found is None else dict(zip(found.images["ImageUID"], found.images["Sequence"].fillna(""), strict=True))
    )
    if not listing.usable or listing.content is None:
        return others
    return others | dict(zip(listing.content["ImageUID"], listing.content["Sequence"], strict=True))


def log(findings: list[Finding]) -> None:
    """Say every finding in the log, and what will arrive."""
    for finding in findings:
        logger.warning("%s: %s", finding.severity, finding)
    if (arrivals := getattr(findings, "arrivals", None)) is not None:
        logger.info("%s%s", arrivals.sentence(), arrivals.facts())


def require_ready(findings: list[Finding]) -> None:
    """Raises:
    UserError: at least one finding is blocking; the message holds all of them.
    """
    blocking = [str(finding) for finding in findings if finding.severity == "blocking"]
    if blocking:
        raise UserError("The ADNI download is not ready: " + "; ".join(blocking) + ".")


def as_json(findings: list[Finding]) -> dict:
    """``{"ready": ..., "findings": [...], "visits": {"on_disk": 6, "arriving": 5, "with_age": 5, ...}}`` (without
    visits where unknown)."""
    ready = all(finding.severity != "blocking" for finding in findings)
    report: dict = {"ready": ready, "findings": printable([asdict(finding) for finding in findings])}
    if (arrivals := getattr(findings, "arrivals", None)) is not None:
        with_facts = {f"with_{name}": number for name, number in arrivals.known.items()}
        report["visits"] = {"on_disk": arrivals.possible, "arriving": len(arrivals.arriving)} | with_facts
    return report


def write_report(findings: list[Finding], path: Path) -> None:
    """The findings as a JSON file."""
    write_json(path, as_json(findings))
