"""Weighted statistics of predicted probabilities; values are a logit of AD and the label, AD = 1.

As in :mod:`ldae.studies.common.statistics`, a statistic takes values (rows, 2) and weights (replicates, rows).
"""

import numpy as np
from scipy.special import expit

from ldae.studies.common.scales import Amount, OnScale, on

STEPS, CONVERGED = 60, 1e-8


@on(Amount(positive=True), by_class=True)
def brier(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared distance of the probability from the label (Brier 1950)."""
    return weights @ (expit(values[:, 0]) - values[:, 1]) ** 2 / weights.sum(axis=1)


@on(Amount(signed=True), by_class=True)
def in_the_large(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean probability less the share of AD: above 0, AD is expected too often."""
    return weights @ (expit(values[:, 0]) - values[:, 1]) / weights.sum(axis=1)


@on(Amount(signed=True), by_class=True)
def slope(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Slope of a logistic regression of the label on the logit (Cox 1958): 1 is right, below 1 the probabilities are
    too extreme. NaN where no such regression exists: a class is missing, all logits are equal or they part the classes.
    """
    logit, label = values.T
    centre, spread = logit.mean(), logit.std()
    if spread <= 1e-12 * max(1.0, abs(centre)):
        return np.full(len(weights), np.nan)
    x = (logit - centre) / spread
    start = _newton(x, label, np.ones((1, len(x))), np.zeros((1, 2)))
    line = _newton(x, label, weights, np.repeat(np.where(np.isnan(start), 0, start), len(weights), axis=0))
    return line[:, 1] / spread


def _newton(x: np.ndarray, label: np.ndarray, weights: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(replicates, 2) offset and slope by Newton's method; NaN where it does not end."""
    parted = np.array([_parted(x[row > 0], label[row > 0]) for row in weights])
    ended = np.zeros(len(weights), dtype=bool)
    for _ in range(STEPS):
        said = expit(line[:, :1] + line[:, 1:] * x)
        error, curved = weights * (label - said), weights * said * (1 - said)
        first = np.stack([error.sum(axis=1), error @ x], axis=1)
        a, b, c = curved.sum(axis=1), curved @ x, curved @ x**2
        flat = a * c - b**2
        safe = np.where(flat > 0, flat, 1.0)
        step = np.stack([c * first[:, 0] - b * first[:, 1], a * first[:, 1] - b * first[:, 0]], axis=1) / safe[:, None]
        line = line + np.where((flat > 0)[:, None], np.clip(step, -2, 2), 0)
        ended = (flat > 0) & (np.abs(step).max(axis=1) < CONVERGED)
        if (ended | parted).all():
            break
    return np.where((ended & ~parted)[:, None], line, np.nan)


def _parted(x: np.ndarray, label: np.ndarray) -> bool:
    """A class is missing, or some logit has all of one class on either side: the best slope is without end."""
    high, low = x[label > 0.5], x[label <= 0.5]
    return not (len(high) and len(low)) or high.min() >= low.max() or low.min() >= high.max()


def net_benefit(threshold: float) -> OnScale:
    """Of calling AD from a probability on: true positives less false ones at the odds of the threshold, as a share of
    all scans (Vickers & Elkin 2006). Calling nobody is 0."""

    @on(Amount(signed=True), by_class=True)
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        called, label = expit(values[:, 0]) >= threshold, values[:, 1]
        worth = called * (label - (1 - label) * threshold / (1 - threshold))
        return weights @ worth / weights.sum(axis=1)

    return statistic
