"""Missing, doubled, renamed, unreadable and incomplete study tables; and the programs that convert the images."""

from pathlib import Path

from ldae.adni.clinica import OLDEST_DCM2NIIX, clinica_command, dcm2niix_version
from ldae.adni.clinica_tables import AdaptedTable
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.adni.stand_ins import stand_ins
from ldae.adni.study_tables import FILES, TABLES, StudyTable, find_tables, find_todays_tables, read_table
from ldae.core.errors import UserError
from ldae.core.text_tables import CUT, SHIFTED

MRIQC_PAGE = f"{FILES} > Imaging > MAYO ADIR LAB MRI Quality [ADNI1,GO,2,3,4], table MRIQC"


def table_findings(tables: Path) -> list[Finding]:
    """What ails a folder of tables that have Clinica's own names, such as the table adapter writes."""
    findings = []
    for table in TABLES:
        paths = tuple(find_tables(tables, table.name))
        try:
            content, error = read_table(paths[0]) if len(paths) == 1 else None, None
        except UserError as problem:
            content, error = None, str(problem)
        findings += one_table(AdaptedTable(table, paths, content, error=error), tables)
    return findings


def adapted_findings(adapted: dict[str, AdaptedTable], tables: Path, images: Path | None = None) -> list[Finding]:
    """The same for a download of any age, with a note for every table that the adapter translates.

    Args:
        images: where tables may lie astray.
    """
    findings = []
    for item in adapted.values():
        findings += one_table(item, tables, images)
        changes = [change for change in item.changes if change != CUT and SHIFTED not in change]
        for change in item.changes:
            if SHIFTED in change and item.paths:
                fix = (
                    "put quotes around the cell that has the comma, or download the table again; what stands behind it"
                )
                fix += " in these rows is read as that of the next column"
                what = f"table {item.table.name}: {change}"
                findings.append(Finding("quarantine", what, item.paths[0].name, fix, item.table.purpose))
        if item.usable and changes:
            what = f"table {item.table.name}: {'; '.join(changes)}"
            fix = "none needed; the table adapter passes it on as Clinica 0.12 reads it, your file stays as it is"
            findings.append(Finding("note", what, item.paths[0].name, fix, item.table.purpose))
    return findings


def one_table(item: AdaptedTable, tables: Path, images: Path | None = None) -> list[Finding]:
    """Findings of one of Clinica's tables: missing, doubled, unreadable or incomplete."""
    table = item.table
    if not item.paths:
        return [missing_table(table, tables, images)]
    names = ", ".join(path.relative_to(tables).as_posix() for path in item.paths)
    severity: Severity = "note" if table.optional else "blocking"
    if len(item.paths) > 1:
        what = f"{len(item.paths)} files are table {table.name}, and none of them is read"
        fix = "keep only the newest file"
        if table.name == "MPRAGEMETA":
            fix = "lists of different cohorts are joined where they have the same columns and give an image the same "
            fix += "subject and date; these do not: keep the newest one, or one of all subjects"
        return [Finding("blocking", what, names, fix, table.purpose)]
    if item.error:
        return [Finding(severity, item.error, names, f"download it again from {table.page}", table.purpose)]
    if CUT in item.changes:
        fix = f"download it again from {table.page}"
        return [Finding(severity, f"table {table.name} {CUT}", names, fix, table.purpose)]
    if item.lacking:
        what = f"columns missing: {', '.join(item.lacking)}"
        fix = completion(item, tables) or f"download the complete table from {table.page}"
        return [Finding(severity, what, names, fix, table.purpose)]
    if is_empty(item):
        what = f"table {table.name} has a header and no row: it rates no scan"
        return [Finding("note", what, names, f"download it again from {table.page}", table.purpose)]
    return []


def completion(item: AdaptedTable, tables: Path) -> str | None:
    """What completes a list of images of today's, which no download of the same list does."""
    if item.table.name != "MPRAGEMETA" or find_tables(tables, item.table.name):
        return None
    quality = find_todays_tables(tables, "MRIQC")
    if not quality:
        return f"put MRIQC beside it, which has them by image ID: {MRIQC_PAGE}"
    if len(quality) > 1:
        return f"keep one of {', '.join(path.name for path in quality)}; MRIQC fills the columns of the list"
    other = "All Images (LONI IDA, Search & Download > ARC Builder)"
    return f"neither the list of images nor MRIQC has them: put an old MPRAGEMETA, or {other}, beside them"


def is_empty(item: AdaptedTable) -> bool:
    """Whether a table has no row, where the converters can do with that (Mayo's ratings)."""
    return item.content is not None and item.content.empty and item.table.name.startswith("MAYO")


def missing_table(table: StudyTable, tables: Path, images: Path | None = None) -> Finding:
    """The finding for a table that is not there; it names files of that name that cannot be read, or lie among the
    ``images``."""
    also = f" (today's name: {' or '.join(table.today)})" if table.today else ""
    others = stand_ins(tables, (table.name, *table.today))
    if images is not None and not images.resolve().is_relative_to(tables.resolve()):
        astray = [path for name in (table.name, *table.today) for path in find_todays_tables(images, name)]
        others += [f"{path.relative_to(images)} lies in {images}: move it to {tables}" for path in astray[:1]]
    what = f"table {table.name} is missing{also}" + (": its columns will be n/a" if table.optional else "")
    severity: Severity = "note" if table.optional else "blocking"
    fix = f"download it from {table.page}"
    fix = f"{shortened(others, 3)}; else {fix}" if others else fix
    return Finding(severity, what, str(tables), fix, table.purpose)


def tool_findings() -> list[Finding]:
    """Is there a Clinica, and a dcm2niix that Clinica accepts?"""
    findings = []
    try:
        clinica_command()
    except UserError as error:
        where, used = "the Python environment", "the conversion to BIDS"
        findings.append(Finding("blocking", "no Clinica", where, str(error), used))
    version = dcm2niix_version()
    if version is None or version < OLDEST_DCM2NIIX:
        what = "no dcm2niix" if version is None else f"dcm2niix {version} is too old"
        fix = f"install {OLDEST_DCM2NIIX} or newer (older releases run commands hidden in file names)"
        findings.append(Finding("blocking", what, "PATH", fix, "reading DICOM"))
    return findings
