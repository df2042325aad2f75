"""Tables of the paper in three forms: TSV for machines, Markdown for reading, LaTeX for a manuscript."""

from pathlib import Path

import pandas as pd

from ldae.core.files import write_text, write_tsv

LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\N{MINUS SIGN}": "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$",
}  # fmt: skip


def write_table(table: pd.DataFrame, stem: str | Path) -> None:
    """Write ``stem.tsv``, ``stem.md`` and ``stem.tex``; missing cells are ``n/a`` in all three."""
    words = table.map(cell_text).rename(columns=str)
    write_tsv(f"{stem}.tsv", table)
    write_text(f"{stem}.md", to_markdown(words, numeric_columns(table)))
    write_text(f"{stem}.tex", to_latex(words, numeric_columns(table)))


def cell_text(value: object) -> str:
    """A cell in words: floats with 4 significant digits, missing as ``n/a``."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """Which columns hold numbers, and are set flush right."""
    return [pd.api.types.is_numeric_dtype(table.iloc[:, place]) for place in range(table.shape[1])]


def to_markdown(words: pd.DataFrame, numeric: list[bool]) -> str:
    """A pipe table with padded columns, so that the source reads like the table."""
    cells = [list(words.columns), *words.to_numpy().tolist()]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    widths = [max(3, *(len(row[place]) for row in cells)) for place in range(words.shape[1])]
    lines = [_markdown_row(row, widths, numeric) for row in cells]
    rule = [("-" * (width - 1) + ":") if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    return "\n".join([lines[0], _markdown_row(rule, widths, numeric), *lines[1:]]) + "\n"


def to_latex(words: pd.DataFrame, numeric: list[bool]) -> str:
    """A ``tabular`` with booktabs rules."""
    columns = "".join("r" if right else "l" for right in numeric)
    rows = [" & ".join(_escape(cell) for cell in row) + r" \\" for row in words.to_numpy().tolist()]
    head = " & ".join(_escape(name) for name in words.columns) + r" \\"
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(row: list[str], widths: list[int], numeric: list[bool]) -> str:
    cells = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(row, widths, numeric, strict=True)
    ]
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)
