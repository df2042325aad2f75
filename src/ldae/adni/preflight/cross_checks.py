"""What two sources say of the same thing, so that a column that was sorted alone is found.

RID and PTID of one row; sex in two tables and in the scans; age and birth; numbers of series in the list, in the
names of files and in ADNI1's quality control.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from ldae.adni.accounting import too_many_lost
from ldae.adni.adni4_tables import TABLES, Adni4
from ldae.adni.adni4_visits import DAYS_PER_YEAR, SEXES, People
from ldae.adni.clinica_tables import AdaptedTable, prepared_table
from ldae.adni.disk import SubjectFiles
from ldae.adni.image_listing import SERIES_IN_NAME
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.preflight.quality_checks import ACCEPT, SORTED
from ldae.adni.spelling import plain_number, subject_id
from ldae.core.keys import PTID, roster_number
from ldae.core.text_tables import count

DEMOGRAPHICS = "PTDEMOG"
OPENED = 200  # subjects, spread over all of them, of whom PatientSex is read
AGES_APART = 1.5  # years, above what a birth that is known to the year explains
T = TypeVar("T")
WHO = "whose the facts are"
ROSTER = re.compile(r"[0-9]{1,9}")


def contradiction(
    cells: list[str], total: int, subjects: int, limit: float, words: tuple[str, str, str], where: str
) -> list[Finding]:
    """The finding for ``cells`` that contradict each other: blocking where they are more than ``limit`` of ``total``.

    Args:
        subjects: whose these cells are (those of one subject never block).
        words: what contradicts what, of which there are ``total``, and what it is used for.
    """
    if not cells:
        return []
    said, noun, used = words
    what = f"{said} at {len(cells)} of {count(total, noun)}: {shortened(cells, 3)}"
    if too_many_lost(len(cells), total, subjects, limit):
        return [Finding("blocking", what, where, f"download it again: {SORTED}; {ACCEPT}", used)]
    return [Finding("note", what, where, "see which is right, and correct the other", used)]


def spread(every: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly over all."""
    return every[:: max(-(-len(every) // most), 1)]


def contradicting_names(
    tables: Mapping[str, pd.DataFrame | None], subjects: Collection[str], limit: float
) -> list[Finding]:
    """Rows whose RID is not the end of their PTID, table by table; ADNIMERGE's are told as facts that change.

    Args:
        tables: name -> cells; subjects: PTIDs on disk.
        limit: a larger fraction of the rows blocks (``convert.max_contradicted_fraction``).
    """
    findings: list[Finding] = []
    rosters = {roster_number(name) for name in subjects}
    for name, table in tables.items():
        columns = {} if table is None else {column.upper(): column for column in reversed(list(table))}
        if table is None or name == "ADNIMERGE" or not {"RID", "PTID"} <= set(columns):
            continue
        cells, here, whose = list[str](), 0, set[str]()
        for ptid, rid in zip(
            table[columns["PTID"]].map(subject_id), table[columns["RID"]].map(plain_number), strict=True
        ):
            if not PTID.fullmatch(ptid) or not ROSTER.fullmatch(rid):
                continue
            own, other = roster_number(ptid), int(rid)
            here += bool({own, other} & rosters)
            if own != other and {own, other} & rosters:
                cells.append(f"RID {rid} of {ptid}")
                whose.add(ptid)
        words = f"RID of {name} contradicts PTID", "row", WHO
        findings += contradiction(cells, here, len(whose), limit, words, name)
    return findings


def demographics(images: Path, tables: Path, merge: AdaptedTable | None, found: Adni4 | None) -> pd.DataFrame | None:
    """PTDEMOG, where there is a usable one: it is read for ADNI4, and compared for the others."""
    table = next(table for table in TABLES if table.name == DEMOGRAPHICS)
    item = prepared_table(table, images, tables, merge) if found is None else found.tables.get(DEMOGRAPHICS)
    return item.content if item is not None and item.usable else None


def contradicting_sexes(
    merge: pd.DataFrame | None, people: pd.DataFrame | None, files: Mapping[str, SubjectFiles], limit: float
) -> list[Finding]:
    """Subjects whose sex in ADNIMERGE is not that of PTDEMOG, and whose sex in the tables is not that of their scans.

    Args:
        merge: ADNIMERGE; people: PTDEMOG; None where it is not there.
        files: PTID -> files on disk; the header of one file is read of up to 200 subjects.
        limit: a larger fraction of the subjects blocks (``convert.max_contradicted_fraction``).
    """
    ours = {} if merge is None or "PTGENDER" not in merge else sexes(merge["PTID"], merge["PTGENDER"])
    born = {} if people is None else sexes(people["RID"].map(plain_number), people["PTGENDER"])
    theirs = {name: born[key] for name in files if (key := str(roster_number(name))) in born}
    both = sorted(set(ours) & set(theirs) & set(files))
    cells = [f"{name} ({ours[name]}, PTDEMOG {theirs[name]})" for name in both if ours[name] != theirs[name]]
    words = "PTGENDER of ADNIMERGE contradicts PTDEMOG", "subject", "the sex of a subject"
    findings = contradiction(cells, len(both), len(cells), limit, words, "ADNIMERGE, PTDEMOG")
    known = theirs | ours
    some = [name for name in files if name in known]
    scanned = dict(sexes_of_scans({name: files[name] for name in spread(some, OPENED)}))
    cells = [f"{name} ({known[name]}, scan {scanned[name]})" for name in scanned if known[name] != scanned[name]]
    words = "PTGENDER contradicts PatientSex of the scans that were read", "subject", "the sex of a subject"
    return findings + contradiction(cells, len(scanned), len(cells), limit, words, "ADNIMERGE, PTDEMOG")


def contradicting_ages(
    merge: pd.DataFrame | None, people: pd.DataFrame | None, subjects: Collection[str], limit: float
) -> list[Finding]:
    """Subjects whose age at baseline in ADNIMERGE is not that by their birth in PTDEMOG (to the year at worst).

    Args:
        merge: ADNIMERGE; people: PTDEMOG; None where it is not there.
        subjects: PTIDs on disk.
        limit: a larger fraction of the subjects blocks (``convert.max_contradicted_fraction``).
    """
    if merge is None or people is None or not {"AGE", "EXAMDATE_bl"} <= set(merge):
        return []
    known, cells, both = People(people, merge[merge["PTID"].isin(subjects)]), list[str](), 0
    for name in subjects:
        baseline, born = known.baseline(name), known.birthday(name)
        if baseline is None or born is None:
            continue
        years = (baseline[1] - born).days / DAYS_PER_YEAR
        both += 1
        if abs(years - baseline[0]) > AGES_APART:
            cells.append(f"{name} ({baseline[0]:g}, PTDEMOG {years:.1f})")
    words = "AGE of ADNIMERGE contradicts the birth in PTDEMOG", "subject", "the age at a scan"
    return contradiction(cells, both, len(cells), limit, words, "ADNIMERGE, PTDEMOG")


def sexes(names: pd.Series, cells: pd.Series) -> dict[str, str]:
    """Subject -> ``F`` or ``M``, of those to whom all rows give the same one."""
    known = pd.DataFrame(
        {"name": names, "sex": cells.map(lambda cell: SEXES.get(str(cell).lower().removesuffix(".0")))}
    )
    known = known.dropna().drop_duplicates()
    known = known[~known["name"].duplicated(keep=False)]
    return dict(zip(known["name"], known["sex"], strict=True))


def sexes_of_scans(files: Mapping[str, SubjectFiles]) -> Iterator[tuple[str, str]]:
    """Subject and sex, of subjects whose first image has PatientSex and is not another subject's."""
    from ldae.adni.dicom_headers import header_of, subject_of

    for name, item in files.items():
        path = next((own.dicom[0] for own in item.images.values() if own.dicom), None)
        header = None if path is None else header_of(Path(path), ["Rows", "Columns", "PatientSex", "PatientID"])
        if header is None or subject_of(header) not in (name, None):
            continue
        if (sex := str(header.get("PatientSex", "")).strip().upper()) in ("F", "M"):
            yield name, sex


def contradicting_series(
    listing: pd.DataFrame, quality: pd.DataFrame | None, files: Mapping[str, SubjectFiles], limit: float
) -> list[Finding]:
    """Images whose series in the list is not that of their file names, and series that MRIQUALITY gives to another
    subject than the list: ADNI1's quality control is joined by them.

    Args:
        listing: MPRAGEMETA; quality: MRIQUALITY; None where it is not there.
        files: PTID -> files on disk.
        limit: a larger fraction blocks (``convert.max_contradicted_fraction``).
    """
    rows = listing[listing["SubjectID"].isin(files)].drop_duplicates(["SubjectID", "ImageUID"])
    told, cells, names = 0, list[str](), set[str]()
    for name, image, series in zip(rows["SubjectID"], rows["ImageUID"], rows["SeriesID"], strict=True):
        own = files[name].images.get(image)
        first = next(iter(own.dicom or own.nifti), "") if own is not None else ""
        if match := SERIES_IN_NAME.search(first.rpartition("/")[2]):
            told += 1
            if re.fullmatch(r"\d+", series) and int(series) != int(match.group(1)):
                cells.append(f"I{image} of {name} ({series}, file S{match.group(1)})")
                names.add(name)
    words = "SeriesID contradicts the names of the files", "image", "ADNI1's quality control"
    findings = contradiction(cells, told, len(names), limit, words, "MPRAGEMETA")
    if quality is None or findings:
        return findings  # else the series of the list are not to be trusted
    owner = dict(zip(rows["SeriesID"], rows["SubjectID"], strict=True))
    marks = quality.drop_duplicates("LONIUID")
    pairs = [
        (owner[series], rid)
        for cell, rid in zip(marks["LONIUID"], marks["RID"].map(plain_number), strict=True)
        if (series := cell.removeprefix("S")) in owner and rid.isdecimal()
    ]
    wrong = [(name, rid) for name, rid in pairs if roster_number(name) != int(rid)]
    cells = [f"RID {rid} for a series of {name}" for name, rid in wrong]
    words = "LONIUID contradicts RID", "row", "ADNI1's quality control"
    return contradiction(cells, len(pairs), len({name for name, _ in wrong}), limit, words, "MRIQUALITY")
