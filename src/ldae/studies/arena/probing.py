"""Linear probes of any task: one, or one for each of more than two classes."""

import numpy as np
import pandas as pd

from ldae.studies.arena.tasks import Task
from ldae.studies.common.linear_probes import Features, can_be_fitted, choose, fit
from ldae.studies.common.linear_probes import Task as Kind


def out_of_fold(
    scans: pd.DataFrame, task: Task, features: Features, inside: np.ndarray, fold: np.ndarray, seed: int
) -> np.ndarray:
    """(rows of the task, scores), each by probes of the other folds; NaN where none could be fitted.

    Args:
        inside: (rows,) which have the features.
        fold: (rows,) of each row, -1: in none.
    """
    scores = np.full((len(task.rows), task.columns), np.nan)
    for held_out in np.unique(fold[fold >= 0]):
        fit_rows, rows = inside & (fold >= 0) & (fold != held_out), inside & (fold == held_out)
        scores[rows] = _scored(scans, task, features, fit_rows, rows, seed)
    return scores


def of_test(scans: pd.DataFrame, task: Task, features: Features, inside: np.ndarray, seed: int) -> np.ndarray:
    """(rows of the task, scores) of the test scans, by probes of all others; NaN elsewhere."""
    test = scans["split"].to_numpy()[task.rows] == "test"
    scores = np.full((len(task.rows), task.columns), np.nan)
    scores[inside & test] = _scored(scans, task, features, inside & ~test, inside & test, seed)
    return scores


def _scored(
    scans: pd.DataFrame, task: Task, features: Features, fit_rows: np.ndarray, rows: np.ndarray, seed: int
) -> np.ndarray | float:
    """(asked rows, scores); NaN where a class is missing among the fitted rows."""
    classes = np.unique(task.target[fit_rows])
    if not rows.any() or not can_be_fitted(task.target[fit_rows]) or len(classes) < len(task.classes):
        return np.nan
    kind: Kind = "ad" if task.classes else "age"
    chosen, asked_rows = task.rows[fit_rows], task.rows[rows]
    subjects = scans["participant_id"].to_numpy()[chosen]
    if task.classes and task.name != "ad":
        strata = np.array(task.classes)[task.target[fit_rows].astype(int)]
    else:  # as Table 7
        strata = scans["diagnosis"].fillna("n/a").to_numpy()[chosen]
    columns = []
    for place in range(task.columns):
        target = (task.target[fit_rows] == place).astype(float) if task.columns > 1 else task.target[fit_rows]
        penalty, width = choose(kind, features, chosen, target, subjects, strata, seed)
        seen, asked = features(chosen, asked_rows)
        columns.append(fit(kind, seen, target, penalty, width).score(asked))
    return np.column_stack(columns)
