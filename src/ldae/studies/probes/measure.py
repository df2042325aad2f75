"""Linear probes of the semantic code: AD against CN, and age (paper Table 7), beside what any encoder has to beat.

And the linear discriminant plane of the codes, for the picture of the three classes (paper Fig. 5).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Method
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_tsv
from ldae.core.keys import KEY
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import Features
from ldae.studies.probes.estimates import differences, summary
from ldae.studies.probes.features import TASKS, TaskSets, feature_sets, labelled_sets
from ldae.studies.probes.protocols import (
    NEGATIVE,
    POSITIVE,
    Fitted,
    can_be_fitted,
    constant_predictor,
    cross_validated,
    fit_chosen,
    outer_folds,
    permuted,
    prediction_rows,
    probe_groups,
    task_rows,
    tested,
    tested_as_paper,
)

METHOD = Method()
CLASSES = ("CN", "MCI", "AD")


def run_probes(inputs: Inputs, settings: Evaluation, seed: int, out: Path, method: Method = METHOD) -> None:
    """Write predictions, summary, differences, lda (.tsv), fitted.json and probe_ad.json into ``out``.

    Args:
        method: ``probe_split`` and ``positive_class`` are read.
    """
    sets = feature_sets(inputs, settings.batch)
    scans = inputs.scans.assign(probe_group=probe_groups(inputs.scans, method.probe_split))
    predictions, fitted = predict_all(scans, sets, settings.folds, seed, labelled_sets(inputs))
    predictions = pd.concat([predictions, supervised(inputs)], ignore_index=True)
    write_tsv(out / "predictions.tsv", predictions)
    write_tsv(out / "summary.tsv", summary(predictions, settings.bootstrap, seed, method.positive_class))
    write_tsv(out / "differences.tsv", differences(predictions, settings.bootstrap, seed))
    write_json(out / "fitted.json", fitted)
    probe = manipulation_probe(scans, sets["ad"]["ldae"], seed) | {"codes": inputs.code_store("y_sem").digest}
    write_json(out / "probe_ad.json", probe)
    write_tsv(out / "lda.tsv", lda_projection(inputs.scans, inputs.code("y_sem", inputs.scans.index)))


def predict_all(
    scans: pd.DataFrame, sets: TaskSets, folds: int, seed: int, labelled: TaskSets | None = None
) -> tuple[pd.DataFrame, Fitted]:
    """One row per scan, task, feature set and protocol (scans that no probe could be fitted for are left out), and the
    probes that the test subjects were measured with.

    Args:
        labelled: features that have seen the labels of all but the test subjects: not cross-validated.
    """
    tables: list[pd.DataFrame] = []
    fitted: Fitted = {}
    for task in TASKS:
        rows, target = task_rows(scans, task)
        fold = outer_folds(scans, folds, seed)[rows]
        for name, features in sets[task].items():
            tables.append(cross_validated(scans, task, name, features, rows, target, folds, seed))
        tested_sets = sets[task] | (labelled or {}).get(task, {})
        for part in (tested, tested_as_paper):
            found, probes = part(scans, task, tested_sets, rows, target, seed)
            tables.append(found)
            fitted |= probes
        for protocol, group in (("cv", fold), ("test", scans["split"].to_numpy()[rows] == "test")):
            tables.append(constant_predictor(scans, task, rows, target, protocol, group))
    rows, target = task_rows(scans, "ad")
    fold = outer_folds(scans, folds, seed)[rows]
    shuffled = permuted(scans["participant_id"].to_numpy()[rows], target, fold, seed)
    tables.append(cross_validated(scans, "ad", "permuted_labels", sets["ad"]["ldae"], rows, shuffled, folds, seed))
    tables = [table for table in tables if len(table)]
    if not tables:
        raise UserError("No probe can be fitted: the scans have neither ages nor AD and CN diagnoses; check scans.tsv.")
    return pd.concat(tables, ignore_index=True), fitted


def supervised(inputs: Inputs) -> pd.DataFrame:
    """What the supervised encoders' own heads say of the test subjects; they have seen the labels of the others."""
    tables = []
    for task in TASKS:
        rows, target = task_rows(inputs.scans, task)
        test = inputs.scans["split"].to_numpy()[rows] == "test"
        prediction = inputs.supervised_output(f"supervised_{task}", rows[test])
        keys = {"protocol": "test", "features": "supervised", "task": task, "fold": np.nan}
        tables.append(prediction_rows(inputs.scans, rows[test], target[test], prediction, keys))
    return pd.concat(tables)


def manipulation_probe(scans: pd.DataFrame, features: Features, seed: int) -> dict:
    """The AD probe of y_sem fitted on the training split alone, as JSON; the direction manipulation moves along.

    Without both classes in the training split there is no direction, and ``reason`` says so.
    """
    rows, target = task_rows(scans, "ad")
    train = scans["split"].to_numpy()[rows] == "train"
    if not can_be_fitted(target[train]):
        return {"reason": f"the training split lacks {POSITIVE} or {NEGATIVE} scans"}
    probe, _ = fit_chosen(scans, "ad", features, rows[train], target[train], rows[train], seed)
    return probe.as_json() | {"positive": POSITIVE, "features": "ldae"}


def lda_projection(scans: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """Fit on the training split, project every scan with a diagnosis.

    Fisher's discriminant with Ledoit-Wolf shrinkage of the covariance within classes, since there may be fewer
    subjects than dimensions. Axes are in units of the standard deviation within classes, and turned so that AD lies
    right of CN and MCI above zero.

    Returns:
        participant_id, session_id, diagnosis, split, axis_1, axis_2 (n/a where the training split has too few classes),
        and axis_ad_cn, the one axis of AD against CN alone, on which MCI is projected, too.
    """
    keep = scans["diagnosis"].isin(CLASSES).to_numpy()
    table = scans.loc[keep, [*KEY, "diagnosis", "split"]].reset_index(drop=True)
    codes, labels = np.asarray(codes, dtype=float)[keep], table["diagnosis"].to_numpy()
    train = (table["split"] == "train").to_numpy()
    axes = discriminant_axes(codes[train], labels[train])
    scores = (codes - codes[train].sum(axis=0) / max(train.sum(), 1)) @ axes
    for column, name in enumerate(("axis_1", "axis_2")):
        table[name] = scores[:, column] if column < scores.shape[1] else np.nan
    two = train & np.isin(labels, ("AD", "CN"))
    axis = discriminant_axes(codes[two], labels[two])
    table["axis_ad_cn"] = (codes - codes[two].mean(axis=0)) @ axis[:, 0] if axis.shape[1] else np.nan
    return table


def discriminant_axes(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(dimension, classes - 1) directions, strongest first, with unit variance within classes."""
    from sklearn.covariance import ledoit_wolf

    names = [name for name in CLASSES if (labels == name).any()]
    means = np.stack([codes[labels == name].mean(axis=0) for name in names]) if names else np.empty((0, codes.shape[1]))
    if len(names) < 2:
        return np.empty((codes.shape[1], 0))
    inside = np.concatenate([codes[labels == name] - mean for name, mean in zip(names, means, strict=True)])
    within, _ = ledoit_wolf(inside, assume_centered=True)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))
    weights = np.array([(labels == name).mean() for name in names])
    between = (means - weights @ means) * np.sqrt(weights)[:, None]
    _, _, directions = np.linalg.svd(between @ whiten, full_matrices=False)
    axes = whiten @ directions[: len(names) - 1].T
    place = dict(zip(names, (means - weights @ means) @ axes, strict=True))
    low, high = names[0], names[-1]
    if place[high][0] < place[low][0]:
        axes[:, 0] *= -1
    if "MCI" in place and axes.shape[1] > 1 and place["MCI"][1] < 0:
        axes[:, 1] *= -1
    return axes
