"""Tables of estimates for the report, read from the evaluation's long tables."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from markupsafe import Markup, escape

from ldae.core.files import read_tsv
from ldae.report.plain_tables import Table, in_html
from ldae.studies.common.estimate_panels import METRIC_LABELS, MINUS, format_estimate
from ldae.studies.common.method_styles import Method, present
from ldae.studies.common.paper_tables import row_subjects

Published = Mapping[tuple[str, str], str]


def row_of(table: pd.DataFrame, method: str | None, metric: str) -> pd.Series | None:
    rows = table[(table["method"] == method) & (table["metric"] == metric)]
    return None if rows.empty else rows.iloc[0]


def note_of(row: pd.Series) -> str:
    return row["note"] if isinstance(row["note"], str) else ""


def estimate_text(row: pd.Series) -> str:
    """``0.873 [0.861, 0.884]``."""
    return format_estimate(float(row["value"]), float(row["low"]), float(row["high"]))


def split_estimate(row: pd.Series) -> tuple[str, str]:
    """The number, and its interval in brackets (empty where there is none)."""
    number, _, interval = estimate_text(row).partition(" ")
    return number, interval


def estimates_table(
    path: Path, metrics: list[str], known: dict[str, Method], first: str = "method", published: Published | None = None
) -> Table | None:
    """Methods down, metrics across, each cell value and interval; nothing when the study was not run.

    ``published`` holds the paper's number for some (method, metric), set below ours.
    Metrics without any row are left out; reasons for ``n/a`` and "too few" become notes below the table.
    """
    if not path.is_file():
        return None
    table = read_tsv(path)
    metrics = [metric for metric in metrics if (table["metric"] == metric).any()]
    if not metrics:
        return None
    names = table.loc[table["metric"].isin(metrics), "method"]
    methods = _differences(known, names) if names.str.contains("-").all() else present(known, names)
    rows = []
    for name, method in methods.items():
        subjects = row_subjects(table[(table["method"] == name) & table["metric"].isin(metrics)])
        found = {metric: row_of(table, name, metric) for metric in metrics}
        cells = [_with_paper(row, subjects, (published or {}).get((name, metric))) for metric, row in found.items()]
        rows.append([in_html(method.label), *cells, Markup(str(subjects or ""))])
    head = [Markup(escape(first)), *(in_html(metric_label(metric)) for metric in metrics), Markup("subjects")]
    notes = table.loc[table["metric"].isin(metrics), "note"].dropna().astype(str)
    return Table(head, rows, [False] + [True] * (len(metrics) + 1), sorted(set(notes)))


def _differences(known: dict[str, Method], names: pd.Series) -> dict[str, Method]:
    """Pairs ``a-b`` of methods under the methods' own labels, in the table's order."""
    labels = {name: method.label for name, method in known.items()}
    pairs = {name: [labels.get(part, part.replace("_", " ")) for part in name.split("-", 1)] for name in names.unique()}
    return {name: Method(f" {MINUS} ".join(parts), "") for name, parts in pairs.items()}


def _with_paper(row: pd.Series | None, subjects: int, number: str | None) -> Markup:
    beside = Markup("") if number is None else Markup('<br><span class="paper">paper {}</span>').format(number)
    return cell(row, subjects) + beside


def cell(row: pd.Series | None, subjects: int) -> Markup:
    """Value and interval, and how many subjects they rest on where these are not the ``subjects`` beside it."""
    if row is None or pd.isna(row["value"]):
        return Markup('<span class="missing">n/a</span>')
    number, interval = split_estimate(row)
    words = [interval] if interval else []
    words += [f"(n = {count_of(row)})"] if count_of(row) != subjects else []
    return Markup('{} <span class="interval">{}</span>').format(number, " ".join(words))


def count_of(row: pd.Series) -> int:
    """How many subjects an estimate rests on."""
    return int(row["n_subjects"]) if pd.notna(row["n_subjects"]) else 0


def metric_label(metric: str) -> str:
    """The words for a metric; an unknown one under its own name."""
    return METRIC_LABELS.get(metric, metric.replace("_", " "))
