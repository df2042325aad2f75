"""Linear probes of the semantic code: AD against CN, and age (paper Table 7), beside what any encoder has to beat.

Predictions have one row per scan and protocol. ``cv``: subject-grouped cross-validation over all scans, which is no
test result, since the encoder has seen the training scans. ``test``: logistic or ridge regression fitted on the
training and validation subjects, measured on the test subjects. ``test_paper``: measured on the same scans, fitted as
the paper does (:mod:`ldae.studies.probes.paper_protocol`).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Method
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.inference.probe import Probe, sigmoid
from ldae.studies.common.feature_sets import TASKS, TaskSets, feature_sets, fixed, labelled_sets
from ldae.studies.common.frozen import NO_BASELINE
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import (
    Features,
    Task,
    can_be_fitted,
    choose,
    choose_and_score,
    fit,
    outer_folds,
)
from ldae.studies.common.statistics import CONSTANT, NEGATIVE, OURS, POSITIVE, estimates_table, not_available
from ldae.studies.probes.discriminant_plane import lda_projection
from ldae.studies.probes.estimates import COMPARED, differences, summary
from ldae.studies.probes.paper_protocol import paper_probes

METHOD = Method()
TRAINED_RIVALS = ("dae", "supervised", "supervised_features")  # of the paper, with networks of their own
COLUMNS = {  # of predictions.tsv -> what they hold
    "participant_id": "who was scanned",
    "session_id": "at which visit",
    "diagnosis": "at the visit: CN, MCI or AD",
    "age": "years, at the scan",
    "split": "of the subject: train, validation or test",
    "protocol": "cv: out-of-fold over all scans; test: fitted on training and validation subjects, measured on test "
    "subjects; test_paper: the same, fitted as the paper does",
    "features": "what the probe reads; ldae is y_sem",
    "task": "ad (AD against CN) or age",
    "fold": "of cv",
    "target": "1 for AD and 0 for CN, or years",
    "prediction": "logit of AD, or years; of majority_class 1 for AD and -1 for CN",
    "corrected": "years, with the pull of the prediction towards the mean age undone, as it shows in the scans that "
    "the probe was fitted on; n/a for diagnoses and where it is not known",
    "probability": "of AD, from the logit; n/a for ages and for majority_class",
}
LEAST_SLOPE = 0.1  # of the predicted over the true age, below which undoing it would only multiply noise
Line = tuple[float, float]
"""Slope and offset."""
Fitted = dict[str, dict]
"""Protocol, task and features -> a probe as JSON."""


def run_probes(
    inputs: Inputs,
    settings: Evaluation,
    seed: int,
    out: Path,
    method: Method = METHOD,
    held_out: bool = False,
    baselines: bool = True,
) -> None:
    """Write predictions, summary, differences, lda (.tsv), fitted.json and probe_ad.json into ``out``; predictions.json
    says what the columns of the first hold.

    Args:
        method: ``probe_split`` and ``positive_class`` are read.
        held_out: the test subjects were chosen (``splits.hold_out``): the cross-validation leaves them out, too.
        baselines: whether the paper's rivals were trained; else their rows say why they are n/a.
    """
    sets = feature_sets(inputs, settings.batch, baselines)
    scans = inputs.scans.assign(probe_group=probe_groups(inputs.scans, method.probe_split))
    labelled = labelled_sets(inputs) if baselines else {}
    predictions, fitted = predict_all(scans, sets, settings.folds, seed, labelled, held_out)
    predictions = pd.concat([predictions, supervised(inputs)], ignore_index=True) if baselines else predictions
    write_tsv(out / "predictions.tsv", with_probability(predictions))
    write_json(out / "predictions.json", {name: {"Description": words} for name, words in COLUMNS.items()})
    estimates = summary(predictions, settings.bootstrap, seed, method.positive_class)
    against = differences(predictions, settings.bootstrap, seed)
    if not baselines:
        estimates, against = with_absent(estimates), with_absent(against, f"{OURS}-")
    write_tsv(out / "summary.tsv", estimates)
    write_tsv(out / "differences.tsv", against)
    write_json(out / "fitted.json", fitted)
    chosen = {task: inputs.code_store(f"supervised_{task}").meta.get("selection") for task in TASKS if baselines}
    write_json(out / "supervised.json", {task: words for task, words in chosen.items() if words})
    probe = manipulation_probe(scans, sets["ad"]["ldae"], seed) | {"codes": inputs.code_store("y_sem").digest}
    write_json(out / "probe_ad.json", probe)
    write_tsv(out / "lda.tsv", lda_projection(inputs.scans, inputs.code("y_sem", inputs.scans.index)))


def with_absent(table: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """Rows for the rivals that were not trained, with the reason.

    Args:
        prefix: of a method's name; ``ldae-`` for a paired difference.
    """
    rows = [
        not_available(NO_BASELINE).row(method=f"{prefix}{name}", metric=f"{metric}_{protocol}")
        for name in TRAINED_RIVALS
        for metric in COMPARED
        for protocol in (("cv", "test") if name == "dae" else ("test",))
    ]
    return pd.concat([table, estimates_table(rows)], ignore_index=True)


def predict_all(
    scans: pd.DataFrame,
    sets: TaskSets,
    folds: int,
    seed: int,
    labelled: TaskSets | None = None,
    held_out: bool = False,
) -> tuple[pd.DataFrame, Fitted]:
    """One row per scan, task, feature set and protocol (scans that no probe could be fitted for are left out), and the
    probes that the test subjects were measured with.

    Args:
        labelled: features that have seen the labels of all but the test subjects: not cross-validated.
        held_out: no probe is fitted on a test subject, that of a fold of the cross-validation neither.
    """
    tables: list[pd.DataFrame] = []
    fitted: Fitted = {}
    folded = outer_folds(scans, folds, seed, held_out)
    for task in TASKS:
        rows, target = task_rows(scans, task)
        inside = folded[rows] >= 0
        for name, features in sets[task].items():
            tables.append(cross_validated(scans, task, name, features, rows[inside], target[inside], folded, seed))
        tested_sets = sets[task] | (labelled or {}).get(task, {})
        for part in (tested, tested_as_paper):
            found, probes = part(scans, task, tested_sets, rows, target, seed)
            tables.append(found)
            fitted |= probes
        tables.append(constant_predictor(scans, task, rows[inside], target[inside], "cv", folded[rows[inside]]))
        test = scans["split"].to_numpy()[rows] == "test"
        tables.append(constant_predictor(scans, task, rows, target, "test", test))
    rows, target = task_rows(scans, "ad")
    rows, target = rows[folded[rows] >= 0], target[folded[rows] >= 0]
    shuffled = permuted(scans["participant_id"].to_numpy()[rows], target, folded[rows], seed)
    tables.append(cross_validated(scans, "ad", "permuted_labels", sets["ad"]["ldae"], rows, shuffled, folded, seed))
    tables = [table for table in tables if len(table)]
    if not tables:
        raise UserError("No probe can be fitted: the scans have neither ages nor AD and CN diagnoses; check scans.tsv.")
    return pd.concat(tables, ignore_index=True), fitted


def fitted_on_codes(scans: pd.DataFrame, codes: np.ndarray, seed: int, method: Method = METHOD) -> Fitted:
    """The probes of y_sem that test subjects are measured with, as :func:`run_probes` keeps them in fitted.json.

    Args:
        codes: (scans, dimension) y_sem.
    """
    grouped = scans.assign(probe_group=probe_groups(scans, method.probe_split))
    sets: dict[str, Features] = {OURS: fixed(codes)}
    fitted: Fitted = {}
    for task in TASKS:
        rows, target = task_rows(grouped, task)
        for part in (tested, tested_as_paper):
            fitted |= part(grouped, task, sets, rows, target, seed)[1]
    return fitted


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


def with_probability(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions with a column ``probability``: of AD, where the prediction is a logit."""
    logit = (predictions["task"] == "ad") & (predictions["features"] != CONSTANT["ad"])
    probability = sigmoid(predictions["prediction"].to_numpy(float))
    return predictions.assign(probability=np.where(logit, probability, np.nan))


def manipulation_probe(scans: pd.DataFrame, features: Features, seed: int) -> dict:
    """The AD probe of y_sem fitted on the training split alone, as JSON; the direction manipulation moves along.

    Without both classes in the training split there is no direction, and ``reason`` says so.
    """
    rows, target = task_rows(scans, "ad")
    train = scans["split"].to_numpy()[rows] == "train"
    if not can_be_fitted(target[train]):
        return {"reason": f"the training split lacks {POSITIVE} or {NEGATIVE} scans"}
    probe, *_ = fit_chosen(scans, "ad", features, rows[train], target[train], rows[train], seed)
    return probe.as_json() | {"positive": POSITIVE, "features": "ldae"}


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


def permuted(subjects: np.ndarray, target: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """Labels shuffled between the subjects of each fold (the label of a subject's last scan): chance, as this
    cross-validation reads it. It finds no leak of the labels into the features, since those do not see the new labels.

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


def cross_validated(
    scans: pd.DataFrame,
    task: Task,
    name: str,
    features: Features,
    rows: np.ndarray,
    target: np.ndarray,
    folds: np.ndarray,
    seed: int,
) -> pd.DataFrame:
    """Out-of-fold predictions. Penalty, standardisation and PCA see the other folds only.

    Args:
        folds: of :func:`outer_folds`.
    """
    fold = folds[rows]
    tables = []
    for held_out in np.unique(fold):
        inside, outside = fold != held_out, fold == held_out
        if not outside.any() or not can_be_fitted(target[inside]):
            continue
        probe, asked, line = fit_chosen(scans, task, features, rows[inside], target[inside], rows[outside], seed)
        keys = {"protocol": "cv", "features": name, "task": task, "fold": int(held_out)}
        said = probe.score(asked)
        tables.append(prediction_rows(scans, rows[outside], target[outside], said, keys, undone(said, line)))
    return pd.concat(tables) if tables else pd.DataFrame()


def tested(
    scans: pd.DataFrame, task: Task, sets: dict[str, Features], rows: np.ndarray, target: np.ndarray, seed: int
) -> tuple[pd.DataFrame, Fitted]:
    """Predictions for the test subjects by probes fitted on all others, and these probes."""
    test = scans["split"].to_numpy()[rows] == "test"
    tables: list[pd.DataFrame] = []
    fitted: Fitted = {}
    if not test.any() or not can_be_fitted(target[~test]):
        return pd.DataFrame(), fitted
    for name, features in sets.items():
        probe, asked, line = fit_chosen(scans, task, features, rows[~test], target[~test], rows[test], seed)
        keys, said = {"protocol": "test", "features": name, "task": task, "fold": np.nan}, probe.score(asked)
        tables.append(prediction_rows(scans, rows[test], target[test], said, keys, undone(said, line)))
        fitted[f"test {task} {name}"] = probe.as_json()
    return pd.concat(tables), fitted


def tested_as_paper(
    scans: pd.DataFrame, task: Task, sets: dict[str, Features], rows: np.ndarray, target: np.ndarray, seed: int
) -> tuple[pd.DataFrame, Fitted]:
    """The same by the paper's protocol: fitted on the training split alone, no validation subject."""
    split = scans["split"].to_numpy()[rows]
    train, test = split == "train", split == "test"
    if not test.any() or not can_be_fitted(target[train]):
        return pd.DataFrame(), {}
    seen, asked = {}, {}
    groups = _groups(scans)[rows[train]]
    for name, features in sets.items():
        seen[name], asked[name] = features(rows[train], rows[test])
        if getattr(features, "widths", None):  # as many components as the cross-validated probe takes
            strata = _strata(scans, rows[train])
            _, width = choose(task, features, rows[train], target[train], groups, strata, seed)
            seen[name], asked[name] = seen[name][:, :width], asked[name][:, :width]
    probes = paper_probes(task, seen, target[train], groups, seed)
    keys = {"protocol": "test_paper", "task": task, "fold": np.nan}
    tables = [
        prediction_rows(scans, rows[test], target[test], probe.score(asked[name]), keys | {"features": name})
        for name, probe in probes.items()
    ]
    fitted = {f"test_paper {task} {name}": probe.as_json() for name, probe in probes.items()}
    return (pd.concat(tables) if tables else pd.DataFrame()), fitted


def constant_predictor(
    scans: pd.DataFrame, task: Task, rows: np.ndarray, target: np.ndarray, protocol: str, group: np.ndarray
) -> pd.DataFrame:
    """Every scan gets the mean age, or the more frequent class (1 AD, -1 CN), of the scans it was not fitted on.

    Args:
        group: (rows,) the fold of each scan; or whether it is a test scan, then only those are predicted.
    """
    tables = []
    for held_out in np.unique(group) if protocol == "cv" else [True]:
        inside, outside = group != held_out, group == held_out
        if inside.any() and outside.any():
            fold = held_out if protocol == "cv" else np.nan
            keys = {"protocol": protocol, "features": CONSTANT[task], "task": task, "fold": fold}
            value = target[inside].mean() if task == "age" else (1.0 if target[inside].mean() > 0.5 else -1.0)
            tables.append(prediction_rows(scans, rows[outside], target[outside], np.full(outside.sum(), value), keys))
    return pd.concat(tables) if tables else pd.DataFrame()


def fit_chosen(
    scans: pd.DataFrame,
    task: Task,
    features: Features,
    fit_rows: np.ndarray,
    target: np.ndarray,
    rows: np.ndarray,
    seed: int,
) -> tuple[Probe, np.ndarray, Line | None]:
    """A probe fitted on ``fit_rows`` with the penalty their inner folds choose, the features of ``rows``, and for ages
    how what the inner folds say of ``fit_rows`` depends on the age.
    """
    groups, strata = _groups(scans)[fit_rows], _strata(scans, fit_rows)
    penalty, width, said = choose_and_score(task, features, fit_rows, target, groups, strata, seed)
    seen, asked = features(fit_rows, rows)
    return fit(task, seen, target, penalty, width), asked, pull(said, target) if task == "age" else None


def pull(said: np.ndarray, age: np.ndarray) -> Line | None:
    """Slope and offset of the predicted age (N,) over the age; none where it hardly follows the age.

    A regression pulls its predictions towards the mean: the old are said to be younger, the young older than they are
    (slope below 1). ``said`` are out-of-fold predictions of the scans that the probe is fitted on (Smith 2019, Cole
    2020): no test subject's age has a part in it.
    """
    known = np.isfinite(said)
    if known.sum() < 3 or np.ptp(age[known]) == 0:
        return None
    slope, offset = np.polyfit(age[known], said[known], 1)
    return (float(slope), float(offset)) if slope >= LEAST_SLOPE else None


def undone(said: np.ndarray, line: Line | None) -> np.ndarray:
    """Predicted ages (N,) without the pull towards the mean; NaN where that is not known."""
    return np.full(len(said), np.nan) if line is None else (said - line[1]) / line[0]


def _groups(scans: pd.DataFrame) -> np.ndarray:
    return scans.get("probe_group", scans["participant_id"]).to_numpy()


def _strata(scans: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """What the inner folds are stratified by: the diagnosis at the visit."""
    return scans["diagnosis"].fillna("n/a").to_numpy()[rows]


def prediction_rows(
    scans: pd.DataFrame,
    rows: np.ndarray,
    target: np.ndarray,
    prediction: np.ndarray,
    keys: dict,
    corrected: np.ndarray | float = np.nan,
) -> pd.DataFrame:
    """The predictions (logit of AD, or years) of some scans: who they are, ``keys``, target, prediction, corrected."""
    table = scans.loc[rows, [*KEY, "diagnosis", "age", "split"]]
    return table.assign(**keys, target=target, prediction=prediction, corrected=corrected)
