"""The paper's tables: estimates with intervals in words, the published number beside them; written in three forms.

TSV is for machines, Markdown for reading, LaTeX for a manuscript.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ldae.core.contamination import MARK, contamination_of
from ldae.core.files import read_tsv, write_text, write_tsv
from ldae.core.formulas import inert
from ldae.studies.common.statistics import FEW_NOTE

LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\N{MINUS SIGN}": "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$",
}  # fmt: skip
TAG = re.compile(r"<(?=[A-Za-z/!?])")
WIDEST = 80  # signs of a column in Markdown; ldae.report.leaving takes a long rule of dashes for something encoded
TRAINING_SEEDS = 1  # the workflow trains every network once, with the configuration's one seed
SEEDS_SENTENCE = (
    "Every network was trained once (n_training_seeds = 1): the intervals are over subjects and do not cover how the "
    "numbers would vary between trainings."
)


def write_table(table: pd.DataFrame, stem: str | Path, on_test_scans: bool = True) -> None:
    """Write ``stem.tsv``, ``stem.md`` and ``stem.tex``; missing cells are ``n/a`` in all three.

    Words that came from somebody's tables stay words in all three: a spreadsheet computes nothing, a page runs nothing.

    Args:
        on_test_scans: its numbers are of trained networks on test scans. Where they may have seen these, a column says
            so in every row, and a sentence why.
    """
    seen = contamination_of(stem) if on_test_scans else None
    table = table.assign(mark=MARK) if seen else table
    words = table.map(lambda cell: inert(cell_text(cell))).rename(columns=lambda name: inert(str(name)))
    write_tsv(f"{stem}.tsv", table)
    below, comment = (f"\n{MARK.capitalize()}. {seen}\n", f"% {MARK.capitalize()}. {seen}\n") if seen else ("", "")
    write_text(f"{stem}.md", to_markdown(words, numeric_columns(table)) + below)
    write_text(f"{stem}.tex", to_latex(words, numeric_columns(table)) + comment)


def cell_text(value: object) -> str:
    """A cell in words: floats with 4 significant digits, missing as ``n/a``."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """Which columns hold numbers, and are set flush right."""
    return [pd.api.types.is_numeric_dtype(table.iloc[:, place]) for place in range(table.shape[1])]


def to_markdown(words: pd.DataFrame, numeric: list[bool]) -> str:
    """A pipe table with padded columns, so that the source reads like the table; long notes stand out of theirs."""
    cells = [list(words.columns), *words.to_numpy().tolist()]
    cells = [[TAG.sub("&lt;", cell.replace("|", "\\|")) for cell in row] for row in cells]
    widths = [min(WIDEST, max(3, *(len(row[place]) for row in cells))) for place in range(words.shape[1])]
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


if TYPE_CHECKING:  # not at run time: a measurement that formats numbers is not made again for words of a record
    from ldae.studies.common.study import PaperTable


def paper_table(plan: "PaperTable", evaluate: Path) -> pd.DataFrame:
    """One row per method: for each metric ``value [low, high]``, and the paper's number if there is one.

    The numbers themselves stand in the study's ``summary.tsv``.

    Args:
        plan: which estimates, from the study's record.
        evaluate: folder of the studies' results.
    """
    estimates = read_tsv(evaluate / plan.source)
    rows = []
    for method, group in estimates.groupby("method", sort=False):
        lines = group.set_index("metric")
        lines = lines.loc[[metric for metric in plan.metrics if metric in lines.index]]
        subjects, cells = estimate_cells(lines)
        row: dict[str, object] = {"method": method, "subjects": subjects, "n_training_seeds": TRAINING_SEEDS} | cells
        known = {metric: plan.published[method, metric] for metric in cells if (method, metric) in plan.published}
        row |= {f"{metric}_published": text for metric, text in known.items()}
        rows.append(row | {"note": few_words(lines)})
    table = pd.DataFrame(rows)
    shown = [f"{metric}{suffix}" for metric in plan.metrics for suffix in ("", "_published")]
    order = ["method", "subjects", "n_training_seeds", *shown, "note"]
    return table[[column for column in order if column in table]]


def table_of_differences(
    lines: pd.DataFrame, first: str, judged: Callable[[pd.Series], str], **before: pd.Series
) -> pd.DataFrame:
    """One row per comparison: the difference ``value [low, high]``, and what it says of the first.

    Args:
        lines: estimates of differences, ``a-b``, with ``p_holm``.
        first: what the first of both is, the name of its column.
        judged: what a line says of the first.
        before: columns that stand before.
    """
    sides = lines["method"].str.split("-", n=1, expand=True)
    return pd.DataFrame(
        before
        | {
            first: sides[0],
            "compared_with": sides[1],
            "metric": lines["metric"],
            "difference": [format_estimate(line) for _, line in lines.iterrows()],
            "verdict": [judged(line) for _, line in lines.iterrows()],
            "p_holm": lines["p_holm"],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
        }
    )


def estimate_cells(lines: pd.DataFrame) -> tuple[int, dict[str, str]]:
    """How many subjects the numbers of a row rest on, and the cells; a cell that rests on fewer says on how many.

    Args:
        lines: the estimates that are shown in one row, by metric. Those without a value rest on nobody.
    """
    subjects = row_subjects(lines)
    return subjects, {str(metric): format_estimate(line, subjects) for metric, line in lines.iterrows()}


def few_words(lines: pd.DataFrame) -> str:
    """``too few``, with the metrics where only some of a row's estimates rest on too few; empty where none does."""
    known = lines[lines["value"].notna()]
    few = known.index[known["note"] == FEW_NOTE]
    return "" if few.empty else FEW_NOTE if len(few) == len(known) else f"{FEW_NOTE}: {', '.join(map(str, few))}"


def row_subjects(lines: pd.DataFrame) -> int:
    """The largest number of subjects that any of these estimates rests on; 0 where none has a value."""
    counts = lines.loc[lines["value"].notna(), "n_subjects"]
    return int(counts.max()) if len(counts) else 0


def format_estimate(line: pd.Series, subjects: int | None = None) -> str:
    """``0.873 [0.861, 0.884]``, or ``n/a (reason)``; two decimals from 10 on, four significant digits below 0.01.

    Args:
        subjects: the number that stands beside it; an estimate of other subjects ends with its own, ``(n = 23)``.
    """
    note = line["note"] if isinstance(line["note"], str) else None
    if pd.isna(line["value"]):
        return f"n/a ({note})" if note else "n/a"
    text = _number(line["value"])
    if not pd.isna(line["low"]):
        text += f" [{_number(line['low'])}, {_number(line['high'])}]"
    if subjects is not None and int(line["n_subjects"]) != subjects:
        text += f" (n = {int(line['n_subjects'])})"
    return text if note in (None, FEW_NOTE) else f"{text} ({note})"


def _number(value: float) -> str:
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.4g}"


def printed_decimals(value: float) -> int:
    """Decimals that :func:`format_estimate` prints of a value."""
    if abs(value) >= 10:
        return 2
    return 3 if abs(value) >= 0.01 or value == 0 else 3 - math.floor(math.log10(abs(value)))
