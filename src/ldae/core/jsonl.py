"""Tables of a running training, one JSON object per line with its ``step``."""

import json
from pathlib import Path
from typing import Any

from ldae.core.files import write_text


def append_row(path: Path, row: dict[str, Any]) -> None:
    """One more line."""
    with open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All whole lines; one that a kill has cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def rewind_rows(path: Path, step: int) -> list[dict[str, Any]]:
    """Drop the lines after ``step``, which a continued run writes again; returns those that stay."""
    rows = [row for row in read_rows(path) if row["step"] <= step]
    if path.is_file():
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows
