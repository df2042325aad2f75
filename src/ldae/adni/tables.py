"""The study tables Clinica reads for T1w images: their names, the columns it cannot do without, and what it uses.

Names and columns were found by running Clinica 0.12.0 with each table and each column removed in turn.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.errors import UserError
from ldae.files import digest

DATED_CSV = r"(_\d{1,2}[A-Za-z]{3}\d{4})?\.csv"


@dataclass(frozen=True)
class StudyTable:
    """One table of the download; ``subject`` is the column that names its subject (a PTID, or a RID number)."""

    name: str
    required: tuple[str, ...]
    used: tuple[str, ...] = ()
    subject: str = "PTID"
    optional: bool = False
    title: str = ""


def columns(names: str) -> tuple[str, ...]:
    return tuple(names.split())


TABLES = (
    StudyTable(
        "ADNIMERGE",
        columns(
            "PTID RID VISCODE EXAMDATE EXAMDATE_bl COLPROT ORIGPROT SITE DX_bl AGE PTGENDER PTEDUCAT PTETHCAT PTMARRY "
            "APOE4 ADAS11_bl ADAS13_bl ADASQ4_bl MMSE_bl RAVLT_immediate_bl MOCA_bl TRABSCOR_bl mPACCdigit_bl "
            "mPACCtrailsB_bl PIB AV45 ABETA PTAU"
        ),
        columns("DX MMSE CDRSB ADAS11 ADAS13 ADASQ4 RAVLT_immediate FAQ MOCA"),
        title="Key ADNI tables merged into one table",
    ),
    StudyTable(
        "MPRAGEMETA",
        ("Orig/Proc", "SubjectID", "Visit", "MagStrength", "Sequence", "ScanDate", "StudyID", "SeriesID", "ImageUID"),
        subject="SubjectID",
        title="MPRAGE metadata listing",
    ),
    StudyTable("MRIQUALITY", ("RID", "LONIUID", "PASS"), subject="RID", title="MRI quality control, ADNI1"),
    StudyTable(
        "MAYOADIRL_MRI_IMAGEQC_05_07_15",
        ("RID", "loni_image", "series_type", "series_quality", "series_selected"),
        subject="RID",
        title="Mayo image quality ratings",
    ),
    StudyTable("DXSUM_PDXCONV", ("PTID", "VISCODE2", "DIAGNOSIS"), title="Diagnostic summary"),
    StudyTable("APOERES", (), title="APOE genotypes"),
    StudyTable(
        "CDR",
        ("RID", "VISCODE2", "CDGLOBAL"),
        subject="RID",
        optional=True,
        title="Clinical dementia rating",
    ),
)
BY_NAME = {table.name: table for table in TABLES}


def find_tables(folder: Path, name: str) -> list[Path]:
    """Files that Clinica takes for table ``name`` (``NAME.csv``, ``NAME_01Jan2025.csv``), in any subfolder.

    Clinica searches the pattern anywhere in the file's name, so ``old_NAME.csv`` counts too; more than one is an
    error there. The diagnostic summary may also be the table of all phases, ``DXSUM_PDXCONV_ADNIALL``.
    """
    files = sorted(path for path in folder.rglob("*.csv") if not path.name.startswith("."))
    if name == "DXSUM_PDXCONV":
        all_phases = [path for path in files if re.search(rf"{name}_ADNIALL{DATED_CSV}", path.name)]
        if len(all_phases) == 1:
            return all_phases
    return [path for path in files if re.search(name + DATED_CSV, path.name)]


def read_table(path: Path) -> pd.DataFrame:
    """A study table, every cell as text, empty cells as empty text.

    Raises:
        UserError: the file is empty or not a comma-separated table.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="replace")
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise UserError(
            f"{path} cannot be read as a study table ({error}); download it again from LONI (Search > Study Data)."
        ) from error


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
            key = (subject[-4:] if table.subject == "RID" else subject).lstrip("0")
            cells = rows.get_group(key).to_numpy().tolist() if key in rows.groups else []
            parts[subject].append([table.name, columns, cells])
    return {subject: digest(content) for subject, content in parts.items()}
