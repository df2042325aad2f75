"""Headline numbers and tables of estimates for the report, read from the evaluation's long tables."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup, escape

from ldae.figures.estimates import METRIC_LABELS, format_estimate
from ldae.figures.methods import Method, present
from ldae.files import read_tsv


@dataclass(frozen=True)
class Card:
    """One headline number with what to compare it to."""

    label: Markup
    value: str
    interval: str
    subjects: int
    note: str
    compare: str


@dataclass(frozen=True)
class Wanted:
    """Where a headline number stands, and which method it is to be compared with."""

    study: str
    table: str
    method: str
    metrics: tuple[str, ...]
    label: str
    rival: str | None = None
    rival_label: str = ""


HEADLINES = (
    Wanted("probes", "summary", "ldae", ("auc_ad_cv",), "Diagnosis from y<sub>sem</sub>: AUC, AD against CN, cross-validated",
           "untrained_encoder", "untrained encoder"),
    Wanted("probes", "summary", "ldae", ("age_mae_cv",), "Age from y<sub>sem</sub>: mean absolute error in years, cross-validated",
           "mean_predictor", "mean age"),
    Wanted("reconstruction", "summary", "ldae_encoded", ("ssim_w11_brain",), "LDAE reconstruction: SSIM in the brain",
           "ae", "autoencoder alone, the ceiling"),
    Wanted("reconstruction", "summary", "ldae_noise", ("ssim_w11_brain",), "From y<sub>sem</sub> alone: SSIM in the brain",
           "ldae_shuffled_y", "with another subject's y_sem"),
    Wanted("reconstruction", "ventricles", "ldae_encoded", ("r_truth", "r_original"), "Ventricle volume after LDAE reconstruction: r",
           "ldae_noise", "from y_sem alone"),
    Wanted("interpolation", "summary", "ldae", ("ssim_w11_brain",), "Interpolated visit: SSIM in the brain",
           "copy_nearest", "copy of the nearest scan"),
    Wanted("manipulation", "summary", "probe", ("ventricle_ml_change_plus_ad",), "Moved towards AD: median change of ventricles in ml",
           "random", "random direction"),
)  # fmt: skip


def headline_cards(evaluate: Path) -> list[Card]:
    """The headline numbers of the studies that were run; a number that could not be computed keeps its reason."""
    return [card for wanted in HEADLINES if (card := _card(evaluate, wanted)) is not None]


def _card(evaluate: Path, wanted: Wanted) -> Card | None:
    path = evaluate / wanted.study / f"{wanted.table}.tsv"
    if not path.is_file():
        return None
    table = read_tsv(path)
    for metric in wanted.metrics:
        row = _row(table, wanted.method, metric)
        if row is not None and (pd.notna(row["value"]) or metric == wanted.metrics[-1]):
            value, interval = split_estimate(row)
            rival = _row(table, wanted.rival, metric) if wanted.rival else None
            compare = "" if rival is None else f"{wanted.rival_label}: {estimate_text(rival)}"
            return Card(Markup(wanted.label), value, interval, int(row["n_subjects"]), _note(row), compare)
    return None


def _row(table: pd.DataFrame, method: str | None, metric: str) -> pd.Series | None:
    rows = table[(table["method"] == method) & (table["metric"] == metric)]
    return None if rows.empty else rows.iloc[0]


def _note(row: pd.Series) -> str:
    return row["note"] if isinstance(row["note"], str) else ""


def estimate_text(row: pd.Series) -> str:
    """``0.873 [0.861, 0.884]``."""
    return format_estimate(float(row["value"]), float(row["low"]), float(row["high"]))


def split_estimate(row: pd.Series) -> tuple[str, str]:
    """The number, and its interval in brackets (empty where there is none)."""
    number, _, interval = estimate_text(row).partition(" ")
    return number, interval


@dataclass(frozen=True)
class Table:
    """A table ready to be set: words only, with the columns that are flush right."""

    head: list[Markup]
    rows: list[list[Markup]]
    numeric: list[bool]
    notes: list[str]


def estimates_table(path: Path, metrics: list[str], known: dict[str, Method], first: str = "method") -> Table | None:
    """Methods down, metrics across, each cell value and interval; nothing when the study was not run.

    Metrics without any row are left out; reasons for ``n/a`` and "too few" become notes below the table.
    """
    if not path.is_file():
        return None
    table = read_tsv(path)
    metrics = [metric for metric in metrics if (table["metric"] == metric).any()]
    if not metrics:
        return None
    methods = present(known, table.loc[table["metric"].isin(metrics), "method"])
    rows = [
        [in_html(method.label), *(_cell(_row(table, name, metric)) for metric in metrics), _subjects(table, name, metrics)]
        for name, method in methods.items()
    ]
    head = [Markup(escape(first)), *(in_html(metric_label(metric)) for metric in metrics), Markup("subjects")]
    notes = table.loc[table["metric"].isin(metrics), "note"].dropna().astype(str)
    return Table(head, rows, [False] + [True] * (len(metrics) + 1), sorted(set(notes)))


def _cell(row: pd.Series | None) -> Markup:
    if row is None or pd.isna(row["value"]):
        return Markup('<span class="missing">n/a</span>')
    number, interval = split_estimate(row)
    return Markup('{} <span class="interval">{}</span>').format(number, interval)


def _subjects(table: pd.DataFrame, method: str, metrics: list[str]) -> Markup:
    counts = table.loc[(table["method"] == method) & table["metric"].isin(metrics), "n_subjects"].dropna()
    if counts.empty:
        return Markup("")
    low, high = int(counts.min()), int(counts.max())
    return Markup(f"{low}" if low == high else f"{low}–{high}")


def metric_label(metric: str) -> str:
    """The words for a metric; an unknown one under its own name."""
    return METRIC_LABELS.get(metric, metric.replace("_", " "))


def plain_table(table: pd.DataFrame) -> Table:
    """Any small table, as it is."""
    numeric = [pd.api.types.is_numeric_dtype(table.iloc[:, place]) for place in range(table.shape[1])]
    rows = [[Markup(escape(_plain(value))) for value in row] for row in table.itertuples(index=False)]
    return Table([Markup(escape(str(name).replace("_", " "))) for name in table.columns], rows, numeric, [])


def _plain(value: object) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def in_html(label: str) -> Markup:
    """A label with matplotlib's subscripts (``y$_{sem}$``) set as HTML."""
    return Markup(re.sub(r"\$_\{?(\w+)\}?\$", r"<sub>\1</sub>", str(escape(label))))
