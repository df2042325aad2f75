"""Cells that Clinica 0.12 takes for numbers: one that is none, in anybody's row, ends its run for all, or makes text of
the whole column, so that no cell of it equals a number any more.

A word that is understood (``Pass``, ``No``) becomes its number, an unreadable quality Mayo's own code for a
scan that was not rated; of anything else the row is left out. Each is said once, with its cells.
"""

import re
from collections import Counter

import pandas as pd

from ldae.adni.spelling import lost_digits
from ldae.adni.study_tables import StudyTable
from ldae.core.cells import is_missing, quoted, read_number
from ldae.core.keys import PTID
from ldae.core.text_tables import count

NUMBER = r"[0-9]{1,18}"  # more digits do not fit into 64 bits, and pandas makes text of the column
UNKNOWN_SERIES = str(10**12)  # behind all others, where Clinica sorts by it; no series has it
NOT_RATED = "-1"  # Mayo's code
TRUE = re.compile(r"pass(?:ed)?\b.*|y(?:es)?|true|ok|usable|selected", re.IGNORECASE)
FALSE = re.compile(r"fail(?:ed|ure)?\b.*|no?|false|unusable|not? (?:pass(?:ed)?|selected|usable)", re.IGNORECASE)
GENOTYPE = re.compile(r"\D*([234])\D*([234])\D*")


def readable(table: StudyTable, content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """A table without the cells that Clinica cannot read; what was done is added to ``changes``."""
    if table.subject == "RID" and "RID" in content:
        content = without(content, no_number(content["RID"]), "RID", "no number", changes)
    if table.name == "ADNIMERGE":
        strange = ~content["PTID"].map(lambda cell: PTID.fullmatch(cell) is not None)
        return without(content, strange.astype(bool), "PTID", "no subject of ADNI (NNN_S_NNNN)", changes)
    return RULES[table.name](content, changes) if table.name in RULES else content


def no_number(cells: pd.Series) -> pd.Series:
    """Which cells are no number; those of which a spreadsheet program kept too few digits are told elsewhere."""
    known = {cell: re.fullmatch(NUMBER, cell) is None and not lost_digits(cell) for cell in cells.unique()}
    return cells.map(known).astype(bool)


def without(content: pd.DataFrame, bad: pd.Series, column: str, what: str, changes: list[str]) -> pd.DataFrame:
    """The other rows, and a sentence about those that are ``bad``."""
    if not bad.any():
        return content
    cells = quoted(Counter(content.loc[bad, column]), 3)
    changes.append(f"{count(int(bad.sum()), 'row')} left out whose {column} is {what}: {cells}")
    return content[~bad]


def replaced(content: pd.DataFrame, column: str, cells: pd.Series, effect: str, changes: list[str]) -> pd.DataFrame:
    """The table with other ``cells`` in a column, and a sentence about those that are none of the old ones."""
    different = content[column] != cells
    if not different.any():
        return content
    changes.append(f"{column}: {quoted(Counter(content.loc[different, column]), 3)} {effect}")
    return content.assign(**{column: cells})


def as_mark(cell: str) -> str | None:
    """``Pass`` -> ``1``, ``No`` -> ``0``; a number and an empty cell as they are; None for anything else."""
    if is_missing(cell):
        return ""
    if read_number(cell, {})[0] is not None:
        return cell
    return "1" if TRUE.fullmatch(cell) else "0" if FALSE.fullmatch(cell) else None


def quality_control(content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """MRIQUALITY: whether a series passed, as 1 and 0."""
    marks = content["PASS"].map({cell: as_mark(cell) for cell in content["PASS"].unique()})
    content = without(content, marks.isna(), "PASS", "no number and no word for yes or no", changes)
    return replaced(content, "PASS", marks[marks.notna()], "read as 1 (passed), 0 (failed) or nothing", changes)


def ratings(content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """Mayo's table: qualities 1 to 4, or -1 (not rated) where there is no such number; selected or not as 1 and 0."""
    quality = content["series_quality"].map({cell: rated(cell) for cell in content["series_quality"].unique()})
    content = replaced(content, "series_quality", quality, "taken for -1, not rated", changes)
    selected = content["series_selected"].map({cell: chosen(cell) for cell in content["series_selected"].unique()})
    return replaced(content, "series_selected", selected, "taken for 1 (selected) or 0", changes)


def rated(cell: str) -> str:
    """A quality that Clinica compares; it dies where the best is below 1 and not -1."""
    number = read_number(cell, {})[0]
    if is_missing(cell):
        return ""
    return cell if number is not None and (number >= 1 or number == -1) else NOT_RATED


def chosen(cell: str) -> str:
    """Whether Mayo selected an image; Clinica adds these numbers up."""
    mark = as_mark(cell)
    if mark == "":
        return ""
    number = read_number(mark or "0", {})[0]
    return cell if number in (0.0, 1.0) and mark == cell else "1" if number == 1.0 else "0"


def summary(content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """DXSUM: diagnoses that are numbers."""
    known = content["DIAGNOSIS"].map(lambda cell: read_number(cell, {})[0] is not None).astype(bool)
    return replaced(content, "DIAGNOSIS", content["DIAGNOSIS"].where(known, ""), "read as nothing", changes)


def genotypes(content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """APOERES: two alleles in columns of their own, where Clinica could not split the genotypes."""
    if {"APGEN1", "APGEN2"} <= set(content) or "GENOTYPE" not in content:
        return content
    if content["GENOTYPE"].str.contains("/").any():
        return content
    found = [GENOTYPE.fullmatch(cell) for cell in content["GENOTYPE"]]
    changes.append("APGEN1 and APGEN2 made from GENOTYPE")
    alleles = [(match.group(1), match.group(2)) if match else ("", "") for match in found]
    return content.assign(APGEN1=[one for one, _ in alleles], APGEN2=[two for _, two in alleles])


def listing(content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """MPRAGEMETA: a number for every series, a name for every visit; rows without an image's number are spoken of here
    and withheld where it is known which visits they cost."""
    unknown = no_number(content["ImageUID"])
    if unknown.any():
        cells = quoted(Counter(content.loc[unknown, "ImageUID"]), 3)
        changes.append(f"{count(int(unknown.sum()), 'row')} left out whose ImageUID is no number: {cells}")
    series = content["SeriesID"].mask(no_number(content["SeriesID"]), UNKNOWN_SERIES)
    content = replaced(content, "SeriesID", series, "no number, such a series counts as not rated", changes)
    visits = content["Visit"].where(~content["Visit"].map(is_missing).astype(bool), "scanned " + content["ScanDate"])
    return replaced(content, "Visit", visits, "no visit, such a scan goes by its date", changes)


RULES = {
    "MRIQUALITY": quality_control,
    "MAYOADIRL_MRI_IMAGEQC_05_07_15": ratings,
    "DXSUM_PDXCONV": summary,
    "APOERES": genotypes,
    "MPRAGEMETA": listing,
}
