"""Cells of tables that others wrote, as numbers and dates; what cannot be read is quoted, never dropped silently."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

MISSING = frozenset(("", "n/a", "na", "nan", "null", "none", "nat", "#n/a", ".", "-", "--", "missing", "n.a.", "<na>"))
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
BOUND = re.compile(r"(?:>=?|≥)\s*(\d+(?:[.,]\d+)?)|(\d+(?:[.,]\d+)?)\s*\+")
AGE_STRING = re.compile(r"(\d{1,3})([YMWD])", re.IGNORECASE)  # DICOM's
YEARS_IN = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
WITH_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([A-Za-zµ]+\.?)")
ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ].*)?")
PACKED = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\.0)?")
PARTS = re.compile(r"(\d{1,2})([/.\-])(\d{1,2})\2(\d{4}|\d{2})(?:[T ].*)?")
WITH_MONTH = re.compile(r"(\d{1,2})[\s/.\-]*([a-z]{3,9})\.?[\s/.,\-]*(\d{4}|\d{2})(?:[T ]\d.*)?", re.IGNORECASE)
MONTH_FIRST = re.compile(r"([a-z]{3,9})\.?\s*(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?:[T ]\d.*)?", re.IGNORECASE)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
SERIAL = re.compile(r"(\d{5})(?:[.,]\d+)?")  # of a spreadsheet program: days since 30 December 1899
EARLIEST = 80  # a year in two digits from here on is one of the last century; no scan of MRI is older


@dataclass
class Reading:
    """What was noticed while a column was read.

    ``unread``: cells that mean nothing here; ``codes``: values that stand for a missing one or lie outside the scale;
    ``otherwise``: cells read with a rule (``89+``, ``60,5``).
    """

    unread: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    otherwise: Counter[str] = field(default_factory=Counter)

    def sentences(self, what: str) -> list[str]:
        """What was noticed in a column, ``what`` naming it; empty where every cell was plain."""
        said = []
        if self.unread:
            said.append(f"{what}: cannot read {quoted(self.unread)}; these count as missing")
        if self.codes:
            said.append(f"{what}: {quoted(self.codes)} are codes of a missing value or outside the scale: n/a")
        if self.otherwise:
            said.append(f"{what}: written in another way, and read all the same: {quoted(self.otherwise)}")
        return said


def cut(cell: str, most: int = 60) -> str:
    """A cell, however long it is, as a message can hold it."""
    return cell if len(cell) <= most else f"{cell[:most]}..."


def quoted(cells: Counter[str], shown: int = 8) -> str:
    """``'89+' (3), '-4' (2) and 5 more``, the commonest first."""
    listed = ", ".join(f"{cut(cell)!r} ({number})" for cell, number in cells.most_common(shown))
    return listed + (f" and {len(cells) - shown} more" if len(cells) > shown else "")


def is_missing(cell: object) -> bool:
    """Whether a cell is empty, NaN or one of the words for no value (``n/a``, ``missing``); codes like -4 are not."""
    return cell is None or cell != cell or str(cell).strip().casefold() in MISSING


def read_number(cell: str, units: dict[str, float]) -> tuple[float | None, bool]:
    """The number in a cell, and whether it took a rule (a decimal comma, a bound, a unit)."""
    text = cell.strip()
    if NUMBER.fullmatch(text):
        return float(text.replace(",", ".")), "," in text
    if bound := BOUND.fullmatch(text):
        return float((bound.group(1) or bound.group(2)).replace(",", ".")), True
    if (age := AGE_STRING.fullmatch(text)) and "years" in units:
        return float(age.group(1)) * YEARS_IN[age.group(2).upper()] * units["years"], True
    if (found := WITH_UNIT.fullmatch(text)) and found.group(2).rstrip(".").casefold() in units:
        return float(found.group(1).replace(",", ".")) * units[found.group(2).rstrip(".").casefold()], True
    return None, False


def read_numbers(
    cells: Iterable[object],
    reading: Reading,
    lowest: float = float("-inf"),
    highest: float = float("inf"),
    units: dict[str, float] | None = None,
) -> list[float]:
    """Floats, NaN where there is none.

    Args:
        lowest, highest: the scale; a number outside it is a code (-4, 88, 999) and counts as missing.
        units: words that may follow a number, with what it is multiplied by; ``years`` allows DICOM's ``065Y`` too.
    """
    units, known, numbers = units or {}, {}, []
    for cell in cells:
        if cell not in known:
            known[cell] = None if is_missing(cell) else read_number(str(cell), units)
        found = known[cell]
        if found is None:
            numbers.append(float("nan"))
            continue
        number, by_rule = found
        if number is None:
            reading.unread[str(cell)] += 1
        elif not lowest <= number <= highest:
            reading.codes[str(cell)] += 1
            number = None
        elif by_rule:
            reading.otherwise[str(cell)] += 1
        numbers.append(float("nan") if number is None else number)
    return numbers


def read_dates(
    cells: Iterable[object], reading: Reading, day_first: bool | None = None, serials: bool = False
) -> list[str | None]:
    """``YYYY-MM-DD``, None where there is none.

    ISO dates with or without a time, ``20060418``, ``25-Apr-13``, and dates as spreadsheets write them. Whether
    ``3/4/2006`` is of March or of April is told by the other cells of the column (``3/25/2006``); where they do not
    tell, or contradict each other, it is not read. With years of two digits, what stands first may be the year
    (``13/4/25``) unless another cell shows that it is none.

    Args:
        day_first: the order where the cells do not tell; None: unknown.
        serials: whether a number of five digits is a spreadsheet program's day (41389: 2013-04-25).
    """
    texts = [None if is_missing(cell) else str(cell).strip() for cell in cells]
    order = day_order(texts, day_first)
    known: dict[str | None, str | None] = {None: None}
    for text in texts:
        if text is not None and text not in known:
            known[text] = read_date(text, order) or (read_serial(text) if serials else None)
        if text is not None and known[text] is None:
            reading.unread[text] += 1
        elif text is not None and not (ISO.fullmatch(text) or PACKED.fullmatch(text)):
            reading.otherwise[text] += 1
    return [known[text] for text in texts]


def day_order(cells: Iterable[str | None], otherwise: bool | None) -> dict[str, bool | None]:
    """Separator (twice, where years have two digits) -> is the day first? From the cells whose day is above 12; points
    are always day first. A first number of 13 to this year's may be a year of two digits, and tells nothing."""
    order: dict[str, bool | None] = {"/": otherwise, "-": otherwise, ".": True, "//": otherwise, "--": None, "..": True}
    evidence: dict[str, set[bool]] = {}
    for cell in cells:
        if cell is not None and (found := PARTS.fullmatch(cell)):
            first, mark, second = int(found.group(1)), found.group(2), int(found.group(3))
            short = len(found.group(4)) == 2
            if (first > 12) != (second > 12) and not (short and 12 < first <= this_year() % 100):
                evidence.setdefault(mark * 2 if short else mark, set()).add(first > 12)
    for mark, kinds in evidence.items():
        order[mark] = kinds.pop() if len(kinds) == 1 else None
    return order


def read_date(cell: str, order: dict[str, bool | None]) -> str | None:
    """``YYYY-MM-DD``; None: no date, or not known whether its day comes first (``order``, of :func:`day_order`)."""
    if found := ISO.fullmatch(cell) or PACKED.fullmatch(cell):
        return real_day(*map(int, found.groups()[:3]))
    if found := WITH_MONTH.fullmatch(cell):
        return day_of_month(found.group(3), found.group(2), found.group(1))
    if found := MONTH_FIRST.fullmatch(cell):
        return day_of_month(found.group(3), found.group(1), found.group(2))
    if found := PARTS.fullmatch(cell):
        first, second, year = int(found.group(1)), int(found.group(3)), whole_year(found.group(4))
        short = len(found.group(4)) == 2
        day_first = order[found.group(2) * (2 if short else 1)]
        if year is None or (short and day_first is None):
            return None
        if first == second:
            day_first = True
        elif first > 12 or second > 12:
            day_first = first > 12
        if day_first is not None:
            return real_day(year, second, first) if day_first else real_day(year, first, second)
    return None


def this_year() -> int:
    """The year of today."""
    return pd.Timestamp.today().year


def whole_year(digits: str) -> int | None:
    """``2013`` of ``2013`` and of ``13``, ``1998`` of ``98``; None of two digits that may be of either century."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return 2000 + year if year <= this_year() % 100 else 1900 + year if year >= EARLIEST else None


def day_of_month(year: str, month: str, day: str) -> str | None:
    """``("13", "April", "25")`` -> ``2013-04-25``; None where the word is no English month or the first letters of
    one."""
    number, found = whole_year(year), month[:3].lower()
    if number is None or found not in MONTHS:
        return None
    name = pd.Timestamp(2000, MONTHS.index(found) + 1, 1).month_name().lower()
    known = name.startswith(month.lower()) or month.lower() == "sept"
    return real_day(number, MONTHS.index(found) + 1, int(day)) if known else None


def read_serial(cell: str) -> str | None:
    """``41389`` -> ``2013-04-25``; None of what is no such number, or of a day before 1980 or to come."""
    found = SERIAL.fullmatch(cell)
    if found is None:
        return None
    day = pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(found.group(1)))
    return day.strftime("%Y-%m-%d") if pd.Timestamp("1980-01-01") <= day <= pd.Timestamp.today() else None


def real_day(year: int, month: int, day: int) -> str | None:
    """``YYYY-MM-DD``; None where the calendar has no such day (30 February)."""
    try:
        return pd.Timestamp(year, month, day).strftime("%Y-%m-%d")
    except ValueError:
        return None
