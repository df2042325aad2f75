"""Every code on every task, in the folds and splits of y_sem: metrics, paired differences and ranks, with intervals.

``cv``: subject-grouped cross-validation; what is fitted once, y_sem's encoder among it, has seen the training scans
without a label. ``test``: fitted on training and validation subjects, measured on the test subjects.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Arena, Evaluation
from ldae.core.files import write_tsv
from ldae.core.keys import KEY
from ldae.studies.arena.entries import SEEN_LABELS, Row, always, standing_rows
from ldae.studies.arena.guard import Entry, enter
from ldae.studies.arena.probing import of_test, out_of_fold
from ldae.studies.arena.ranks import Contest, rank_rows
from ldae.studies.arena.tasks import Task, all_tasks
from ldae.studies.common.feature_sets import fixed
from ldae.studies.common.frozen import NOT_FITTED
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.statistics import (
    cv_widening,
    difference_of,
    estimates_table,
    holm,
    interval,
    not_available,
    two_sided_p,
)

OURS = "ldae"
PROTOCOLS = ("cv", "test")
CODE_COLUMNS = (
    *("code", "numbers_in_code", "rows_given", "scans_matched", "rows_without_scan", "rows_outside"),
    *("guard", "found", "allowed"),
)
logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Reading:
    """What the probes of one code say in one task and protocol.

    Attributes:
        scores: (rows of the task, scores), NaN where nothing is said.
        fold: (rows,) -1 in no fold, and throughout for the test subjects.
        reason: why nothing is said at all.
    """

    scores: np.ndarray | None
    fold: np.ndarray | None = None
    reason: str = ""


Readings = dict[tuple[str, str, str], Reading]
"""(task, protocol, method) -> what is said."""


def run_arena(
    inputs: Inputs,
    manifest: pd.DataFrame,
    arena: Arena,
    settings: Evaluation,
    seed: int,
    out: Path,
    held_out: bool = False,
    frozen: bool = False,
    baselines: bool = True,
) -> None:
    """Write predictions, summary, differences, ranks, codes and names (.tsv) into ``out``.

    Args:
        manifest: scans.tsv.
        settings: ``folds``, ``bootstrap`` and ``batch`` are read.
        held_out: the test subjects were chosen (``splits.hold_out``): no probe is fitted on them.
        frozen: the model is, and every scan a test scan: nothing but the cross-validation is left.
        baselines: whether the paper's rivals were trained here.
    """
    scans = inputs.scans
    tasks = all_tasks(scans, manifest, arena.tasks, arena.conversion_months)
    entered = [
        enter(name, str(path), scans, tasks, settings.folds, seed, held_out, arena.allow.get(name))
        for name, path in sorted(arena.codes.items())
    ]
    for entry in entered:
        logger.info("%s: %d of %d scans%s", entry.name, entry.matched, len(scans), "".join(_said(entry)))
    rows = standing_rows(inputs, settings.batch, frozen, baselines) | {
        entry.name: given_row(entry) for entry in entered
    }
    covered = {entry.name: entry.covered for entry in entered if entry.values is not None}
    readings = read_all(scans, tasks, rows, covered, settings.folds, seed, held_out, frozen)
    write_tsv(out / "predictions.tsv", predictions(scans, tasks, readings))
    write_tsv(out / "summary.tsv", summary(scans, tasks, readings, settings.bootstrap, seed))
    write_tsv(out / "differences.tsv", differences(scans, tasks, readings, settings.bootstrap, seed))
    write_tsv(out / "ranks.tsv", ranks(scans, tasks, readings))
    write_tsv(out / "codes.tsv", codes_table(entered))
    names = [(entry.name, what, who) for entry in entered for what, who in entry.names]
    write_tsv(out / "names.tsv", pd.DataFrame(names, columns=["code", "finding", "name"]))


def _said(entry: Entry) -> list[str]:
    """What the log adds: what was found, and how many rows have no scan; names.tsv has the names."""
    parts = [f"; {words}" for words in entry.refused]
    return [*parts, f"; {entry.without_scan} rows at other visits"] if entry.without_scan else parts


def given_row(entry: Entry) -> Row:
    """A code that was given, or why it does not compete."""
    return always(entry.reason if entry.values is None else fixed(entry.values))


def read_all(
    scans: pd.DataFrame,
    tasks: Sequence[Task],
    rows: Mapping[str, Row],
    covered: Mapping[str, np.ndarray],
    folds: int,
    seed: int,
    held_out: bool = False,
    frozen: bool = False,
) -> Readings:
    """Every task, protocol and code.

    Args:
        covered: (scans,) which scans a code holds, where it is not all of them.
    """
    readings: Readings = {}
    for task in tasks:
        fold = task.folds(scans, folds, seed, held_out)
        for name, row in rows.items():
            for protocol in PROTOCOLS:
                readings[task.name, protocol, name] = _read(
                    scans, task, protocol, name, row, covered.get(name), fold, seed, frozen
                )
    return readings


def _read(
    scans: pd.DataFrame,
    task: Task,
    protocol: str,
    name: str,
    row: Row,
    covered: np.ndarray | None,
    fold: np.ndarray,
    seed: int,
    frozen: bool,
) -> Reading:
    if task.reason is not None:
        return Reading(None, reason=task.reason)
    features = row(task)
    if isinstance(features, str):
        return Reading(None, reason=features)
    if frozen and protocol == "test":
        return Reading(None, reason=NOT_FITTED)
    if protocol == "cv" and name in SEEN_LABELS:
        return Reading(None, reason="its encoder has seen the labels of the scans that it would be measured on")
    inside = np.ones(len(task.rows), dtype=bool) if covered is None else covered[task.rows]
    if protocol == "cv":
        scores, own = out_of_fold(scans, task, features, inside, fold, seed), fold
    else:
        scores, own = of_test(scans, task, features, inside, seed), np.full(len(task.rows), -1)
    if np.isnan(scores).all():
        return Reading(None, reason="no probe could be fitted: too few scans of a class, or with different values")
    return Reading(scores, own)


def _values(task: Task, reading: Reading) -> np.ndarray:
    """(rows, scores and target)."""
    assert reading.scores is not None
    return np.column_stack([reading.scores, task.target])


def _widening(reading: Reading) -> float:
    assert reading.fold is not None and reading.scores is not None
    used = ~np.isnan(reading.scores).any(axis=1) & (reading.fold >= 0)
    return cv_widening(reading.fold[used].astype(float).tolist())


def _subjects(scans: pd.DataFrame, task: Task) -> np.ndarray:
    return scans["participant_id"].to_numpy()[task.rows]


def summary(scans: pd.DataFrame, tasks: Sequence[Task], readings: Readings, bootstrap: int, seed: int) -> pd.DataFrame:
    """One estimate per method and ``<metric>_<protocol>``."""
    known, rows = {task.name: task for task in tasks}, []
    for (name, protocol, method), reading in readings.items():
        task = known[name]
        if reading.scores is None:
            estimate = not_available(reading.reason)
        else:
            values, subjects = _values(task, reading), _subjects(scans, task)
            estimate = interval(values, subjects, task.statistic, bootstrap, seed, widen=_widening(reading))
        rows.append(estimate.row(method=method, metric=f"{task.metric}_{protocol}"))
    return estimates_table(rows)


def differences(
    scans: pd.DataFrame, tasks: Sequence[Task], readings: Readings, bootstrap: int, seed: int
) -> pd.DataFrame:
    """y_sem minus every other code on the scans that both have.

    ``p``: two-sided, of the interval. ``p_holm``: for as many comparisons as the protocol has (Holm 1979).
    What follows from it: docs/statistics.md.
    """
    known = {task.name: task for task in tasks}
    rows: list[dict] = []
    for (name, protocol, method), reading in readings.items():
        task, ours = known[name], readings.get((name, protocol, OURS))
        if method == OURS or ours is None:
            continue
        keys = {"method": f"{OURS}-{method}", "metric": f"{task.metric}_{protocol}"}
        if ours.scores is None or reading.scores is None:
            rows.append(not_available(reading.reason or ours.reason).row(**keys) | {"p": np.nan})
            continue
        values = np.hstack([_values(task, ours), _values(task, reading)])
        subjects, widen = _subjects(scans, task), _widening(reading)
        gap = difference_of(task.statistic, task.columns + 1)
        estimate = interval(values, subjects, gap, bootstrap, seed, widen=widen)
        used = ~np.isnan(values).any(axis=1)
        p = two_sided_p(values[used], subjects[used], gap, widen) if estimate.low is not None else np.nan
        rows.append(estimate.row(**keys) | {"p": p})
    table = estimates_table(rows).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    family = table["metric"].str.rsplit("_", n=1).str[-1]
    return table.assign(p_holm=table.groupby(family)["p"].transform(holm))


def ranks(scans: pd.DataFrame, tasks: Sequence[Task], readings: Readings) -> pd.DataFrame:
    """Place of every code in every task, 1 the best, with an interval; and its mean over the tasks."""
    rows: list[dict] = []
    for protocol in PROTOCOLS:
        contests = {}
        for task in tasks:
            held = {
                method: reading
                for (name, kind, method), reading in readings.items()
                if (name, kind) == (task.name, protocol) and reading.scores is not None
            }
            contests[task.metric] = Contest(
                {method: _values(task, reading) for method, reading in held.items()},
                _subjects(scans, task),
                task.statistic,
                larger=bool(task.classes),
                classes=bool(task.classes),
                widen=max(map(_widening, held.values()), default=1.0),
            )
        rows += rank_rows(contests, protocol)
    return estimates_table(rows)


def predictions(scans: pd.DataFrame, tasks: Sequence[Task], readings: Readings) -> pd.DataFrame:
    """One row per scan, task, protocol, method and class: the score, or the number that is read."""
    known, tables = {task.name: task for task in tasks}, []
    for (name, protocol, method), reading in readings.items():
        if reading.scores is None or reading.fold is None:
            continue
        task = known[name]
        for place in range(task.columns):
            table = scans.loc[task.rows, [*KEY, "split"]].reset_index(drop=True)
            kind = task.classes[place if task.columns > 1 else -1] if task.classes else np.nan
            truth = np.array(task.classes)[task.target.astype(int)] if task.classes else task.target
            table = table.assign(protocol=protocol, task=name, method=method, class_of_score=kind, target=truth)
            table = table.assign(prediction=reading.scores[:, place]).astype({"target": object})
            tables.append(table[~np.isnan(reading.scores[:, place])])
    columns = [*KEY, "split", "protocol", "task", "method", "class_of_score", "target", "prediction"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def codes_table(entered: Sequence[Entry]) -> pd.DataFrame:
    """One row per code that was given: how much of it is of this cohort, and what its guard found. It names nobody."""
    rows = []
    for entry in entered:
        result = "competes" if not entry.refused else "allowed" if entry.values is not None else "refused"
        found = "; ".join(entry.refused) or None
        counts = (entry.numbers, entry.rows, entry.matched, entry.without_scan, entry.outside)
        rows.append((entry.name, *counts, result, found, entry.allowed))
    return pd.DataFrame(rows, columns=list(CODE_COLUMNS))
