"""What else a code knows: field strength and study phase read from it, and the main results with confounds held fixed.

A code from which the scanner can be read may owe part of its diagnosis to it, where patients and controls were scanned
differently. Hence the AUC of the diagnosis within one field strength, and the error of age among controls alone (where
disease does not pass for age).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ldae.core.keys import KEY
from ldae.studies.common.linear_probes import Features
from ldae.studies.common.statistics import Estimate, Statistic, auc, estimates_table, interval, not_available
from ldae.studies.probes.estimates import PERMUTED, estimate_of, mae
from ldae.studies.probes.measure import CONSTANT, NEGATIVE, fit_chosen, outer_folds

CONFOUNDS = ("field_strength", "study_phase")
COLUMNS = ("method", "metric", "classes")


def confounds(
    scans: pd.DataFrame,
    sets: Mapping[str, Features],
    predictions: pd.DataFrame,
    folds: int,
    bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """One estimate per method and metric; ``classes`` names what is told apart, or what is held fixed.

    ``auc_<confound>_cv`` (mean of one class against the rest) and ``balanced_accuracy_<confound>_cv`` (mean recall,
    chance is 1 / classes) of probes fitted on ``sets``; ``auc_ad_<protocol>_within_field_strength`` and
    ``age_mae_<protocol>_cn`` of the predictions.

    Args:
        scans: with ``field_strength`` (tesla) and ``study_phase``, where they are known.
        predictions: those of :func:`ldae.studies.probes.measure.predict_all`.
    """
    rows = []
    for confound in CONFOUNDS:
        labels = labels_of(scans, confound)
        for name, features in sets.items():
            for metric, (estimate, classes) in read_from(scans, features, labels, folds, bootstrap, seed):
                rows.append(estimate.row(method=name, metric=f"{metric}_{confound}_cv", classes=classes))
    rows += within_field_strength(scans, predictions, bootstrap, seed)
    rows += age_of_controls(predictions, bootstrap, seed)
    return estimates_table(rows, COLUMNS)


def labels_of(scans: pd.DataFrame, confound: str) -> pd.Series:
    """The confound of each scan in words (``1.5 T``, ``ADNI2``), missing where unknown."""
    if confound not in scans:
        return pd.Series(None, index=scans.index, dtype=object)
    values = scans[confound]
    if confound == "study_phase":
        return values.astype(object).where(values.notna(), None)
    return values.map(lambda tesla: f"{tesla:g} T", na_action="ignore").astype(object)


def read_from(
    scans: pd.DataFrame, features: Features, labels: pd.Series, folds: int, bootstrap: int, seed: int
) -> list[tuple[str, tuple[Estimate, str | None]]]:
    """AUC and balanced accuracy of a cross-validated probe of the confound: one logistic regression for each class.

    Classes whose scans all lie in one fold cannot be learnt for it and are left out.
    """
    fold = outer_folds(scans, folds, seed)
    spread = pd.Series(fold).groupby(labels.to_numpy()).nunique() if labels.notna().any() else pd.Series(dtype=int)
    classes = sorted(spread.index[spread > 1])
    metrics: dict[str, Statistic] = {"auc": mean_auc(len(classes)), "balanced_accuracy": mean_recall(len(classes))}
    if len(classes) < 2:
        found = ", ".join(map(str, sorted(labels.dropna().unique()))) or "unknown"
        reason = not_available(f"one class, or too few subjects of each: {found}")
        return [(metric, (reason, None)) for metric in metrics]
    rows = np.flatnonzero(labels.isin(classes))
    fold, known = fold[rows], labels.to_numpy()[rows]
    scores = np.full((len(rows), len(classes)), np.nan)
    for held_out in np.unique(fold):
        inside, outside = fold != held_out, fold == held_out
        for place, name in enumerate(classes):
            target = (known[inside] == name).astype(float)
            probe, asked = fit_chosen(scans, "ad", features, rows[inside], target, rows[outside], seed)
            scores[outside, place] = probe.score(asked)
    values = np.column_stack([scores, np.searchsorted(classes, known)])
    subjects = scans["participant_id"].to_numpy()[rows]
    return [
        (metric, (interval(values, subjects, statistic, bootstrap, seed), ", ".join(classes)))
        for metric, statistic in metrics.items()
    ]


def mean_auc(classes: int) -> Statistic:
    """Mean over classes of the AUC of one against the rest. Values: a score for each class, the number of the class."""

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        pairs = [np.column_stack([values[:, k], values[:, -1] == k]) for k in range(classes)]
        return np.mean([auc(pair, weights) for pair in pairs], axis=0)

    return statistic


def mean_recall(classes: int) -> Statistic:
    """Balanced accuracy of the class with the largest score. Values as for :func:`mean_auc`."""

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        hit = values[:, :-1].argmax(axis=1) == values[:, -1]
        recalls = []
        for k in range(classes):
            own = weights[:, values[:, -1] == k]
            total = own.sum(axis=1)
            found = own @ hit[values[:, -1] == k].astype(float)
            recalls.append(np.where(total > 0, found / np.where(total > 0, total, 1), np.nan))
        return np.mean(recalls, axis=0)

    return statistic


def within_field_strength(scans: pd.DataFrame, predictions: pd.DataFrame, bootstrap: int, seed: int) -> list[dict]:
    """AUC of the diagnosis among the scans of one field strength, for every feature set."""
    labels = labels_of(scans, "field_strength")
    known = scans[KEY].assign(strength=labels)
    chosen = predictions[(predictions["task"] == "ad") & (predictions["features"] != PERMUTED)].merge(known, on=KEY)
    rows = []
    for protocol in ("cv", "test"):
        part = chosen[chosen["protocol"] == protocol]
        for strength in sorted(labels.dropna().unique()):
            for name in dict.fromkeys(part["features"]):
                group = part[(part["features"] == name) & (part["strength"] == strength)]
                if name != CONSTANT["ad"]:
                    estimate = estimate_of(group, "ad", auc, bootstrap, seed)
                    metric = f"auc_ad_{protocol}_within_field_strength"
                    rows.append(estimate.row(method=name, metric=metric, classes=strength))
    return rows


def age_of_controls(predictions: pd.DataFrame, bootstrap: int, seed: int) -> list[dict]:
    """Mean absolute error of age among the scans of controls, for every feature set."""
    chosen = predictions[(predictions["task"] == "age") & (predictions["diagnosis"] == NEGATIVE)]
    rows = []
    for protocol in ("cv", "test"):
        part = chosen[chosen["protocol"] == protocol]
        for name, group in part.groupby("features", sort=False):
            estimate = estimate_of(group, "age", mae, bootstrap, seed)
            rows.append(estimate.row(method=name, metric=f"age_mae_{protocol}_cn", classes=NEGATIVE))
    return rows
