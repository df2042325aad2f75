"""What a table that leaves may hold: declared columns, rows about methods and groups, numbers that count their people.

The record of a study declares the columns of its public tables (:class:`ldae.studies.common.study.Table`); those of
estimates and those that are named like a metric need no declaration. This look does not rely on what wrote the tables:
it reads them as they lie there, in each of their forms.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.core.contamination import MARK
from ldae.core.formulas import as_given
from ldae.report.external import COLUMNS as EXTERNAL_COLUMNS
from ldae.report.few_subjects import (
    COUNTS,
    KEYS,
    OF_OTHERS,
    TOTAL,
    counting,
    splits_few,
    table_without_few,
    without_few,
)
from ldae.report.glossary import METHODS, explain
from ldae.report.identifiers import numbered
from ldae.studies.cohort.table import CLASSES
from ldae.studies.common.paper_tables import LATEX_ESCAPES
from ldae.studies.common.statistics import ESTIMATE_COLUMNS
from ldae.studies.common.study import Figure, Study, Table
from ldae.studies.registry import STUDIES

EXTERNAL = "external"  # the table beside a frozen model's own results: aggregates
ALWAYS = {"method", "metric", *ESTIMATE_COLUMNS, "subjects", "n_training_seeds", "mark"}
ABOUT = ("method", "metric")
NAMED = ("method", "rival", "edit", "compared_with", "kind")  # keys that name a method
GROUPS = {*CLASSES, TOTAL, "n/a"}
CELL = re.compile(r"(?:n/a\b|<\d+$|[-+\N{MINUS SIGN}]?(?:\d|inf\b|nan\b)).{0,200}", re.DOTALL)  # a number, or why none
LEVELS = 40  # of a key: gaps in months, shares of the labels, numbers of steps
NUMBERS, MANY_NUMBERS = re.compile(r"\d+(?:\.\d+)?"), 15  # in one cell of words
BOUNDS = {"value", "low", "high"}
LATEX_RULES = re.compile(r"\\(?:begin|end)\{tabular\}(?:\{[lr]*\})?|\\(?:top|mid|bottom)rule")
UNESCAPED = {text: sign for sign, text in LATEX_ESCAPES.items()}
DO = "no more than aggregates leaves, so take it away, or, if it is one, "


@dataclass(frozen=True)
class Declared:
    """What the record of a study says of one public table."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    record: str
    study: Study | None = None
    item: Figure | Table | None = None

    @property
    def counted(self) -> bool:
        """Whether its numbers rest on people."""
        return self.item is not None and self.item.counted

    @property
    def on_splits(self) -> bool:
        """Whether all of it rests on whole splits, whatever its rows count."""
        return self.study is not None and bool(self.study.splits)

    def has(self, column: str) -> bool:
        """Whether a column may stand in it."""
        plain = column.removesuffix("_published")
        return column in {*ALWAYS, *self.keys, *self.columns} or plain in self.columns or explain(plain) is not None


def declared(kind: str, name: str) -> Declared | None:
    """Of ``tables`` or ``figures``, by the stem of its files; none: nobody declares it."""
    if (kind, name) == ("tables", EXTERNAL):
        return Declared(("quantity", "basis"), tuple(EXTERNAL_COLUMNS), "report/external.py")
    for study in STUDIES:
        for item in study.tables if kind == "tables" else study.figures:
            if item.name == name and item.public:
                return Declared(item.keys, item.columns, f"studies/{study.name}/record.py", study, item)
    return None


def fault_of_tables(
    folder: Path, given: Collection[str], fewest: int, splits: Mapping[str, int]
) -> tuple[Path, str] | None:
    """The first table below ``tables`` and ``figures`` of a bundle that must not leave, and why not.

    Args:
        given: names of codes that the user gave to the arena: a row may be about one.
        fewest: subjects that a number must rest on; 0: the cohort is a phantom.
        splits: how many subjects each has.
    """
    for kind in ("tables", "figures"):
        for path in sorted((folder / kind).glob("*.*")):
            plan = declared(kind, path.stem)
            if path.suffix not in READ or plan is None:
                continue
            found = READ[path.suffix](path.read_text(encoding="utf-8"))
            fault = (
                found if isinstance(found, str) else fault_of(found, plan, given) or few(found, plan, fewest, splits)
            )
            if fault is None and path.suffix != ".tsv":
                fault = beside(found, path.with_suffix(".tsv"))
            if fault:
                return path, fault
    return None


def fault_of(table: pd.DataFrame, plan: Declared, given: Collection[str]) -> str | None:
    """What a table must not hold: undeclared columns, rows that are no method's or group's, words for numbers."""
    if list(table) == ["reason"]:  # a figure that could not be drawn
        return None if len(table) == 1 and few_numbers(table.iat[0, 0]) else "more than one reason"
    if odd := [str(name) for name in table if not plan.has(str(name))]:
        return f"the column {odd[0]!r}, which nobody declares: {DO}name it in {plan.record}"
    if len(set(table)) < table.shape[1]:
        return "two columns of one name"
    keys = [name for name in (*ABOUT, *plan.keys) if name in table]
    numbers = table.drop(columns=keys)
    filled = table[~numbers.isin(["n/a", ""]).all(axis=1)]  # a sentence that nothing was compared is no row
    if not keys and len(table) > 1:
        return f"rows about nobody knows what: {DO}name what they are about in {plan.record}"
    if len(filled) > 1 and filled.duplicated(keys).any():
        return f"several rows for one {', '.join(keys)}, as one for each person or scan would be"
    return fault_of_keys(filled[keys], plan, given) or fault_of_numbers(filled, plan, keys)


def fault_of_keys(keys: pd.DataFrame, plan: Declared, given: Collection[str]) -> str | None:
    """A row about something that is neither a method, a metric nor a group."""
    known = {*given, "n/a", "", *(name for methods in METHODS.values() for name in methods)}
    for column in keys:
        cells = keys[column]
        if column in NAMED and plan.counted:
            pairs = [(cell, str(cell).split("-")) for cell in cells if cell not in known]
            odd = [cell for cell, parts in pairs if len(parts) != 2 or not known.issuperset(parts)]
        elif column == "metric" and plan.counted and not plan.on_splits:
            odd = [cell for cell in cells if cell not in ("n/a", "") and explain(str(cell)) is None]
        elif column == "diagnosis":
            odd = [cell for cell in cells if cell not in GROUPS]
        else:
            odd = numbered(cells)
            if plan.counted and not plan.on_splits and cells.nunique() > LEVELS:
                return f"more than {LEVELS} kinds of {column!r}, as one for each person or scan would be"
        if odd:
            what = f"a row about {odd[0]!r} in the column {column!r}"
            return f"{what}, which no study explains: {DO}say in {plan.record} what it is"
    return None


def fault_of_numbers(table: pd.DataFrame, plan: Declared, keys: Iterable[str]) -> str | None:
    """Words where a number is expected, and numbers of which nobody says on how many people they rest."""
    measured = [str(name) for name in table if name not in keys and (name in BOUNDS or explain(str(name)) is not None)]
    for column in measured:
        odd = [cell for cell in table[column] if cell and not CELL.fullmatch(cell)]
        if odd:
            return f"{odd[0][:40]!r} in the column {column!r}, which holds numbers"
    for column in table.columns.difference([*measured, *keys], sort=False):
        odd = [cell for cell in table[column] if not few_numbers(cell)]
        if odd:
            return f"{len(NUMBERS.findall(odd[0]))} numbers in one cell of the column {column!r}"
    counts = [name for name in table if COUNTS.fullmatch(str(name)) or name == "n_subjects"]
    if plan.counted and not plan.on_splits and not counts and len(table):
        return "numbers of which nobody says on how many people they rest (a column subjects or n_subjects)"
    return None


def few_numbers(words: str) -> bool:
    """Whether words are not a list of numbers."""
    return len(NUMBERS.findall(words)) <= MANY_NUMBERS


def few(table: pd.DataFrame, plan: Declared, fewest: int, splits: Mapping[str, int]) -> str | None:
    """Numbers of few subjects: what :mod:`ldae.report.few_subjects` would leave out has to be gone already."""
    if fewest == 0 or list(table) == ["reason"] or not (plan.counted or plan.item is None):
        return None
    on_splits = splits_few(plan.study, splits, fewest) if plan.study else None
    if "n_subjects" in table:
        read = table.replace(["n/a", ""], None)
        for name in {"n_subjects", "value"} & set(read):
            if odd := [cell for cell in read[name].dropna() if not CELL.fullmatch(cell) or not _is_number(cell)]:
                return f"{odd[0][:40]!r} in the column {name!r}, which holds numbers"
        numbers = read.assign(**{name: pd.to_numeric(read[name]) for name in ("n_subjects", "value") if name in read})
        left = without_few(numbers, fewest, bool(on_splits))
        same = left["value"].isna().equals(numbers["value"].isna()) if "value" in left else True
    elif isinstance(plan.item, Figure):
        return None  # learning curves: of whole splits
    else:
        by = counting(plan.item) if plan.item else None
        left = table_without_few(table, fewest, by, on_splits)
        same = left.equals(table.astype(object))
        if on_splits is None and (nobody := _of_nobody(table, plan, by)):
            return nobody
    return None if same else f"numbers of fewer than {fewest} subjects"


def _of_nobody(table: pd.DataFrame, plan: Declared, by: Callable[[str], str] | None) -> str | None:
    """Numbers beside a count that is none, or 0: nobody says that they rest on many."""
    counts = [str(name) for name in table if COUNTS.fullmatch(str(name)) and not OF_OTHERS.fullmatch(str(name))]
    unknown = table[counts].apply(pd.to_numeric, errors="coerce").fillna(0).le(0)
    unknown &= ~table[counts].apply(lambda cells: cells.str.startswith("<"))
    for column in map(str, table):
        if column in {*KEYS, *ALWAYS, *plan.keys, *counts} - {"estimate"} or OF_OTHERS.fullmatch(column):
            continue
        own = [by(column)] if by and by(column) in counts else counts
        filled = table[column].str.contains(r"\d") & ~table[column].str.startswith("n/a")
        filled &= table[column] != "0"  # no scan of nobody
        if counts and (unknown[own].all(axis=1) & filled).any():
            return f"numbers in the column {column!r} that rest on 0 subjects, or on nobody knows how many"
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def beside(table: pd.DataFrame, path: Path) -> str | None:
    """Whether another form of a table is one of the table that lies beside it."""
    if not path.is_file():
        return f"a table without {path.name} beside it"
    own = READ[".tsv"](path.read_text(encoding="utf-8"))
    if isinstance(own, str) or list(own) != list(table) or len(own) != len(table):
        return f"another table than {path.name}"
    return None


def tab_separated(text: str) -> pd.DataFrame | str:
    """Cells as they stand."""
    return _table(list(csv.reader(text.splitlines(), delimiter="\t")))


def markdown(text: str) -> pd.DataFrame | str:
    """The pipe table of a file that holds nothing else, but for the sentence of a contaminated run."""
    lines = text.splitlines()
    beyond = [line for line in lines if line and not line.startswith("|")]
    if odd := [line for line in beyond if not (line.startswith(MARK.capitalize()) and few_numbers(line))]:
        return f"{odd[0][:40]!r} beside its table"
    cells = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in lines if line.startswith("|")]
    rows = [[cell.strip().replace("\\|", "|").replace("&lt;", "<") for cell in row] for row in cells]
    return _table([rows[0], *rows[2:]] if len(rows) > 1 else [])


def latex(text: str) -> pd.DataFrame | str:
    """The ``tabular`` of a file that holds nothing else."""
    rows, signs = [], re.compile("|".join(sorted(map(re.escape, UNESCAPED), key=len, reverse=True)))
    for line in text.splitlines():
        if LATEX_RULES.fullmatch(line) or (line.startswith(f"% {MARK.capitalize()}") and few_numbers(line)):
            continue
        if not line.endswith(r" \\"):
            return f"{line[:40]!r} beside its table"
        cells = line.removesuffix(r" \\").split(" & ")
        if "\\" in (left := signs.sub("", line.removesuffix(r" \\"))):
            return f"LaTeX of its own ({left[left.index(chr(92)) :][:40]!r})"
        rows.append([signs.sub(lambda found: UNESCAPED[found.group()], cell) for cell in cells])
    return _table(rows)


def _table(rows: list[list[str]]) -> pd.DataFrame | str:
    if not rows or not rows[0]:
        return "no table"
    if any(len(row) != len(rows[0]) for row in rows):
        return "rows that are longer or shorter than its head"
    given = [[as_given(cell) for cell in row] for row in rows]
    return pd.DataFrame(given[1:], columns=given[0], dtype=str)


READ = {".tsv": tab_separated, ".md": markdown, ".tex": latex}
