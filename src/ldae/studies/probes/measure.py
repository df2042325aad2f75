"""Linear probes of the semantic code: AD against CN, and age (paper Table 7), beside what any encoder has to beat."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Method
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_tsv
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import Features
from ldae.studies.probes.discriminant_plane import lda_projection
from ldae.studies.probes.estimates import differences, summary
from ldae.studies.probes.features import TASKS, TaskSets, feature_sets, labelled_sets
from ldae.studies.probes.folds import NEGATIVE, POSITIVE, can_be_fitted, outer_folds, permuted, probe_groups, task_rows
from ldae.studies.probes.protocols import (
    Fitted,
    constant_predictor,
    cross_validated,
    fit_chosen,
    prediction_rows,
    tested,
    tested_as_paper,
)

METHOD = Method()


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
    tables, fitted = [], {}
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
