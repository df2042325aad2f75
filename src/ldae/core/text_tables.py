"""The one reader of text tables that others wrote: study tables, BIDS tables, a CSV of the user.

Whoever saved a table, and with what: UTF-8 with or without a byte order mark, UTF-16, Windows' code page; commas,
tabs, semicolons; a quote that opens a cell and never closes. What was read otherwise than plainly is said in ``notes``.
Anything that is no such table ends in one sentence. Tables of our own are read by :func:`ldae.core.files.read_tsv`.
"""

import csv
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from ldae.core.errors import UserError
from ldae.core.folders import leads_nowhere
from ldae.core.shifted_rows import mend_shifted

LARGEST_BYTES = 1 << 30  # ADNI's longest table has some 0.1 GiB
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
LINE_END = re.compile(r"\r\n|\r|\n")  # and no other: U+2028 and the like are letters of a cell
BLANKS = " \t\r\n\xa0\u200b\ufeff"  # with those that a spreadsheet or a web page leaves behind
OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook: save the sheet as CSV"),
    (b"\x1f\x8b", "compressed (gzip): unpack it"),
    (b"%PDF", "a PDF: download the table itself"),
    (b"<!doctype", "a web page (an expired log-in, often): download the table again"),
    (b"<html", "a web page (an expired log-in, often): download the table again"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself (git lfs pull)"),
    (b"/annex/objects/", "a pointer of git-annex: fetch the file itself (datalad get)"),
)
CUT = "ends in the middle of a row, as a download does that was interrupted"  # among the notes
WIDE = 1000  # columns; a table of the study has at most some 350
MARKS = {  # byte order marks, the longer first
    b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip
SEPARATOR = re.compile(r'"?sep=(.)"?[,;|\t]*', re.IGNORECASE)  # the first line of a table that Excel is to open
TITLES = 20  # lines above the header of a table in which its columns are looked for
ENOUGH = 3  # wanted columns by which a header is known
SHIFTED = "with more cells than the header"  # among the notes


@dataclass(frozen=True)
class TextTable:
    """``header``: names of the columns, each once; ``rows``: cells as text without blanks around them, one for every
    column; ``notes``: what was read otherwise than as plain UTF-8 with the expected delimiter.
    """

    header: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Text in every cell, empty text where there is nothing."""
        return pd.DataFrame(self.rows, columns=self.header, dtype=object)

    def records(self) -> list[dict[str, str]]:
        """One dictionary per row: column -> text of the cell."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def read_text_table(path: str | Path, delimiter: str | None = None, wanted: Collection[str] | None = None) -> TextTable:
    """Read a table with a header line.

    Args:
        delimiter: the expected one; by default a tab for ``.tsv`` and ``.txt``, a comma for any other name. Another one
            is taken, and noted, where the header line does not hold the expected one.
        wanted: names of columns in small letters; of a table with more than 1,000 columns the others are left out.

    Raises:
        UserError: the file is missing, no regular file, empty, larger than 1 GiB, no text table, or two of them with
            different columns.
    """
    path = Path(path)
    text, notes = decoded(content_of(path), path)
    expected = delimiter or ("\t" if path.suffix.lower() in (".tsv", ".txt") else ",")
    text, said = below_the_titles(text, wanted, notes)
    first = next((line for line in LINE_END.split(text) if line.strip(BLANKS)), "")
    found = said or delimiter_of(first, expected)
    if found != expected:
        notes.append(f"read with {DELIMITERS[found]} between the columns")
    lines, broken = split_cells(text, found, wanted, notes)
    if broken:
        notes.append(f"{count(broken, 'line')} with a quote that does not close, read as it stands")
    lines = [cells for cells in lines if any(cells)]
    if not lines:
        raise UserError(f"{path} is empty: a table with a header line is expected.")
    header, rows = lines[0], lines[1:]
    header = distinct(header, rows, notes)
    rows = without_second_header(header, rows, wanted, text, found, path, notes)
    short = [number for number, row in enumerate(rows, 1) if len(row) < len(header)]
    if short == [len(rows)] and not text.endswith(("\n", "\r")):
        notes.append(CUT)
    return TextTable(header, squared(rows, len(header), notes, found), tuple(notes))


def content_of(path: Path) -> bytes:
    """The bytes of a regular file (or of a link to one)."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{path} is no file: a text table is expected.")
        if facts.st_size > LARGEST_BYTES:
            raise UserError(f"{path} has {facts.st_size >> 20} MiB: a text table of at most 1024 MiB is expected.")
        with open(path, "rb") as handle:
            return handle.read()
    except PermissionError:
        raise UserError(f"{path} must not be read by this user: change its permissions.") from None
    except OSError as error:
        if not leads_nowhere(error):
            raise
        what = "is a link to nowhere" if path.is_symlink() else "does not exist"
        raise UserError(f"{path} {what}: a text table is expected.") from None


def decoded(content: bytes, path: Path) -> tuple[str, list[str]]:
    """Text, and how it was written where not as UTF-8.

    Raises:
        UserError: another format, or bytes that are no text.
    """
    start = content[:64].lstrip().lower()
    for mark, what in OTHER_FORMATS:
        if start.startswith(mark.lower()):
            raise UserError(f"{path} is no text table but {what}.")
    code = next((code for mark, code in MARKS.items() if content.startswith(mark)), None) or without_mark(content)
    if code is not None:
        try:
            return content.decode(code), [code[:6].upper()]
        except UnicodeDecodeError:
            name = code[:6].upper()
            raise UserError(f"{path} is no text table: its {name} is damaged; save it as CSV in UTF-8.") from None
    if b"\0" in content:
        raise UserError(f"{path} is no text table: it holds binary data; save it as CSV in UTF-8.")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    text = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return text.decode("cp1252"), [f"not UTF-8 (line {line}), read as Windows-1252"]
    except UnicodeDecodeError:
        return text.decode("latin-1"), [f"not UTF-8 (line {line}), read as Latin-1"]


def without_mark(content: bytes) -> str | None:
    """The encoding in two or four bytes of a text whose first letters are those of a keyboard; None for any other."""
    start = content[:8]
    if len(start) < 8 or b"\0" not in start:
        return None
    for code, zeros in (
        ("utf-32-le", (1, 2, 3)), ("utf-32-be", (0, 1, 2)), ("utf-16-le", (1, 3)), ("utf-16-be", (0, 2)),
    ):  # fmt: skip
        if all((byte == 0) == (place % 4 in zeros) for place, byte in enumerate(start)):
            return code
    return None


def below_the_titles(text: str, wanted: Collection[str] | None, notes: list[str]) -> tuple[str, str | None]:
    """The text from its header line on, and the delimiter that the first line (``sep=;``) says.

    A line above a header that has ``wanted`` columns is a title where it has none of them.
    """
    lines = LINE_END.split(text, TITLES + 1)
    filled = [number for number, line in enumerate(lines[:-1]) if line.strip(BLANKS)]
    first = lines[filled[0]].strip(BLANKS) if filled else ""
    if filled and (found := SEPARATOR.fullmatch(lines[filled[0]].strip(" \ufeff"))) is not None:
        notes.append(f"the first line, {first}, is no row")
        mark = found.group(1)
        return text.partition(lines[filled[0]])[2].lstrip("\r\n"), mark if mark in DELIMITERS else None
    if wanted is None:
        return text, None
    for number in filled:
        names = {re.sub(r'^"|"$', "", cell.strip(BLANKS)).casefold() for cell in re.split("[,;|\t]", lines[number])}
        if len(names & set(wanted)) >= ENOUGH:
            if number == filled[0]:
                break
            notes.append(f"{count(number, 'line')} above the header left out: {first[:60]}")
            starts = [0, *(match.end() for match, _ in zip(LINE_END.finditer(text), range(number), strict=False))]
            return text[starts[number] :], None
    return text, None


def delimiter_of(header: str, expected: str) -> str:
    """The expected delimiter if the header line holds it, else the one that it holds most often."""
    outside = re.sub(r'"[^"]*"', "", header)
    numbers = {mark: outside.count(mark) for mark in DELIMITERS}
    if numbers.get(expected, header.count(expected)) or not any(numbers.values()):
        return expected
    return max(numbers, key=lambda mark: numbers[mark])


def split_cells(
    text: str, delimiter: str, wanted: Collection[str] | None, notes: list[str]
) -> tuple[list[list[str]], int]:
    """Cells of every line, without blanks around them, and the number of lines with a quote that does not close.

    A quoted cell may hold line breaks in a comma-separated table. BIDS knows no quoting between tabs, spreadsheets
    write it all the same: there a cell is unquoted where the quotes enclose it, and every line is a row.
    """
    csv.field_size_limit(LARGEST_BYTES)  # Python's own limit is 128 KiB, and says the same as an open quote
    if delimiter != "\t":
        try:
            reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
            return stripped(reader, wanted, notes), 0
        except csv.Error:
            pass
    if '"' not in text:
        return stripped((line.split(delimiter) for line in LINE_END.split(text)), wanted, notes), 0
    lines, broken = [], 0
    for line in LINE_END.split(text):
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            row, broken = line.split(delimiter), broken + 1
        lines.append(row)
    return stripped(lines, wanted, notes), broken


def stripped(rows: Iterable[list[str]], wanted: Collection[str] | None, notes: list[str]) -> list[list[str]]:
    """Rows without blanks around their cells; of very many columns the ``wanted`` ones alone."""
    lines: list[list[str]] = []
    rows = iter(rows)
    for row in rows:
        cells = [cell.strip(BLANKS) for cell in row]
        if any(cells) and wanted is not None and len(cells) > WIDE:
            places = [place for place, name in enumerate(cells) if name.casefold() in wanted]
            if places:
                notes.append(f"{len(places)} of {len(cells)} columns are read")
                head = [cells[place] for place in places]
                return [head, *([row[p].strip(BLANKS) for p in places if p < len(row)] for row in rows)]
        lines.append(cells)
        if any(cells):
            break
    return lines + [[cell.strip(BLANKS) for cell in row] for row in rows]


def distinct(header: list[str], rows: list[list[str]], notes: list[str]) -> list[str]:
    """Names of the columns: the first of equal ones keeps its name, one without a name gets its number."""
    while header and not header[-1] and all(len(row) < len(header) or not row[len(header) - 1] for row in rows):
        header = header[:-1]
    seen: Counter[str] = Counter()
    names = []
    for number, name in enumerate(header, 1):
        name = name or f"column {number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    twice = [name for name, times in seen.items() if times > 1]
    if twice:
        notes.append(f"columns that stand twice, the first is read: {', '.join(twice)}")
    return names


def without_second_header(
    header: list[str],
    rows: list[list[str]],
    wanted: Collection[str] | None,
    text: str,
    delimiter: str,
    path: Path,
    notes: list[str],
) -> list[list[str]]:
    """The rows without a header line among them, as there is one where two tables were pasted below each other.

    Args:
        text: of the table from its header on, to count its lines.

    Raises:
        UserError: a header has other columns than the first, so that what stands below is of another table.
    """
    own = [name.casefold() for name in header]
    names = {*own, *(wanted or ())} - {""}
    second = [place for place, row in enumerate(rows) if is_header(row, names, len(header))]
    if not second:
        return rows
    lines = LINE_END.split(text)
    for place in second:
        cells = [cell for cell in rows[place] if cell]
        like = (number for number, line in enumerate(lines, 1) if number > 1 and same_cells(line, delimiter, cells))
        where = f"line {number}" if (number := next(like, None)) is not None else f"row {place + 1}"
        if [cell.casefold() for cell in rows[place]][: len(own)] != own:
            raise UserError(
                f"{path} is two tables, one pasted below the other: {where} is a second header, with other columns "
                f"({', '.join(cells[:3])}, ...): keep one of the two in the file."
            )
        notes.append(f"{where} repeats the header and is no row: two tables pasted below each other, perhaps")
    return [row for place, row in enumerate(rows) if place not in set(second)]


def is_header(row: list[str], names: Collection[str], width: int) -> bool:
    """Whether most cells of a row are names of columns."""
    if not any(cell.casefold() in names for cell in row[:ENOUGH]):
        return False
    cells = [cell.casefold() for cell in row if cell]
    named = sum(cell in names for cell in cells)
    return named >= min(ENOUGH, width) and 2 * named > len(cells)


def same_cells(line: str, delimiter: str, cells: list[str]) -> bool:
    """Whether a line of text has these cells."""
    return [cell for part in line.split(delimiter) if (cell := part.strip(BLANKS + '"'))] == cells


def squared(rows: list[list[str]], width: int, notes: list[str], delimiter: str) -> list[list[str]]:
    """Rows of equal length."""
    mended, left = mend_shifted(rows, width, delimiter)
    if mended:
        told = f"read with the {DELIMITERS[delimiter].removesuffix('s')} inside a cell: {rows_named(rows, mended)}"
        notes.append(f"{count(len(mended), 'row')} longer than the header {told}")
    if left:
        long = [cell for place in left for cell in rows[place][width:] if cell]
        notes.append(f"cells beyond the last column left out: {', '.join(map(repr, long[:5]))}")
        notes.append(
            f"{count(len(left), 'row')} {SHIFTED} ({rows_named(rows, left)}), by a comma without quotes, perhaps"
        )
    short = sum(len(row) < width for row in rows)
    if short:
        notes.append(f"{count(short, 'row')} shorter than the header, the rest is empty")
    return [(row + [""] * (width - len(row)))[:width] if len(row) != width else row for row in rows]


def rows_named(rows: list[list[str]], places: list[int]) -> str:
    """``row 5: 2, 002_S_0295, bl``: the first cells of some rows."""
    return "; ".join(f"row {place + 1}: {', '.join(rows[place][:3])}"[:80] for place in places[:3])


def count(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def listed(names: Iterable[object], shown: int = 5) -> str:
    """``a, b and 3 more``."""
    words = [str(name) for name in names]
    return ", ".join(words[:shown]) + (f" and {len(words) - shown} more" if len(words) > shown else "")
