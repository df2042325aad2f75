"""Rows that a comma without quotes has shifted: read with the comma inside a cell, where the other rows tell which.

A column whose cells are dates or numbers in the other rows holds nothing else in this one. Of the cells that the comma
may have been in, those stay that this leaves; where several do, the cells in which they differ are empty.
"""

import re
from collections.abc import Sequence

from ldae.core.keys import PTID

KINDS = (
    re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ].*)?"),  # a date
    re.compile(r"[<>+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"),  # a number
    PTID,
)
LOOKED_AT = 200  # rows by which a column is known
FEWEST = 3  # columns of a kind, without which nothing is told


def kinds_of_columns(rows: Sequence[Sequence[str]], width: int) -> list[re.Pattern[str] | None]:
    """What all cells of each column are that are not empty; None: any text."""
    kinds: list[re.Pattern[str] | None] = []
    for column in range(width):
        cells = [row[column] for row in rows if row[column]]
        kinds.append(next((kind for kind in KINDS if cells and all(map(kind.fullmatch, cells))), None))
    return kinds


def mended_row(row: Sequence[str], kinds: Sequence[re.Pattern[str] | None], delimiter: str) -> list[str] | None:
    """The row with as many cells as there are columns; None where nothing tells which cells belong together."""
    more = len(row) - len(kinds)
    if sum(kind is not None for kind in kinds) < FEWEST:
        return None
    found = []
    for place in range(len(kinds)):
        joined = f"{delimiter} ".join(row[place : place + more + 1])
        cells = [*row[:place], joined, *row[place + more + 1 :]]
        if fits(cells, kinds):
            found.append(cells)
    if not found:
        return None
    return [cells[0] if len(set(cells)) == 1 else "" for cells in zip(*found, strict=True)]


def mend_shifted(rows: list[list[str]], width: int, delimiter: str) -> tuple[list[int], list[int]]:
    """Mend the rows of a table with ``width`` columns that are too long, in place.

    Returns:
        Places of the rows that were mended, and of those that were not and stay as they are.
    """
    long = [place for place, row in enumerate(rows) if len(row) > width]
    if not long:
        return [], []
    plain = [row for row in rows if len(row) == width or (len(row) > width and not any(row[width:]))][:LOOKED_AT]
    kinds = kinds_of_columns([row for row in plain if len(row) == width] or plain, width)
    mended, left = [], []
    for place in long:
        row = rows[place]
        if not any(row[width:]) and fits(row[:width], kinds):
            continue  # blank cells at the end, as some programs write them
        better, end = None, len(row)
        while better is None and end > width:
            better = mended_row(row[:end], kinds, delimiter)
            end = end - 1 if not row[end - 1] else width
        if better is not None:
            rows[place] = better
            mended.append(place)
        elif any(row[width:]):
            left.append(place)
    return mended, left


def fits(cells: Sequence[str], kinds: Sequence[re.Pattern[str] | None]) -> bool:
    """Whether each cell is what its column holds, or empty."""
    return all(not cell or kind is None or kind.fullmatch(cell) for cell, kind in zip(cells, kinds, strict=True))
