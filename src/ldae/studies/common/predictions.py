"""Estimates from what probes say: values (rows, 2) of prediction and target, a logit and 0/1 with AD = 1, or years."""

import numpy as np
import pandas as pd

from ldae.studies.common.scales import Share, on
from ldae.studies.common.statistics import Estimate, Statistic, cv_widening, interval, not_available

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
OURS, PERMUTED = "ldae", "permuted_labels"
CONSTANT = {"ad": "majority_class", "age": "mean_predictor"}  # what is said without looking
POSITIVE, NEGATIVE = "AD", "CN"


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element by element; NaN where the denominator is not above 0."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)


def counts(values: np.ndarray, weights: np.ndarray) -> Counts:
    """True and false positives, true and false negatives at probability 0.5, each (replicates,)."""
    called, positive = values[:, 0] > 0, values[:, 1] > 0.5
    cells = (called & positive, called & ~positive, ~called & ~positive, ~called & positive)
    return tuple(weights @ cell.astype(float) for cell in cells)


@on(Share(of=1), by_class=True)
def sensitivity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of AD."""
    tp, _, _, fn = counts(values, weights)
    return ratio(tp, tp + fn)


@on(Share(of=0), by_class=True)
def specificity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of CN (what the paper's code calls recall: its positive class is CN)."""
    _, fp, tn, _ = counts(values, weights)
    return ratio(tn, tn + fp)


def unfitted(task: str) -> str:
    """The sentence for a task whose training subjects lack a class or their ages."""
    missing = "a class is" if task == "ad" else "ages are"
    return f"no probe could be fitted: {missing} missing among the other subjects"


def estimate_of(group: pd.DataFrame, task: str, statistic: Statistic, bootstrap: int, seed: int) -> Estimate:
    """One metric of some predictions, or why it cannot be had."""
    if group.empty:
        return not_available(unfitted(task))
    if task == "ad" and group["target"].nunique() < 2:
        absent = "AD" if group["target"].iloc[0] == 0 else "CN"
        return not_available(f"no {absent} scan among the {group['participant_id'].nunique()} subjects")
    values = group[["prediction", "target"]].to_numpy(float)
    return interval(
        values, group["participant_id"], statistic, bootstrap, seed, widen=cv_widening(group.get("fold", ()))
    )
