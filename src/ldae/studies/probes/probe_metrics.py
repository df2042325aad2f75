"""Metrics of linear probes as weighted statistics. Values: prediction, target (logit and 0/1 with AD = 1, or years)."""

import numpy as np

from ldae.studies.common.statistics import Statistic, auc, correlation

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)


def _counts(values: np.ndarray, weights: np.ndarray) -> Counts:
    """True and false positives, true and false negatives at probability 0.5, each (replicates,)."""
    called, positive = values[:, 0] > 0, values[:, 1] > 0.5
    cells = (called & positive, called & ~positive, ~called & ~positive, ~called & positive)
    return tuple(weights @ cell.astype(float) for cell in cells)


def accuracy(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    tp, fp, tn, fn = _counts(values, weights)
    return _ratio(tp + tn, tp + fp + tn + fn)


def sensitivity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of AD."""
    tp, _, _, fn = _counts(values, weights)
    return _ratio(tp, tp + fn)


def specificity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Recall of CN (what the paper's code calls recall: its positive class is CN)."""
    _, fp, tn, _ = _counts(values, weights)
    return _ratio(tn, tn + fp)


def balanced_accuracy(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (sensitivity(values, weights) + specificity(values, weights)) / 2


def precision(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    tp, fp, _, _ = _counts(values, weights)
    return _ratio(tp, tp + fp)


def f1(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    tp, fp, _, fn = _counts(values, weights)
    return _ratio(2 * tp, 2 * tp + fp + fn)


def mcc(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient."""
    tp, fp, tn, fn = _counts(values, weights)
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def mae(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _ratio(weights @ np.abs(values[:, 0] - values[:, 1]), weights.sum(1))


def rmse(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Over all rows at once; a mean over batches would be too low (Jensen)."""
    return np.sqrt(_ratio(weights @ (values[:, 0] - values[:, 1]) ** 2, weights.sum(1)))


def r2(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 - squared error / squared distance from the mean of the evaluated rows."""
    target = values[:, 1] - values[:, 1].mean()
    total = weights.sum(1)
    spread = weights @ target**2 - (weights @ target) ** 2 / total
    return 1 - _ratio(weights @ (values[:, 0] - values[:, 1]) ** 2, np.where(spread > 1e-12, spread, 0))


AD_METRICS: dict[str, Statistic] = {
    "auc_ad": auc,
    "accuracy_ad": accuracy,
    "balanced_accuracy_ad": balanced_accuracy,
    "sensitivity_ad": sensitivity,
    "specificity_ad": specificity,
    "precision_ad": precision,
    "f1_ad": f1,
    "mcc_ad": mcc,
}


def with_cn_positive(statistic: Statistic) -> Statistic:
    """The same statistic with CN as the positive class, as in the paper's Table 7."""

    def turned(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return statistic(np.column_stack([-values[:, 0], 1 - values[:, 1]]), weights)

    return turned


CN_METRICS: dict[str, Statistic] = {
    f"{name}_cn_positive": with_cn_positive(statistic)
    for name, statistic in (
        ("sensitivity", sensitivity),
        ("specificity", specificity),
        ("precision", precision),
        ("f1", f1),
    )
}
AGE_METRICS: dict[str, Statistic] = {"age_mae": mae, "age_rmse": rmse, "age_r": correlation, "age_r2": r2}
METRICS = {"ad": AD_METRICS, "age": AGE_METRICS}
