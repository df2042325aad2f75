"""Cells of the study tables as Clinica 0.12 reads them: identifiers, dates, numbers and words, however they were saved.

A spreadsheet program turns dates into ``3/10/2006``, identifiers into ``1234.0`` and points into commas; people type
blanks and capitals. What can be put right without a guess is put right, and said once for each column.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

import pandas as pd

from ldae.adni.study_tables import StudyTable
from ldae.core.cells import Reading, cut, quoted, read_dates, read_number
from ldae.core.text_tables import count

PTID = re.compile(r"(\d{1,3})[\s_-]*S[\s_-]*(\d{1,5})", re.IGNORECASE)
GROUPED = re.compile(r"(\d{1,3}(?:[,\s'\u202f]\d{3})+)(?:\.0+)?|(\d{1,3}(?:\.\d{3}){2,})(?:,0+)?")  # 1,000,100
SCIENTIFIC = re.compile(r"(\d+)(?:[.,](\d+))?[eE]\+?(\d{1,4})")
MONTHS = re.compile(r"m\s*0*([0-9]{1,4})")
DATES = ("EXAMDATE", "EXAMDATE_bl", "ScanDate")
NUMBERS = (
    "AGE", "PTEDUCAT", "APOE4", "MMSE", "MMSE_bl", "CDRSB", "ADAS11", "ADAS13", "ADASQ4", "FAQ", "MOCA",
    "RAVLT_immediate", "CDGLOBAL", "PASS", "series_quality", "series_selected",
)  # fmt: skip
ADULT = (18, 120)  # years; the study enrols from about 50
UNITS_OF_AGE = (  # from which number on ages that are none of an adult are what, in a study whose middle age is 73
    (500, ", as if their decimal point were lost (731 for 73.1)"),
    (805, ", as if in months"),
    (1110, ""),
    (1890, ", as if these were years of birth"),
    (2030, ""),
    (7000, ", as if in days"),
)
WORDS = {
    "PTGENDER": {
        **dict.fromkeys(("male", "m", "man", "men", "1", "1.0"), "Male"),
        **dict.fromkeys(("female", "f", "woman", "women", "2", "2.0"), "Female"),
    },
    "DX": {"cn": "CN", "nl": "CN", "mci": "MCI", "dementia": "Dementia", "ad": "AD"},
    "Orig/Proc": {"original": "Original", "processed": "Processed", "pre-processed": "Processed"},
    "COLPROT": {name.lower(): name for name in ("ADNI1", "ADNIGO", "ADNI2", "ADNI3", "ADNI4")},
}
WORDS["ORIGPROT"] = WORDS["COLPROT"]


LOOK_ALIKES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
    | {"\u0405": "S", "\u0455": "s", "\u041c": "M", "\u043c": "m", "\u0406": "I", "\u0456": "i"}
)


def plain_text(cell: str) -> str:
    """Text with the hyphens, digits and (of S, M and I) letters of a keyboard in place of those that look like them."""
    if cell.isascii():
        return cell
    text = unicodedata.normalize("NFKC", cell.translate(LOOK_ALIKES))
    return "".join(str(unicodedata.digit(letter)) if letter.isdecimal() else letter for letter in text)


def plain_number(cell: str) -> str:
    """``I123``, ``S123``, ``123.0``, ``00123`` -> ``123``; ``1,000,100`` and ``1.000100E+06`` -> ``1000100``.

    A number in scientific notation that has fewer digits than its exponent stays (:func:`lost_digits`).
    """
    text = plain_text(cell).strip()
    if found := GROUPED.fullmatch(text):
        text = re.sub(r"\D", "", found.group(1) or found.group(2))
    elif (found := SCIENTIFIC.fullmatch(text)) and not lost_digits(text):
        whole, after, power = found.group(1), (found.group(2) or ""), int(found.group(3))
        text = whole + after[:power] if not after[power:].strip("0") else text
    found = re.fullmatch(r"[IS]?0*(\d+)(?:[.,]0*)?", text, re.IGNORECASE)
    return found.group(1) if found else cell


def lost_digits(cell: str) -> bool:
    """Whether a spreadsheet program shortened a number: ``1.00E+06`` may have been any of 10,000."""
    found = SCIENTIFIC.fullmatch(cell.strip())
    return found is not None and len(found.group(2) or "") < int(found.group(3))


def with_letter(letter: str) -> Callable[[str], str]:
    """A rule that writes an image or series number with its letter: ``295`` -> ``I295``."""

    def spelt(cell: str) -> str:
        number = plain_number(cell)
        return f"{letter}{number}" if number.isdigit() else cell

    return spelt


def subject_id(cell: str) -> str:
    """``2-s-295`` -> ``002_S_0295``."""
    found = PTID.fullmatch(plain_text(cell).strip())
    return f"{int(found.group(1)):03d}_S_{int(found.group(2)):04d}" if found else cell


WITHOUT_POINT = (15.0, 30.0)  # T


def visit_code(cell: str) -> str:
    """``M6``, ``m0006`` -> ``m06``; ``m0``, ``Baseline`` -> ``bl``: one session has one code."""
    code = plain_text(cell).strip().lower()
    if found := MONTHS.fullmatch(code):
        months = int(found.group(1))
        return f"m{months:02d}" if months else "bl"
    return {"baseline": "bl", "screening": "sc"}.get(code, code)


def point_number(cell: str) -> str:
    """``68,4`` and ``>90`` -> ``68.4`` and ``90``; what is no number stays."""
    number, by_rule = read_number(cell, {})
    return f"{number:g}" if number is not None and by_rule else cell


def age(cell: str) -> str:
    """As :func:`point_number`; what is no number is empty, since Clinica dies on it, and so is what is no age of an
    adult (0, -4, 999)."""
    number = point_number(cell)
    years = read_number(number, {})[0]
    return number if years is not None and ADULT[0] <= years <= ADULT[1] else ""


def guessed_unit(cells: Counter[str]) -> str:
    """What ages that are none of an adult are as if they were, by the middle one; empty where nothing suits."""
    years = sorted(number for cell in cells.elements() if (number := read_number(cell, {})[0]) is not None)
    middle = years[len(years) // 2] if years else 0.0
    for least, what in reversed(UNITS_OF_AGE):
        if middle >= least:
            return what
    return ""


def field_strength(cell: str) -> str:
    """``3``, ``3.0 Tesla``, ``Field Strength=3.0;...`` -> ``3.0``, the numbers that Clinica compares; ``15`` and
    ``30``, which no scanner of the study has, are 1.5 and 3 without their point."""
    found = re.search(r"field strength\s*=\s*(\d+(?:[.,]\d+)?)", cell, re.IGNORECASE) or re.search(
        r"(\d+(?:[.,]\d+)?)", cell
    )
    number = float(found.group(1).replace(",", ".")) if found else 0.0
    number = number / 10 if number in WITHOUT_POINT else number
    return f"{number:.1f}" if found else ""


def word(names: dict[str, str]) -> Callable[[str], str]:
    """A rule that respells words, whatever their case, spaces and underscores; others stay."""
    return lambda cell: names.get(re.sub(r"[\s_]", "", cell).lower().replace("adni-go", "adnigo"), cell)


RULES: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("PTID", "SubjectID"), subject_id),
    **dict.fromkeys(("RID", "ImageUID", "SeriesID", "StudyID", "SITE"), plain_number),
    "LONIUID": with_letter("S"),
    "loni_image": with_letter("I"),
    "MagStrength": field_strength,
    **dict.fromkeys(("VISCODE", "VISCODE2"), visit_code),
    **dict.fromkeys(NUMBERS, point_number),
    "AGE": age,
    **{column: word(names) for column, names in WORDS.items()},
}


def normalised(table: StudyTable, content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """The columns that Clinica uses, spelt as it reads them; every change is said in ``changes``."""
    used = {*table.required, *table.used, *(name for group in table.either for name in group), table.subject}
    fresh = {}
    for column in content:
        if column not in used:
            continue
        old = content[column]
        if column in DATES:
            new = pd.Series(read_dates(old, Reading(), serials=True), index=old.index, dtype=object)
            new = new.where(new.notna(), old)
        elif column in RULES:
            names = {cell: RULES[column](cell) for cell in old.unique()}
            new = old.map(names)
        else:
            continue
        different = old != new
        if different.any():
            fresh[column] = new
        emptied = Counter(old[different & (new == "")])
        if emptied:
            most = column == "AGE" and 2 * emptied.total() > (old != "").sum()
            unit = guessed_unit(emptied) if most else ""  # a few are codes of a missing value
            changes.append(f"{column}: {quoted(emptied)} taken for no value{unit}")
        different &= new != ""
        if different.any():
            first = different.idxmax()
            cells = count(int(different.sum()), "cell")
            changes.append(f"{column}: {cells} will be respelt ({cut(old[first])!r} as {cut(new[first])!r})")
    return content.assign(**fresh)
