"""What stands beside the probes of Table 7: what else a code knows, and how many labels it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from ldae.config import Evaluation, Method
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY, KEY_TYPES
from ldae.studies.common.chance import CHANCE
from ldae.studies.common.feature_sets import TASKS, VoxelPca, code_sets, voxel_gram
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import Features, Task, can_be_fitted
from ldae.studies.common.scales import OnScale
from ldae.studies.common.statistics import (
    CONSTANT,
    NEGATIVE,
    PERMUTED,
    Estimate,
    auc,
    estimate_of,
    estimates_table,
    interval,
    mae,
    not_available,
)
from ldae.studies.probes.measure import (
    fit_chosen,
    probe_groups,
    task_rows,
)
from ldae.studies.probes.reading import components_read, read_from

METRICS: dict[Task, tuple[str, OnScale]] = {"ad": ("auc_ad_test", auc), "age": ("age_mae_test", mae)}
KEYS = ("method", "metric", "fraction", "n_train_subjects", "n_draws", "n_draws_used", "sd_of_draws")


def label_efficiency(scans: pd.DataFrame, sets: dict[str, Features], settings: Evaluation, seed: int) -> pd.DataFrame:
    """One estimate for every feature set, metric and fraction of ``settings.label_fractions``.

    Subsets of one draw are nested, and each holds the diagnoses in the cohort's proportions. The value is the mean over
    ``settings.label_draws`` draws, its interval holds the choice of the test subjects and of the draws, and
    ``sd_of_draws`` is how far apart single draws lie. Draws that lack a class cannot be fitted and are counted
    (``n_draws_used``). Only labels are taken away: the encoder has seen all training scans.
    """
    rows = []
    for task in TASKS:
        chosen, target = task_rows(scans, task)
        test = scans["split"].to_numpy()[chosen] == "test"
        orders = [ranked(scans.loc[chosen[~test]], draw, seed) for draw in range(settings.label_draws)]
        for fraction in settings.label_fractions:
            used = orders[:1] if fraction == 1 else orders
            subsets = [order[: max(1, round(fraction * len(order)))] for order in used]
            for name, features in sets.items():
                fitted = [
                    scores
                    for subset in subsets
                    if (scores := _scores(scans, task, features, chosen, target, test, subset, seed)) is not None
                ]
                estimate, apart = _estimate(scans, task, chosen[test], target[test], fitted, settings.bootstrap, seed)
                keys = (name, METRICS[task][0], fraction, len(subsets[0]), len(subsets), len(fitted), apart)
                rows.append(estimate.row(**dict(zip(KEYS, keys, strict=True))))
    return estimates_table(rows, KEYS)


def ranked(scans: pd.DataFrame, draw: int, seed: int) -> list[str]:
    """Subjects in the order in which a draw takes them: random, with every diagnosis in proportion all the way.

    The diagnosis of a subject is that of its last scan.
    """
    last = scans.sort_values(["participant_id", "months"]).groupby("participant_id")["diagnosis"].last().fillna("n/a")
    places = {}
    for stratum, group in last.groupby(last):
        rng = study_stream(seed, "label efficiency", draw, stratum)
        names = rng.permutation(sorted(group.index))
        for place, name in enumerate(names):
            places[str(name)] = (place + rng.random()) / len(names)
    return sorted(places, key=places.__getitem__)


def _scores(
    scans: pd.DataFrame,
    task: Task,
    features: Features,
    rows: np.ndarray,
    target: np.ndarray,
    test: np.ndarray,
    subset: Sequence[str],
    seed: int,
) -> np.ndarray | None:
    """Scores of the test scans by a probe fitted on the scans of ``subset``; None where it cannot be fitted."""
    inside = scans["participant_id"].isin(subset).to_numpy()[rows] & ~test
    if not test.any() or not can_be_fitted(target[inside]):
        return None
    probe, asked, _ = fit_chosen(scans, task, features, rows[inside], target[inside], rows[test], seed)
    return probe.score(asked)


def _estimate(
    scans: pd.DataFrame,
    task: Task,
    rows: np.ndarray,
    target: np.ndarray,
    fitted: list[np.ndarray],
    bootstrap: int,
    seed: int,
) -> tuple[Estimate, float | None]:
    """The mean over the draws, and the standard deviation between them; none of a single draw."""
    if not fitted:
        return not_available("no draw holds what a probe needs (two classes, or two ages)"), None
    if task == "ad" and not can_be_fitted(target):
        return not_available("the test subjects lack a class"), None
    values = np.column_stack([*fitted, target])
    subjects, measure = scans["participant_id"].to_numpy()[rows], METRICS[task][1]
    statistic, widen, apart = mean_over_draws(measure, len(fitted)), 1.0, None
    if len(fitted) > 1:
        single = [float(measure(values[:, [draw, -1]], np.ones((1, len(values))))[0]) for draw in range(len(fitted))]
        apart = float(np.std(single, ddof=1))
        widen = widened_by_draws(statistic, values, subjects, apart, len(fitted))
    return interval(values, subjects, statistic, bootstrap, seed, widen=widen), apart


def widened_by_draws(statistic: OnScale, values: np.ndarray, subjects: np.ndarray, apart: float, draws: int) -> float:
    """Factor on the standard error over test subjects that adds, in quadrature, that of the mean over draws.

    Few draws know their own spread badly: it counts by Student's t of their number (of five, 1.4 times as much).

    Args:
        apart: standard deviation between single draws.
    """
    error = apart / np.sqrt(draws) * float(t.ppf(0.975, draws - 1) / norm.ppf(0.975))
    of_subjects = statistic.spread(values, np.unique(subjects, return_inverse=True)[1], 1.0).error
    return float(np.hypot(1, error / of_subjects)) if of_subjects else 1.0


def mean_over_draws(statistic: OnScale, draws: int) -> OnScale:
    """Mean of a statistic of (score, target) over several columns of scores; the target is the last column."""

    def averaged(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.mean([statistic(values[:, [draw, draws]], weights) for draw in range(draws)], axis=0)

    return replace(statistic, function=averaged)


CONFOUNDS = ("field_strength", "study_phase")
COLUMNS = ("method", "metric", "classes", *CHANCE)


def confounds(
    scans: pd.DataFrame,
    sets: Mapping[str, Features],
    predictions: pd.DataFrame,
    folds: int,
    bootstrap: int,
    seed: int,
    held_out: bool = False,
    permutations: int = 0,
) -> pd.DataFrame:
    """One estimate per method and metric; ``classes`` names what is told apart, or what is held fixed.

    ``auc_<confound>_cv`` (mean of one class against the rest) and ``balanced_accuracy_<confound>_cv`` (mean recall)
    read from ``sets``, with what they are by chance (``chance``); ``auc_ad_<protocol>_within_field_strength`` and
    ``age_mae_<protocol>_cn`` of the predictions.

    Args:
        scans: with ``field_strength`` (tesla) and ``study_phase``, where they are known.
        predictions: those of :func:`ldae.studies.probes.measure.predict_all`.
        held_out: confounds are read from the scans of the other subjects alone.
        permutations: how often codes change places between subjects, for ``chance``.
    """
    rows = []
    for confound in CONFOUNDS:
        labels = labels_of(scans, confound)
        if held_out:
            labels = labels.where(scans["split"] != "test", None)
        for name, features in sets.items():
            read = read_from(scans, features, labels, folds, bootstrap, seed, permutations)
            rows += [reading.row(name, f"{metric}_{confound}_cv") for metric, reading in read.items()]
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


def run_probe_checks(
    inputs: Inputs,
    predictions: Path,
    settings: Evaluation,
    seed: int,
    out: Path,
    method: Method,
    held_out: bool = False,
    baselines: bool = True,
) -> None:
    """Write confounds.tsv, components.tsv and label_efficiency.tsv into ``out``.

    Args:
        inputs: opened with the manifest, for the study phase.
        predictions: predictions.tsv of :func:`ldae.studies.probes.measure.run_probes`.
        method: ``probe_split`` is read.
        held_out: no probe of a confound is fitted on test subjects (``splits.hold_out``).
        baselines: whether the paper's rivals were trained.
    """
    scans = inputs.scans.assign(probe_group=probe_groups(inputs.scans, method.probe_split))
    codes = code_sets(inputs, baselines)
    known = read_tsv(predictions, dtype=KEY_TYPES)
    found = confounds(
        scans, codes, known, settings.folds, settings.bootstrap, seed, held_out, settings.confound_permutations
    )
    write_tsv(out / "confounds.tsv", found)
    gram = voxel_gram(inputs, settings.batch)
    y_sem = inputs.code("y_sem", scans.index.to_numpy()).astype(float)
    write_tsv(out / "components.tsv", components_read(scans, y_sem, gram, settings.bootstrap, seed))
    sets = codes | {"pca_voxels": VoxelPca(gram)}
    write_tsv(out / "label_efficiency.tsv", label_efficiency(scans, sets, settings, seed))
