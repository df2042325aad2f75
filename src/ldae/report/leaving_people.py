"""Tables and lists of single people in a text, in whichever form they are written."""

import re
from collections.abc import Iterator

from ldae.report.identifiers import OF_WORK, Names, column_of_names, numbered

SERIES = re.compile(rf"^[\s>*-]*(?!{OF_WORK})([^\W\d_]{{1,12}}[ _-]?\d{{1,4}})\b", re.IGNORECASE | re.MULTILINE)
ITEMS = re.compile(r"(?=[^\n]*\d)[\d\s.,;:*/>()+-]*(?:\b[A-Za-z]{1,2}\b[\d\s.,;:*/>()+-]*)*")  # a line of numbers, M, F
MANY_LINES = 8
LONGEST_LIST = 8  # numbers in a list of JSON: networks have as many levels at most
MANY_LISTED, MOST_NUMBERS = 12, 40  # numbers behind each other, and in one line or cell of words
LISTED = re.compile(rf"(?:(?<![\w.])[-+]?\d+(?:\.\d+)?%?(?:[\s,;:/()\[\]]|\b[A-Za-z]{{1,2}}\b)+){{{MANY_LISTED},}}")
NUMBERS, CELLS = re.compile(r"\d+(?:\.\d+)?"), re.compile(r"[|&\t]")
LOOSE = (",", ";", " {2,}")
SEPARATORS = ("\t", r"\|", "&", *LOOSE)
EDGES = re.compile(r"^ *\|? *| *(?:\||\\\\)? *$")  # of a row in Markdown and LaTeX
RULE = re.compile(r"[\s:|-]*")  # below the head of a table in Markdown


def rows_of_people(text: str, names: Names) -> str | None:
    """Whether a table in the text is one of single people, in whichever form it is written."""
    for separator in SEPARATORS:
        for rows in blocks(text, separator):
            if fault := fault_of_rows(rows, names):
                return fault
    first, *following = text.splitlines() or [""]
    if "\t" not in text and following:
        return fault_of_columns({first: following}, names)
    return None


def lines_of_people(text: str) -> str | None:
    """Whether lines begin with numbered words, or hold numbers alone, as a list of single people does."""
    if series := numbered(SERIES.findall(text)):
        return f"lines about {', '.join(series[:3])}, ..., which may be people"
    run = 0
    for line in text.splitlines():
        run = run + 1 if ITEMS.fullmatch(line) else run if not line.strip() else 0
        if run > MANY_LINES and "\t" not in line:
            return f"a list of numbers ({line.strip()[:40]!r}), of which nobody says of whom they are"
    return None


def lists_of_people(text: str) -> str | None:
    """Whether one line of words, or one cell in it, lists numbers, or holds more of them than a sentence needs."""
    for line in text.splitlines():
        if sum(map(str.isdigit, line)) <= MANY_LISTED:
            continue
        for words in CELLS.split(line):
            if found := LISTED.search(words):
                return f"a list of numbers ({found.group()[:40]!r}), of which nobody says of whom they are"
            if (count := len(NUMBERS.findall(words))) > MOST_NUMBERS:
                return f"{count} numbers in one line ({words.strip()[:40]!r})"
    return None


def fault_of_rows(rows: list[list[str]], names: Names) -> str | None:
    """The same of rows of cells, the first of which is the head."""
    titles = [cell.strip().replace("\\", "") for cell in rows[0]] if rows else []
    body = [row for row in rows[1:] if not RULE.fullmatch("".join(row))]
    return fault_of_columns(
        {title: [row[place] for row in body if place < len(row)] for place, title in enumerate(titles)}, names
    )


def fault_of_columns(columns: dict[str, list[str]], names: Names) -> str | None:
    """Whether a table is one of single people, in words."""
    column = column_of_names(columns, names)
    return (
        None if column is None else f"a table with the column {column!r}, which is one of single people, scans or dates"
    )


def blocks(text: str, separator: str) -> Iterator[list[list[str]]]:
    """Lines below each other that a separator cuts into cells. What also separates words is one only between equally
    many cells in four lines or more."""
    lines: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        cells = re.split(separator, EDGES.sub("", line))
        loose = separator in LOOSE
        if len(cells) > 1 and not (loose and lines and len(cells) != len(lines[0])):
            lines.append(cells)
            continue
        if len(lines) >= (4 if loose else 1):
            yield lines
        lines = [cells] if len(cells) > 1 else []


def tables_of(values: object, lists: bool = True) -> Iterator[dict[str, list[str]]]:
    """Tables in nested values: lists of objects with the same keys, objects of lists, objects of such objects.

    Args:
        values: of JSON or YAML.
        lists: whether lists, too, may be of single people; those of a configuration are declared.
    """
    if isinstance(values, dict):
        inner = list(values.values())
        columns = {
            str(name): [str(cell) for cell in value] for name, value in values.items() if isinstance(value, list)
        }
        if columns and lists:
            yield columns
        yield {"": [str(name) for name in values]}
    elif isinstance(values, list):
        inner = values
        if lists and len(values) > LONGEST_LIST and all(isinstance(value, int | float) for value in values):
            yield {"age": [str(value) for value in values]}  # nobody says of what
    else:
        return
    rows = [value for value in inner if isinstance(value, dict)]
    if len(rows) > 1 and len(rows) == len(inner) and all(row.keys() == rows[0].keys() for row in rows):
        yield {str(name): [str(row[name]) for row in rows] for name in rows[0]}
    for value in inner:
        yield from tables_of(value, lists)
