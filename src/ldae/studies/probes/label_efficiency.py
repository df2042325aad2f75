"""How many labels a probe needs: fitted on 1 % to all of the training subjects, measured on the test subjects."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.keyed import study_stream
from ldae.studies.common.linear_probes import Features, Task
from ldae.studies.common.statistics import Estimate, Statistic, auc, estimates_table, interval, not_available
from ldae.studies.probes.estimates import mae
from ldae.studies.probes.features import TASKS
from ldae.studies.probes.measure import can_be_fitted, fit_chosen, task_rows

METRICS: dict[Task, tuple[str, Statistic]] = {"ad": ("auc_ad_test", auc), "age": ("age_mae_test", mae)}
KEYS = ("method", "metric", "fraction", "n_train_subjects", "n_draws", "n_draws_used")


def label_efficiency(scans: pd.DataFrame, sets: dict[str, Features], settings: Evaluation, seed: int) -> pd.DataFrame:
    """One estimate for every feature set, metric and fraction of ``settings.label_fractions``.

    Subsets of one draw are nested, and each holds the diagnoses in the cohort's proportions. The value is the mean over
    ``settings.label_draws`` draws, the interval that of the test subjects; draws that lack a class cannot be fitted and
    are counted (``n_draws_used``). Only labels are taken away: the encoder has seen all training scans.
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
                estimate = _estimate(scans, task, chosen[test], target[test], fitted, settings.bootstrap, seed)
                keys = (name, METRICS[task][0], fraction, len(subsets[0]), len(subsets), len(fitted))
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
    probe, asked = fit_chosen(scans, task, features, rows[inside], target[inside], rows[test], seed)
    return probe.score(asked)


def _estimate(
    scans: pd.DataFrame,
    task: Task,
    rows: np.ndarray,
    target: np.ndarray,
    fitted: list[np.ndarray],
    bootstrap: int,
    seed: int,
) -> Estimate:
    if not fitted:
        return not_available("no draw holds what a probe needs (two classes, or two ages)")
    if task == "ad" and not can_be_fitted(target):
        return not_available("the test subjects lack a class")
    values = np.column_stack([*fitted, target])
    statistic = mean_over_draws(METRICS[task][1], len(fitted))
    return interval(values, scans["participant_id"].to_numpy()[rows], statistic, bootstrap, seed)


def mean_over_draws(statistic: Statistic, draws: int) -> Statistic:
    """Mean of a statistic of (score, target) over several columns of scores; the target is the last column."""

    def averaged(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.mean([statistic(values[:, [draw, draws]], weights) for draw in range(draws)], axis=0)

    return averaged
