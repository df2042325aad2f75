"""Estimates in the report: the numbers that a reader asks for first (headline.json, cards at its head), and tables.

Tables hold words only, escaped; plain ones, and estimates read from the studies' long tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from ldae.core.contamination import MARK, read_contamination
from ldae.core.files import read_tsv
from ldae.studies.common.chance import CHANCE
from ldae.studies.common.estimate_panels import MINUS, brief_estimate, metric_label
from ldae.studies.common.method_styles import Method, in_html, present
from ldae.studies.common.paper_tables import row_subjects
from ldae.studies.common.statistics import FEW_NOTE, FEW_PER_CLASS, FEW_SUBJECTS
from ldae.studies.common.study import Card, Estimates
from ldae.studies.registry import STUDIES, cards

DAGGER = "\N{DAGGER}"
FEW_WORDS = f"{DAGGER} {FEW_NOTE}: fewer than {FEW_SUBJECTS} subjects, or than {FEW_PER_CLASS} of a class"


@dataclass(frozen=True)
class SetTable:
    """A table ready to be set: words only, with the columns that are flush right."""

    head: list[Markup]
    rows: list[list[Markup]]
    numeric: list[bool]
    notes: list[str]


def plain_table(table: pd.DataFrame, numbers: bool = False) -> SetTable:
    """Any small table, as it is.

    Args:
        numbers: every column but the first is set flush right; otherwise those whose type is a number.
    """
    numeric = [
        place > 0 if numbers else pd.api.types.is_numeric_dtype(table.iloc[:, place]) for place in range(table.shape[1])
    ]
    rows = [[Markup(escape(_plain(value))) for value in row] for row in table.itertuples(index=False)]
    return SetTable([Markup(escape(str(name).replace("_", " "))) for name in table.columns], rows, numeric, [])


def without_unavailable(table: SetTable) -> SetTable:
    """Columns that hold n/a in every row, with a reason, make room: a note below the table names them with it. An empty
    column of notes goes without a word."""
    columns = list(zip(*table.rows, strict=True)) if len(table.rows) > 1 else []
    empty = [place for place, cells in enumerate(columns) if all(cell.startswith("n/a") for cell in cells)]
    reasons = {place: reason for place in empty if (reason := max(columns[place], key=len)) != "n/a"}
    gone = {*reasons, *(place for place in empty if table.head[place] == "note")}
    kept = [place for place in range(len(table.head)) if place not in gone]
    notes = [f"{table.head[place]}: {reason}" for place, reason in reasons.items()]
    return SetTable(
        [table.head[place] for place in kept],
        [[row[place] for place in kept] for row in table.rows],
        [table.numeric[place] for place in kept],
        [*table.notes, *notes],
    )


def _plain(value: object) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def row_of(table: pd.DataFrame, method: str | None, metric: str) -> pd.Series | None:
    """The line of a long table for one method and metric; None where it has none."""
    rows = table[(table["method"] == method) & (table["metric"] == metric)]
    return None if rows.empty else rows.iloc[0]


def note_of(row: pd.Series) -> str:
    """What is to be said of an estimate, such as "too few"; empty where nothing is."""
    return row["note"] if isinstance(row["note"], str) else ""


def estimate_text(row: pd.Series) -> str:
    """``0.873 [0.861, 0.884]``."""
    return brief_estimate(float(row["value"]), float(row["low"]), float(row["high"]))


def split_estimate(row: pd.Series) -> tuple[str, str]:
    """The number, and its interval in brackets (empty where there is none)."""
    number, _, interval = estimate_text(row).partition(" ")
    return number, interval


def estimates_table(path: Path, shown: Estimates) -> SetTable | None:
    """Methods down, metrics across, each cell value and interval; nothing when the study was not run.

    Below a number stand the paper's, where there is one, and what is read by chance, where the long table says so.
    Metrics without any row are left out; reasons for ``n/a`` and "too few" become notes below the table.

    Args:
        path: the long table.
    """
    if not path.is_file():
        return None
    table = read_tsv(path)
    table = table[table["metric"].isin(shown.metrics)]
    columns = _columns(table, shown)
    if not columns:
        return None
    names = table["method"]
    methods = _differences(shown.methods, names) if names.str.contains("-").all() else present(shown.methods, names)
    rows = []
    for name, method in methods.items():
        subjects = row_subjects(table[table["method"] == name])
        found = [(column, row_of(column.rows, name, column.metric)) for column in columns]
        cells = [_with_beside(row, subjects, shown.published.get((name, column.metric))) for column, row in found]
        rows.append([in_html(method.label), *cells, Markup(str(subjects or ""))])
    head = [Markup(escape(shown.first)), *(column.head for column in columns), Markup("subjects")]
    notes = table["note"].dropna().astype(str).replace(FEW_NOTE, FEW_WORDS)
    return SetTable(head, rows, [False] + [True] * (len(columns) + 1), sorted(set(notes)))


@dataclass(frozen=True)
class Column:
    """A column of estimates: one metric, or one metric at one value of what goes across."""

    head: Markup
    metric: str
    rows: pd.DataFrame


def _columns(table: pd.DataFrame, shown: Estimates) -> list[Column]:
    columns = []
    for metric in shown.metrics:
        rows = table[table["metric"] == metric]
        label = in_html(metric_label(metric))
        if not shown.across:
            columns += [Column(label, metric, rows)] if len(rows) else []
            continue
        for value, own in rows.groupby(shown.across):
            words = Markup(escape(shown.across_words.format(value if isinstance(value, str) else f"{value:g}")))
            columns.append(Column(words if len(shown.metrics) == 1 else label + ": " + words, metric, own))
    return columns


def _differences(known: Mapping[str, Method], names: pd.Series) -> dict[str, Method]:
    """Pairs ``a-b`` of methods under the methods' own labels, in the table's order."""
    labels = {name: method.label for name, method in known.items()}
    pairs = {name: [labels.get(part, part.replace("_", " ")) for part in name.split("-", 1)] for name in names.unique()}
    return {name: Method(f" {MINUS} ".join(parts), "") for name, parts in pairs.items()}


def _with_beside(row: pd.Series | None, subjects: int, number: str | None) -> Markup:
    beside = Markup("") if number is None else Markup('<br><span class="paper">paper {}</span>').format(number)
    if row is not None and pd.notna(row["value"]) and pd.notna(row.get("chance")):
        words = brief_estimate(*(float(row[name]) for name in CHANCE[:3]))
        beside += Markup('<br><span class="paper">chance {}, p = {:.2g}</span>').format(words, float(row["chance_p"]))
    return cell(row, subjects) + beside


def cell(row: pd.Series | None, subjects: int) -> Markup:
    """Value and interval, and how many subjects they rest on where these are not the ``subjects`` beside it; a dagger
    where they are too few."""
    if row is None or pd.isna(row["value"]):
        return Markup('<span class="missing">n/a</span>')
    number, interval = split_estimate(row)
    words = [interval] if interval else []
    words += [f"(n = {count_of(row)})"] if count_of(row) != subjects else []
    words += [DAGGER] if note_of(row) == FEW_NOTE else []
    return Markup('{} <span class="interval">{}</span>').format(number, " ".join(words))


def count_of(row: pd.Series) -> int:
    """How many subjects an estimate rests on."""
    return int(row["n_subjects"]) if pd.notna(row["n_subjects"]) else 0


def assemble_headline(
    evaluate: Path, config_digest: str, data: str, not_run: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Key -> {value, low, high, n_subjects} or {value: None, reason}, plus ``config_digest`` and ``data``; where the
    networks may have seen the test subjects, every note says so, and ``contaminated`` why.

    Args:
        evaluate: folder with the results of the studies.
        data: ``phantom`` or ``adni``. A phantom's numbers say that the chain works, nothing about patients.
        not_run: study -> why this configuration cannot have it.
    """
    headline: dict[str, Any] = {}
    tables: dict[str, pd.DataFrame | None] = {}
    for study in STUDIES:
        reason = (not_run or {}).get(study.name, "the study was not run")
        for number in study.headline:
            if number.source not in tables:
                tables[number.source] = _read(evaluate / number.source)
            found = _number(tables[number.source], number.method, number.metric, reason)
            headline[number.key] = _turned(found) if number.turned else found
    seen = read_contamination(evaluate)
    if seen:
        headline = {key: _marked(number) for key, number in headline.items()} | {MARK: seen}
    return headline | {"config_digest": config_digest, "data": data}


def _marked(number: dict[str, Any]) -> dict[str, Any]:
    """A number of networks that may have seen the test subjects."""
    if number["value"] is None:
        return number
    return number | {"note": ", ".join([*([number["note"]] if "note" in number else []), MARK])}


def _read(path: Path) -> pd.DataFrame | None:
    return read_tsv(path) if path.is_file() else None


def _number(table: pd.DataFrame | None, method: str, metric: str, reason: str) -> dict[str, Any]:
    if table is None:
        return {"value": None, "reason": reason}
    found = table[(table["method"] == method) & (table["metric"] == metric)]
    if found.empty:
        return {"value": None, "reason": f"no {method} in this run"}
    line = found.iloc[0]
    note = line["note"] if isinstance(line["note"], str) else None
    if pd.isna(line["value"]):
        return {"value": None, "reason": note or "not computed"}
    bounds = {name: None if pd.isna(line[name]) else float(line[name]) for name in ("low", "high")}
    number = {"value": float(line["value"]), **bounds, "n_subjects": int(line["n_subjects"])}
    return number | ({"note": note} if note else {})


def _turned(number: dict[str, Any]) -> dict[str, Any]:
    """The difference the other way round."""
    if number["value"] is None:
        return number
    low, high = (None if number[name] is None else 0.0 - number[name] for name in ("high", "low"))
    return number | {"value": 0.0 - number["value"], "low": low, "high": high}


@dataclass(frozen=True)
class SetCard:
    """One number at the head of the report as it is set, with what to compare it to."""

    label: Markup
    value: str
    interval: str
    subjects: int
    note: str
    compare: Markup


def headline_cards(evaluate: Path) -> list[SetCard]:
    """The headline numbers of the studies that were run; a number that could not be computed keeps its reason."""
    seen = read_contamination(evaluate) is not None
    found = [found for card in cards(STUDIES) if (found := _set(evaluate, card)) is not None]
    return [replace(card, note=", ".join(filter(None, [card.note, MARK]))) if seen else card for card in found]


def _set(evaluate: Path, card: Card) -> SetCard | None:
    table = _read(evaluate / card.source)
    if table is None:
        return None
    for metric in card.metrics:
        row = row_of(table, card.method, metric)
        if row is not None and (pd.notna(row["value"]) or metric == card.metrics[-1]):
            value, interval = split_estimate(row)
            rival = row_of(table, card.rival, card.rival_metric or metric) if card.rival else None
            compare = (
                Markup("")
                if rival is None
                else Markup("{}: {}").format(in_html(card.rival_label), cell(rival, count_of(row)))
            )
            return SetCard(in_html(card.label), value, interval, count_of(row), note_of(row), compare)
    return None
