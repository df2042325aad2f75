"""Linear probes of the semantic code: AD against CN, and age (paper Table 7), beside what any encoder has to beat.

Two protocols. ``cv``: subject-grouped cross-validation over all scans, which is no test result, since the encoder has
seen the training scans. ``test``: fitted on the training and validation subjects, measured on the test subjects.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Method
from ldae.errors import UserError
from ldae.evaluation.features import feature_sets
from ldae.evaluation.inputs import Inputs
from ldae.evaluation.lda import lda_projection
from ldae.evaluation.linear import Features, Probe, Task, fit_with_penalty, subject_folds
from ldae.evaluation.probe_metrics import CN_METRICS, METRICS, mae
from ldae.evaluation.statistics import (
    Estimate,
    Statistic,
    auc,
    difference_of,
    estimates_table,
    generator,
    interval,
    not_available,
)
from ldae.files import write_json, write_tsv

POSITIVE, NEGATIVE = "AD", "CN"
METHOD = Method()
COMPARED: dict[str, tuple[Task, Statistic]] = {"auc_ad_cv": ("ad", auc), "age_mae_cv": ("age", mae)}


def run_probes(inputs: Inputs, settings: Evaluation, seed: int, out: Path, method: Method = METHOD) -> None:
    """Write predictions, summary, differences, lda (.tsv) and probe_ad.json into ``out``.

    Args:
        method: ``probe_split`` and ``positive_class`` are read.
    """
    sets = feature_sets(inputs, settings.batch)
    scans = inputs.scans.assign(probe_group=probe_groups(inputs.scans, method.probe_split))
    linear = predict_all(scans, sets, settings.folds, seed)
    predictions = pd.concat([linear, supervised(inputs)], ignore_index=True)
    write_tsv(out / "predictions.tsv", predictions)
    write_tsv(out / "summary.tsv", summary(predictions, settings.bootstrap, seed, method.positive_class))
    write_tsv(out / "differences.tsv", differences(predictions, settings.bootstrap, seed))
    write_json(out / "probe_ad.json", manipulation_probe(scans, sets["ldae"], seed))
    write_tsv(out / "lda.tsv", lda_projection(inputs.scans, inputs.code("y_sem", inputs.scans.index)))


def probe_groups(scans: pd.DataFrame, split: str) -> pd.Series:
    """What stays together when the scans a probe is fitted on are dealt to the folds that choose its penalty."""
    subjects = scans["participant_id"]
    return subjects if split == "subject" else subjects + "_" + scans["session_id"]


def task_rows(scans: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the scans of a task, and their targets: 1 for AD and 0 for CN, or age in years of all classes."""
    if task == "age":
        rows = np.flatnonzero(scans["age"].notna())
        return rows, scans["age"].to_numpy(float)[rows]
    rows = np.flatnonzero(scans["diagnosis"].isin([POSITIVE, NEGATIVE]))
    return rows, (scans["diagnosis"].to_numpy()[rows] == POSITIVE).astype(float)


def predict_all(scans: pd.DataFrame, sets: dict[str, Features], folds: int, seed: int) -> pd.DataFrame:
    """One row per scan, task, feature set and protocol; scans that no probe could be fitted for are left out."""
    tables = []
    for task in ("ad", "age"):
        rows, target = task_rows(scans, task)
        for name, features in sets.items():
            tables.append(cross_validated(scans, task, name, features, rows, target, folds, seed))
            tables.append(tested(scans, task, name, features, rows, target, seed))
    rows, target = task_rows(scans, "age")
    for protocol in ("cv", "test"):
        tables.append(mean_predictor(scans, rows, target, protocol, folds, seed))
    rows, target = task_rows(scans, "ad")
    fold = outer_folds(scans, folds, seed)[rows]
    shuffled = permuted(scans["participant_id"].to_numpy()[rows], target, fold, seed)
    tables.append(cross_validated(scans, "ad", "permuted_labels", sets["ldae"], rows, shuffled, folds, seed))
    tables = [table for table in tables if len(table)]
    if not tables:
        raise UserError("No probe can be fitted: the scans have neither ages nor AD and CN diagnoses; check scans.tsv.")
    return pd.concat(tables, ignore_index=True)


def supervised(inputs: Inputs) -> pd.DataFrame:
    """What the supervised encoders' own heads say of the test subjects; they have seen the labels of the others."""
    tables = []
    for task in ("ad", "age"):
        rows, target = task_rows(inputs.scans, task)
        test = inputs.scans["split"].to_numpy()[rows] == "test"
        prediction = inputs.supervised_output(f"supervised_{task}", rows[test])
        keys = {"protocol": "test", "features": "supervised", "task": task, "fold": np.nan}
        tables.append(_rows(inputs.scans, rows[test], target[test], prediction, keys))
    return pd.concat(tables)


def cross_validated(
    scans: pd.DataFrame,
    task: Task,
    name: str,
    features: Features,
    rows: np.ndarray,
    target: np.ndarray,
    folds: int,
    seed: int,
) -> pd.DataFrame:
    """Out-of-fold predictions. Penalty, standardisation and PCA see the other folds only."""
    fold = outer_folds(scans, folds, seed)[rows]
    tables = []
    for held_out in range(folds):
        inside, outside = fold != held_out, fold == held_out
        prediction = _predict(scans, task, features, rows[inside], target[inside], rows[outside], seed)
        if prediction is not None:
            keys = {"protocol": "cv", "features": name, "task": task, "fold": held_out}
            tables.append(_rows(scans, rows[outside], target[outside], prediction, keys))
    return pd.concat(tables) if tables else pd.DataFrame()


def tested(
    scans: pd.DataFrame, task: Task, name: str, features: Features, rows: np.ndarray, target: np.ndarray, seed: int
) -> pd.DataFrame:
    """Predictions for the test subjects by a probe fitted on all others."""
    test = scans["split"].to_numpy()[rows] == "test"
    prediction = _predict(scans, task, features, rows[~test], target[~test], rows[test], seed)
    if prediction is None:
        return pd.DataFrame()
    keys = {"protocol": "test", "features": name, "task": task, "fold": np.nan}
    return _rows(scans, rows[test], target[test], prediction, keys)


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
        drawn = generator(seed, "permuted labels", held_out).permutation([last[name] for name in names])
        given = dict(zip(names, drawn, strict=True))
        shuffled[inside] = [given[name] for name in subjects[inside]]
    return shuffled


def mean_predictor(
    scans: pd.DataFrame, rows: np.ndarray, target: np.ndarray, protocol: str, folds: int, seed: int
) -> pd.DataFrame:
    """Every scan gets the mean age of the scans it was not fitted on."""
    group = outer_folds(scans, folds, seed)[rows] if protocol == "cv" else scans["split"].to_numpy()[rows] == "test"
    tables = []
    for held_out in range(folds) if protocol == "cv" else [True]:
        inside, outside = group != held_out, group == held_out
        if inside.any() and outside.any():
            fold = held_out if protocol == "cv" else np.nan
            keys = {"protocol": protocol, "features": "mean_predictor", "task": "age", "fold": fold}
            constant = np.full(outside.sum(), target[inside].mean())
            tables.append(_rows(scans, rows[outside], target[outside], constant, keys))
    return pd.concat(tables) if tables else pd.DataFrame()


def _predict(
    scans: pd.DataFrame,
    task: Task,
    features: Features,
    fit_rows: np.ndarray,
    target: np.ndarray,
    rows: np.ndarray,
    seed: int,
) -> np.ndarray | None:
    """Scores of ``rows`` by a probe fitted on ``fit_rows``; None where it cannot be fitted or nothing is asked."""
    if len(rows) == 0 or len(fit_rows) < 2 or len(np.unique(target)) < 2:
        return None
    seen, asked = features(fit_rows, rows)
    return _fit(scans, task, seen, target, fit_rows, seed).score(asked)


def _fit(
    scans: pd.DataFrame, task: Task, features: np.ndarray, target: np.ndarray, rows: np.ndarray, seed: int
) -> Probe:
    strata = target if task == "ad" else scans["diagnosis"].fillna("n/a").to_numpy()[rows]
    groups = scans.get("probe_group", scans["participant_id"])
    return fit_with_penalty(task, features, target, groups.to_numpy()[rows], strata, seed)


def _rows(
    scans: pd.DataFrame, rows: np.ndarray, target: np.ndarray, prediction: np.ndarray, keys: dict
) -> pd.DataFrame:
    table = scans.loc[rows, ["participant_id", "session_id", "diagnosis", "age", "split"]]
    return table.assign(**keys, target=target, prediction=prediction)


def summary(predictions: pd.DataFrame, bootstrap: int, seed: int, positive_class: str = POSITIVE) -> pd.DataFrame:
    """Every metric of every feature set, ``<metric>_cv`` and ``<metric>_test``, with intervals over subjects."""
    rows = []
    beside = CN_METRICS if positive_class == NEGATIVE else {}
    names = list(dict.fromkeys(predictions["features"]))
    for task, metrics in METRICS.items():
        for protocol in ("cv", "test"):
            chosen = predictions[(predictions["task"] == task) & (predictions["protocol"] == protocol)]
            for name in names:
                group = chosen[chosen["features"] == name]
                if group.empty and name in ("mean_predictor", "permuted_labels", "supervised"):
                    continue
                for metric, statistic in (metrics | (beside if task == "ad" else {})).items():
                    estimate = _estimate(group, task, statistic, bootstrap, seed)
                    rows.append(estimate.row(method=name, metric=f"{metric}_{protocol}"))
    return estimates_table(rows)


def _estimate(group: pd.DataFrame, task: Task, statistic: Statistic, bootstrap: int, seed: int) -> Estimate:
    if group.empty:
        return not_available("no probe could be fitted: a class is missing among the other subjects")
    if task == "ad" and group["target"].nunique() < 2:
        absent = POSITIVE if group["target"].iloc[0] == 0 else NEGATIVE
        return not_available(f"no {absent} scan among the {group['participant_id'].nunique()} subjects")
    return interval(
        group[["prediction", "target"]].to_numpy(float), group["participant_id"], statistic, bootstrap, seed
    )


def differences(predictions: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """y_sem against every reference on the same scans."""
    rows = []
    keys = ["participant_id", "session_id"]
    for metric, (task, statistic) in COMPARED.items():
        chosen = predictions[(predictions["task"] == task) & (predictions["protocol"] == "cv")]
        sides = {name: group.set_index(keys) for name, group in chosen.groupby("features", sort=False)}
        for name in sides:
            if name in ("ldae", "permuted_labels") or "ldae" not in sides:
                continue
            pair = sides["ldae"].join(sides[name], how="inner", rsuffix="_other")
            values = pair[["prediction", "target", "prediction_other", "target_other"]].to_numpy(float)
            subjects = pair.index.get_level_values(0)
            estimate = interval(values, subjects, difference_of(statistic, 2), bootstrap, seed)
            rows.append(estimate.row(method=f"ldae-{name}", metric=metric))
    return estimates_table(rows)


def manipulation_probe(scans: pd.DataFrame, features: Features, seed: int) -> dict:
    """The AD probe of y_sem fitted on the training split alone, as JSON; the direction manipulation moves along.

    Without both classes in the training split there is no direction, and ``reason`` says so.
    """
    rows, target = task_rows(scans, "ad")
    train = scans["split"].to_numpy()[rows] == "train"
    if len(np.unique(target[train])) < 2:
        return {"reason": f"the training split lacks {POSITIVE} or {NEGATIVE} scans"}
    matrix, _ = features(rows[train], rows[train])
    probe = _fit(scans, "ad", matrix, target[train], rows[train], seed)
    return probe.as_json() | {"positive": POSITIVE, "features": "ldae"}
