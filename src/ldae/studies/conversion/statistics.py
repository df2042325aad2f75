"""Weighted statistics of times to AD; a statistic takes values (rows, columns) and weights (replicates, rows).

Who was not followed long enough is stood for by those who were: inverse probability of censoring weights, the same for
every code, estimated once from all subjects of the study. They presume that the end of a follow-up says nothing about
the conversion.
"""

import numpy as np

from ldae.studies.common.probability_scores import brier, in_the_large, slope
from ldae.studies.common.scales import Amount, OnScale, Ranks, Share, on
from ldae.studies.common.statistics import auc, ratio
from ldae.studies.conversion.names import BRIER, DYNAMIC, LARGE, SLOPE, STABLE, UNO


@on(Ranks(), by_class=True)
def uno_c(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Concordance of score and time up to the horizon (Uno et al. 2011): of two subjects the one who converts first has
    the higher score. Ties of the score count half.

    Columns: score, months, weight of the censoring, conversion within the horizon. Who converts at a visit comes before
    those whose follow-up ends there.
    """
    score, months, censoring, converted = values.T
    later = (months[None] > months[:, None]) | ((months[None] == months[:, None]) & (converted[None] == 0))
    pairs = (converted * censoring**2)[:, None] * later
    right = (score[:, None] > score[None]) + 0.5 * (score[:, None] == score[None])
    return ratio(((weights @ (pairs * right)) * weights).sum(axis=1), ((weights @ pairs) * weights).sum(axis=1))


def weighted(statistic: OnScale) -> OnScale:
    """A statistic of score and label where a subject counts by a weight. Columns: score, weight, label."""

    @on(statistic.scale, by_class=True)
    def inner(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return statistic(values[:, [0, 2]], weights * values[:, 1])

    return inner


def not_converted(month: float) -> OnScale:
    """Share without AD after so many months, by Kaplan and Meier (1958). Columns: months, conversion. NaN where nobody
    was followed for so long."""

    @on(Share())
    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        months, converted = values.T
        free = np.ones(len(weights))
        for time in np.unique(months[(converted == 1) & (months <= month)]):
            seen = weights @ ((months == time) & (converted == 1)).astype(float)
            at_risk = weights @ (months >= time).astype(float)
            free = free * (1 - seen / np.where(at_risk > 0, at_risk, 1))
        reached = weights @ (months >= month).astype(float)
        return np.where((reached > 0) | (free == 0), free, np.nan)

    return statistic


SCORED = ("risk", "weight_36m", "converted_36m")
LOGIT = ("logit", "weight_36m", "converted_36m")
STATISTICS: dict[str, tuple[OnScale, tuple[str, ...]]] = {  # metric -> statistic and the columns that it takes
    UNO: (uno_c, ("risk", "months", "weight", "by_36m")),
    DYNAMIC: (weighted(auc), SCORED),
    STABLE: (auc, ("risk", "converted_36m")),
    BRIER: (weighted(brier), LOGIT),
    SLOPE: (weighted(slope), LOGIT),
    LARGE: (weighted(in_the_large), LOGIT),
}
mean_risk = on(Amount(most=1.0))(lambda values, weights: weights @ values[:, 0] / weights.sum(axis=1))
