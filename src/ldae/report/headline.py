"""The numbers that a reader asks for first: headline.json, and the cards at the head of the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.report.estimate_tables import cell, count_of, note_of, row_of, split_estimate
from ldae.studies.common.method_styles import in_html
from ldae.studies.common.study import Card
from ldae.studies.registry import STUDIES, cards


def assemble_headline(
    evaluate: Path, config_digest: str, data: str, not_run: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Key -> {value, low, high, n_subjects} or {value: None, reason}, plus ``config_digest`` and ``data``.

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
    return headline | {"config_digest": config_digest, "data": data}


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
    return [found for card in cards(STUDIES) if (found := _set(evaluate, card)) is not None]


def _set(evaluate: Path, card: Card) -> SetCard | None:
    table = _read(evaluate / card.source)
    if table is None:
        return None
    for metric in card.metrics:
        row = row_of(table, card.method, metric)
        if row is not None and (pd.notna(row["value"]) or metric == card.metrics[-1]):
            value, interval = split_estimate(row)
            rival = row_of(table, card.rival, metric) if card.rival else None
            compare = (
                Markup("")
                if rival is None
                else Markup("{}: {}").format(in_html(card.rival_label), cell(rival, count_of(row)))
            )
            return SetCard(in_html(card.label), value, interval, count_of(row), note_of(row), compare)
    return None
