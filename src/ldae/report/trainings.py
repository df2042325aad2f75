"""How much of a number is the luck of one training? The headline numbers of runs that differ in nothing but
``training_seed``, and the interval that covers both subjects and trainings.

A run's intervals are over subjects and hold its networks fixed. Trained anew, the networks are others and so is every
number. With several trainings on the same splits the variance between them is seen, and stands beside that over
subjects.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from scipy.stats import norm, t

from ldae.core.errors import UserError
from ldae.core.files import digest, read_json, sha256_file
from ldae.report.glossary import explain
from ldae.studies.common.study import Headline
from ldae.studies.registry import STUDIES, headline

LEVEL = 0.95
SPLITS, HEADLINE = "manifest/splits.tsv", "paper/headline.json"
FEW = 5  # trainings, below which the standard deviation between them is itself hardly known
ROUNDED = 1e-5  # by so much a number in a file may lie outside its range
PLAIN = (None, "_cv", "_test")  # endings that leave the range of a metric as it is
COLUMNS = (
    *("metric", "trainings", "mean", "low", "high", "sd_between", "se_subjects", "share_between", "lowest", "highest"),
    *("subjects", "note"),
)


def both(values: np.ndarray, errors: np.ndarray, level: float = LEVEL) -> tuple[float, float, float, float]:
    """Mean over trainings with an interval that covers subjects and trainings.

    The variance of the mean is that over subjects, which all trainings share, and that between trainings over their
    number. Of the first the half width is the normal's, of the second Student's, since it is estimated from few; their
    squares add up, which covers too often rather than too rarely (Satterthwaite's degrees of freedom cover .90 with
    two or three trainings that differ much).

    Args:
        values: (N,) one number of N trainings.
        errors: (N,) its standard error over subjects.

    Returns:
        low, high, standard deviation between trainings, and the share of the variance of one training's number that
        lies between trainings.
    """
    count, between, within = len(values), float(np.var(values, ddof=1)), float(np.mean(np.square(errors)))
    quantile = 0.5 + level / 2
    reach = float(np.sqrt(norm.ppf(quantile) ** 2 * within + t.ppf(quantile, count - 1) ** 2 * between / count))
    share = between / (between + within) if between + within > 0 else float("nan")
    return values.mean() - reach, values.mean() + reach, float(np.sqrt(between)), share


def compare_trainings(folders: Sequence[Path]) -> pd.DataFrame:
    """One row per headline number that all runs have, most luck first; at the end, with a note and no mean, those that
    only some have: which trainings lack a number may be luck, too.

    Args:
        folders: results of finished runs.

    Raises:
        UserError: fewer than two; one is not finished; they differ in splits or settings; two are one
            training; no number is known of all.
    """
    if len(folders) < 2:
        raise UserError("Name the results of two trainings or more: one alone says nothing of how trainings differ.")
    found = [_headline(folder) for folder in folders]
    _require_alike(folders)
    rows = []
    for number in headline(STUDIES):
        items = [one[number.key] for one in found if _known(one, number.key)]
        if len(items) == len(found):
            rows.append(_row(number, items))
        elif items:
            note = "n/a in some of the runs, so that a mean of the others would say nothing"
            rows.append({"metric": number.key, "trainings": len(items), "note": note})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if table["mean"].isna().all():
        raise UserError("The runs have no headline number in common: name finished runs of the same studies.")
    return table.sort_values("share_between", ascending=False, kind="stable", na_position="last", ignore_index=True)


def range_of(number: Headline) -> tuple[float, float]:
    """Between which values it can lie, where its metric says so."""
    found = explain(number.metric)
    if not found or found[1] not in PLAIN or "-" in number.method:  # of a difference nobody says it
        return -np.inf, np.inf
    bounds = re.match(r"(?:from )?(-?\d+(?:\.\d+)?)(?: to (-?\d+(?:\.\d+)?))?(?:$|;)", found[0].range)
    return (-np.inf, np.inf) if bounds is None else (float(bounds[1]), float(bounds[2] or np.inf))


def for_the_terminal(table: pd.DataFrame) -> Table:
    """The numbers with three decimals; the share between trainings in percent."""
    words = "; ".join(sorted({part for note in table["note"].dropna() for part in str(note).split("; ")}))
    shown = Table(
        title="Headline numbers of several trainings",
        title_justify="left",
        caption=f"luck: share of the variance that lies between trainings. {words}",
        caption_justify="left",
    )
    for column in ("metric", "mean", "95 %, subjects and trainings", "lowest to highest", "SD of trainings", "luck"):
        shown.add_column(column, justify="left" if column == "metric" else "right", overflow="fold")
    for row in table.itertuples():
        reach = "n/a" if pd.isna(row.low) else f"{row.low:.3f} to {row.high:.3f}"
        luck = "n/a" if pd.isna(row.share_between) else f"{100 * row.share_between:.0f} %"
        if pd.isna(row.mean):
            shown.add_row(str(row.metric), *5 * ["n/a"])
            continue
        span = f"{row.lowest:.3f} to {row.highest:.3f}"
        shown.add_row(str(row.metric), f"{row.mean:.3f}", reach, span, f"{row.sd_between:.3f}", luck)
    return shown


def _known(run: dict[str, Any], key: str) -> bool:
    return isinstance(run.get(key), dict) and run[key].get("value") is not None


def _row(number: Headline, items: list[dict[str, Any]]) -> dict[str, Any]:
    values = np.array([item["value"] for item in items], dtype=float)
    known = [(item["low"], item["high"]) for item in items if item.get("low") is not None]
    notes = [str(item["note"]) for item in items if item.get("note")][:1]
    notes += [f"fewer than {FEW} trainings"] if len(items) < FEW else []
    row = {
        "metric": number.key,
        "trainings": len(items),
        "mean": values.mean(),
        "lowest": values.min(),
        "highest": values.max(),
    }
    row |= {"subjects": min(int(item.get("n_subjects") or 0) for item in items), "note": "; ".join(notes) or None}
    if len(known) < len(items):
        return row | {"sd_between": values.std(ddof=1), "note": "; ".join(["no interval over subjects", *notes])}
    errors = np.array([high - low for low, high in known]) / (2 * norm.ppf(0.5 + LEVEL / 2))
    low, high, between, share = both(values, errors)
    least, most = range_of(number)
    row |= {"low": max(low, least), "high": min(high, most), "sd_between": between, "share_between": share}
    return row | {"se_subjects": float(np.sqrt(np.mean(errors**2)))}


def _is_estimate(item: Any) -> bool:
    """An estimate, or a word about the run."""
    if not isinstance(item, dict):
        return isinstance(item, str)
    value, low, high = (item.get(name) for name in ("value", "low", "high"))
    subjects = item.get("n_subjects") or 0
    return (
        all(one is None or _finite(one) for one in (value, low, high))
        and (low is None) == (high is None)
        and (low is None or low <= high)
        and isinstance(subjects, int)
        and not isinstance(subjects, bool)
        and subjects >= 0
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _headline(folder: Path) -> dict[str, Any]:
    path = _finished(folder, HEADLINE)
    content = read_json(path)
    if not isinstance(content, dict) or not all(map(_is_estimate, content.values())):
        raise UserError(f"{path} is not what assemble_headline wrote: delete it and run the workflow again.")
    for number in headline(STUDIES):
        least, most = range_of(number)
        if _known(content, number.key) and not least - ROUNDED <= content[number.key]["value"] <= most + ROUNDED:
            raise UserError(
                f"{path}: {number.key} is {content[number.key]['value']:g}, which lies outside {least:g} to {most:g}: "
                "delete it and run the workflow again."
            )
    return content


def _require_alike(folders: Sequence[Path]) -> None:
    first = folders[0]
    weights: dict[str, Path] = {}
    for folder in folders:
        if sha256_file(_finished(folder, SPLITS)) != sha256_file(_finished(first, SPLITS)):
            raise UserError(
                f"{folder} has other splits than {first}: between them subjects differ as well as trainings. Copy the "
                "manifest and the stores of one (docs/training.md, Several trainings)."
            )
        stages = _described(folder)
        if stages.keys() != _described(first).keys():
            raise UserError(f"{folder} has trained other networks than {first}: {', '.join(stages)}.")
        for stage, described in stages.items():
            if described["settings"] != _described(first)[stage]["settings"]:
                raise UserError(f"{folder} and {first} have other settings of {stage}: only training_seed may differ.")
        one = digest([described["digest"] for described in stages.values()])
        if one in weights:
            raise UserError(f"{folder} and {weights[one]} hold the same weights: one training, counted twice.")
        weights[one] = folder


def _described(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(folder.glob("train/*/model.json")):
        described = read_json(path)
        if not isinstance(described, dict) or not {"settings", "digest"} <= described.keys():
            raise UserError(f"{path} does not say what was trained and how: delete it and run the workflow again.")
        found[path.parent.name] = described
    if not found:
        raise UserError(f"{folder}/train holds no trained network, so nothing was trained there more than once.")
    return found


def _finished(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise UserError(f"{path} is not there: {folder} holds no finished run. Run it first, or name another folder.")
    return path
