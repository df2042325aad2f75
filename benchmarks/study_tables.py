"""Numbers of the studies of preprocessing with their intervals: 95 %, percentile bootstrap over subjects."""

import numpy as np

from ldae.studies.common.statistics import Statistic, interval

RESAMPLES, SEED = 2000, 1


def with_interval(statistic: Statistic, subjects: np.ndarray, *columns: np.ndarray, digits: int = 3) -> str:
    """``value [low, high]``; columns have one entry a row, and ``subjects`` says whose it is."""
    found = interval(np.column_stack(columns), subjects, statistic, RESAMPLES, SEED)
    if found.value is None:
        return "n/a"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def slope(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least-squares slope of column 1 on column 0; NaN where column 0 does not vary."""
    x, y = (values[:, :2] - values[:, :2].mean(axis=0)).T
    total = weights.sum(1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    variance = weights @ x**2 / total - mean_x**2
    constant = variance <= 1e-12 * np.var(x)
    covariance = weights @ (x * y) / total - mean_x * mean_y
    return np.where(constant, np.nan, covariance / np.where(constant, 1, variance))


def centred_within(values: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Values less the mean of their subject's."""
    _, owner = np.unique(subjects, return_inverse=True)
    return values - (np.bincount(owner, values) / np.bincount(owner))[owner]
