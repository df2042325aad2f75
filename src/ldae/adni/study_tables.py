"""The study tables Clinica reads for T1w images: their names, the columns it cannot do without, and what it uses.

Names and columns were found by running Clinica 0.12.0 with each table and each column removed in turn. Where LONI keeps
a table today is taken from public issues of Clinica (#1570, #1572 to #1584) and from users' scripts;
docs/adni-download.md says which of it we could not see ourselves.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.core.files import digest
from ldae.core.folders import leads_back, walk
from ldae.core.keys import PTID
from ldae.core.text_tables import read_text_table

# LONI's title with the phases in brackets, a date in any spelling, and what a browser or a desktop adds to a copy.
DATE_AND_COPY = r"(?: - [^\[\]]*\[[^\]]*\]|[ _-]?\[[^\]]*\])?(?:[ _-]+\d[\w ,.-]*?)?(?:(?: -)? copy)?(?: ?\(\d+\))?"
COPY_OF = re.compile(r"^copy (?:\(\d+\) )?of ", re.IGNORECASE)
FILES = "LONI IDA, Search & Download > Study Files"


@dataclass(frozen=True)
class StudyTable:
    """One table that Clinica reads.

    ``required``: columns it cannot do without; ``either``: groups of columns of which one is enough; ``used``: further
    columns that reach the results; ``subject``: the column that names the subject (a PTID, or a RID number); ``today``:
    names under which LONI offers the content since October 2024; ``purpose`` and ``page``: for the messages.
    """

    name: str
    required: tuple[str, ...]
    purpose: str
    page: str
    used: tuple[str, ...] = ()
    either: tuple[tuple[str, ...], ...] = ()
    subject: str = "PTID"
    optional: bool = False
    today: tuple[str, ...] = ()


def columns(names: str) -> tuple[str, ...]:
    """Column names, written in a line."""
    return tuple(names.split())


TABLES = (
    StudyTable(
        "ADNIMERGE",
        columns(
            "PTID RID VISCODE EXAMDATE EXAMDATE_bl COLPROT ORIGPROT SITE DX_bl AGE PTGENDER PTEDUCAT PTETHCAT PTMARRY "
            "APOE4 ADAS11_bl ADAS13_bl ADASQ4_bl MMSE_bl RAVLT_immediate_bl MOCA_bl TRABSCOR_bl mPACCdigit_bl "
            "mPACCtrailsB_bl PIB AV45 ABETA PTAU"
        ),
        "visits, age, sex, diagnosis and scores",
        f"{FILES} > Study Info > ADNIMERGE - Key ADNI tables merged into one table [ADNI1,GO,2,3]",
        columns("DX MMSE CDRSB ADAS11 ADAS13 ADASQ4 RAVLT_immediate FAQ MOCA"),
    ),
    StudyTable(
        "MPRAGEMETA",
        ("Orig/Proc", "SubjectID", "Visit", "MagStrength", "Sequence", "ScanDate", "StudyID", "SeriesID", "ImageUID"),
        "the list of T1w images that Clinica chooses from",
        "LONI IDA, Search & Download > ARC Builder > table All Images "
        f"(or {FILES} > Imaging > MAYO ADIR LAB MRI Quality [ADNI1,GO,2,3,4], MRIQC: originals only)",
        subject="SubjectID",
        today=("All_Images", "Structural_MRI_Images", "MRIQC"),
    ),
    StudyTable(
        "MRIQUALITY",
        ("RID", "LONIUID", "PASS"),
        "refusing ADNI1 scans that failed quality control",
        f"{FILES} > Imaging > table MRIPROT",
        subject="RID",
        today=("MRIPROT",),
    ),
    StudyTable(
        "MAYOADIRL_MRI_IMAGEQC_05_07_15",
        ("RID", "loni_image", "series_type", "series_quality", "series_selected"),
        "choosing between the 3 T scans of a visit",
        f"{FILES} > Imaging (and its archive) > Mayo (Jack Lab) ADNI GO/2 MRI QC",
        subject="RID",
        today=("MAYOADIRL_MRI_IMAGEQC_12_08_15",),
    ),
    StudyTable(
        "DXSUM_PDXCONV",
        ("PTID", "VISCODE2", "DIAGNOSIS"),
        "the screening diagnosis of ADNI3 subjects",
        f"{FILES} > Assessments > Diagnostic Summary, table DXSUM",
        today=("DXSUM",),
    ),
    StudyTable(
        "APOERES",
        (),
        "participants.tsv, which Clinica does not write without it",
        f"{FILES} > Biospecimen > Biospecimen Results > ApoE Genotyping, table APOERES",
        either=(("GENOTYPE",), ("APGEN1", "APGEN2")),
    ),
    StudyTable(
        "CDR",
        ("RID", "VISCODE2", "CDGLOBAL"),
        "the clinical dementia rating of a visit",
        f"{FILES} > Assessments > Clinical Dementia Rating, table CDR",
        subject="RID",
        optional=True,
    ),
)
BY_NAME = {table.name: table for table in TABLES}


def files_of_tables(folder: Path) -> Iterator[Path]:
    """Every file below ``folder`` that is not hidden, but for those in the folder of a subject.

    Links to folders are followed, those in such a folder are not.
    """
    yield from files_below(folder, links=True)


def files_below(folder: Path, links: bool) -> Iterator[Path]:
    """The same; ``links``: whether links to folders are followed."""
    for place, folders, names in walk(folder, closed=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not PTID.fullmatch(name))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith((".", "~$")))
        for link in (Path(place) / name for name in folders if links):
            if link.is_symlink() and not leads_back(link) and not link.resolve().is_relative_to(folder.resolve()):
                yield from files_below(link, links=False)


def named(path: Path, pattern: str) -> bool:
    """Is the file's name (without its ending) that of a table, whatever date and number of a copy follow?"""
    return bool(re.fullmatch(pattern + DATE_AND_COPY, COPY_OF.sub("", path.stem), re.IGNORECASE))


def find_tables(folder: Path, name: str) -> list[Path]:
    """Files that are table ``name``: ``NAME.csv``, ``NAME_01Jan2025.csv``, ``name_2025-01-01 (1).CSV``, in any
    subfolder.

    The diagnostic summary may also be the table of all phases, ``DXSUM_PDXCONV_ADNIALL``.
    """
    every = find_all(folder, name)
    all_phases = [path for path in every if not named(path, name)]
    if len(all_phases) == 1:
        return all_phases
    return [path for path in every if named(path, name)]


def find_all(folder: Path, name: str) -> list[Path]:
    """The same with every file of the diagnostic summary, of all phases or not."""
    files = sorted(path for path in files_of_tables(folder) if path.suffix.lower() == ".csv")
    names = [name, f"{name}_ADNIALL"] if name == "DXSUM_PDXCONV" else [name]
    return [path for path in files if any(named(path, other) for other in names)]


def find_todays_tables(folder: Path, name: str) -> list[Path]:
    """Files with a name that LONI gives today, ``All_Images_15Dec2025.csv`` or ``My Cohort_All Images.csv``."""
    pattern = r"(?:.*[ _-])?" + name.replace("_", "[ _-]")
    files = (path for path in files_of_tables(folder) if path.suffix.lower() == ".csv")
    return sorted(path for path in files if named(path, pattern))


def lacking_columns(table: StudyTable, content: pd.DataFrame) -> list[str]:
    """Columns that Clinica cannot do without and ``content`` does not have."""
    lacking = [column for column in table.required if column not in content]
    if table.either and not any(set(group) <= set(content) for group in table.either):
        lacking.append(" or ".join("+".join(group) for group in table.either))
    return lacking


def read_table(path: Path) -> pd.DataFrame:
    """A study table, every cell as text without blanks around it, empty cells as empty text.

    Raises:
        UserError: the file is no comma-separated text table.
    """
    return read_text_table(path).frame()


def table_digests(folder: Path, subjects: list[str]) -> dict[str, str]:
    """PTID -> digest of the cells of that subject in every column that the conversion uses.

    A row of another subject, or a column nobody reads, changes nothing, so a table downloaded again with one subject
    more leaves the conversions of all others valid.
    """
    parts: dict[str, list] = {subject: [] for subject in subjects}
    for table in TABLES:
        paths = find_tables(folder, table.name)
        if not paths or not table.required:
            continue
        content = read_table(paths[0])
        columns = [column for column in table.required + table.used if column in content]
        keys = content[table.subject] if table.subject in content else pd.Series(dtype=str)
        rows = content[columns].groupby(keys.str.strip().str.lstrip("0"))
        for subject in subjects:
            key = (subject.rsplit("_", 1)[1] if table.subject == "RID" else subject).lstrip("0")
            cells = rows.get_group(key).to_numpy().tolist() if key in rows.groups else []
            parts[subject].append([table.name, columns, cells])
    return {subject: digest(content) for subject, content in parts.items()}
