"""Which scans a probe is fitted on and measured on: targets, groups, folds, permuted labels."""

import numpy as np
import pandas as pd

from ldae.core.keyed import study_stream
from ldae.studies.common.linear_probes import Task, subject_folds

POSITIVE, NEGATIVE = "AD", "CN"


def task_rows(scans: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the scans of a task, and their targets: 1 for AD and 0 for CN, or age in years of all classes."""
    if task == "age":
        rows = np.flatnonzero(scans["age"].notna())
        return rows, scans["age"].to_numpy(float)[rows]
    rows = np.flatnonzero(scans["diagnosis"].isin([POSITIVE, NEGATIVE]))
    return rows, (scans["diagnosis"].to_numpy()[rows] == POSITIVE).astype(float)


def probe_groups(scans: pd.DataFrame, split: str) -> pd.Series:
    """What stays together when the scans a probe is fitted on are dealt to the folds that choose its penalty."""
    subjects = scans["participant_id"]
    return subjects if split == "subject" else subjects + "_" + scans["session_id"]


def can_be_fitted(target: np.ndarray) -> bool:
    return len(np.unique(target)) >= 2


def outer_folds(scans: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """(scans,) the same folds for every task and feature set, stratified by the subject's last diagnosis."""
    order = scans.sort_values(["participant_id", "months", "session_id"]).index.to_numpy()
    labels = scans.loc[order, "diagnosis"].fillna("n/a").to_numpy()
    fold = np.empty(len(scans), dtype=int)
    fold[order] = subject_folds(scans.loc[order, "participant_id"].to_numpy(), labels, folds, seed)
    return fold


def permuted(subjects: np.ndarray, target: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """Labels shuffled between the subjects of each fold (the label of a subject's last scan): finds leaks.

    Within folds, since a fold with many AD leaves few to the others, which pulls a pooled AUC below one half.
    """
    shuffled = np.empty_like(target)
    for held_out in np.unique(fold):
        inside = fold == held_out
        last = dict(zip(subjects[inside], target[inside], strict=True))
        names = sorted(last)
        drawn = study_stream(seed, "permuted labels", held_out).permutation([last[name] for name in names])
        given = dict(zip(names, drawn, strict=True))
        shuffled[inside] = [given[name] for name in subjects[inside]]
    return shuffled
