"""Cox's proportional hazards with a ridge penalty, by lifelines; the penalty is chosen on held-out subjects."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from ldae.studies.common.linear_probes import moments, subject_folds

if TYPE_CHECKING:
    from lifelines import CoxPHFitter

PENALTIES = (1.0, 0.1, 0.01)  # on half the squared weights of standardised features, per mean log partial likelihood
INNER_FOLDS = 3
MOST = 64.0  # hazard where everybody converts


class Unfitted(ValueError):
    """No model could be fitted; the words say why."""


@dataclass(frozen=True)
class RidgeCox:
    """A fitted model.

    Attributes:
        mean, std: of the features that it was fitted on.
        used: the columns that vary there; the others say nothing.
        model: on standardised features.
        times, hazards: months with conversions, and the baseline's hazard from the visits before to these.
    """

    mean: np.ndarray
    std: np.ndarray
    used: np.ndarray
    model: "CoxPHFitter"
    times: np.ndarray
    hazards: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, months: np.ndarray, converted: np.ndarray, penalty: float) -> "RidgeCox":
        """Partial likelihood with Efron's ties less ``penalty / 2 |w|^2``, and the baseline of :func:`baseline`.

        Args:
            features: (subjects, K).
            months, converted: (subjects,) until AD was seen (1), or the last visit (0).

        Raises:
            Unfitted: no feature varies, or Newton's method does not end.
        """
        from lifelines import CoxPHFitter
        from lifelines.exceptions import ConvergenceError

        mean, std = moments(features)
        used = np.ptp(features, axis=0) > 1e-12 * np.maximum(1, np.abs(mean))
        if not used.any():
            raise Unfitted("it is not known, or the same, of all subjects to fit on")
        table = _table((features - mean) / std, used).assign(months=months, converted=converted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few events the report speaks; its p-values nobody reads
            try:
                model = CoxPHFitter(penalizer=penalty, l1_ratio=0.0).fit(table, "months", "converted")
            except ConvergenceError as error:
                raise Unfitted("Newton's method did not end") from error
        score = model.params_.to_numpy() @ table[model.params_.index].to_numpy().T
        return cls(mean, std, used, model, *baseline(score, months, converted))

    @classmethod
    def choose(cls, features: np.ndarray, months: np.ndarray, converted: np.ndarray, seed: int) -> "RidgeCox":
        """Fitted with the penalty that makes the partial likelihood of held-out subjects largest; of equal ones the
        strongest (after Verweij and van Houwelingen 1993)."""
        fold = subject_folds([f"{row:06d}" for row in range(len(months))], converted, INNER_FOLDS, seed)
        found = np.zeros(len(PENALTIES))
        for held_out in range(INNER_FOLDS):
            inside, outside = fold != held_out, fold == held_out
            if not converted[inside].any() or not converted[outside].any():
                continue
            asked = features[outside], months[outside], converted[outside]
            try:
                fitted = [cls.fit(features[inside], months[inside], converted[inside], each) for each in PENALTIES]
            except Unfitted:  # what varies among all may be the same of these
                continue
            found += [model.log_likelihood(*asked) for model in fitted]
        return cls.fit(features, months, converted, PENALTIES[int(np.argmax(found))])

    def log_likelihood(self, features: np.ndarray, months: np.ndarray, converted: np.ndarray) -> float:
        """Log partial likelihood of other subjects among themselves."""
        table = self._standardised(features).assign(months=months, converted=converted)
        return float(self.model.score(table, scoring_method="log_likelihood")) * len(table)

    def risk(self, features: np.ndarray, months: float) -> np.ndarray:
        """(subjects,) probability of AD within so many months."""
        table = self._standardised(features)
        score = table[self.model.params_.index].to_numpy() @ self.model.params_.to_numpy()
        return -np.expm1(-np.exp(score) * self.hazards[self.times <= months].sum())

    def _standardised(self, features: np.ndarray) -> pd.DataFrame:
        return _table((features - self.mean) / self.std, self.used)


def baseline(score: np.ndarray, months: np.ndarray, converted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Months with conversions, and the hazard up to each of a subject of score 0 (Kalbfleisch and Prentice 1973).

    Conversions are seen at visits, many at the same one. Breslow's estimate, which takes them one after the other,
    is then too small, and so is every risk.

    Args:
        score: (subjects,) logarithm of the relative hazard.
    """
    relative = np.exp(score)
    times = np.unique(months[converted == 1])
    hazards = []
    for time in times:
        seen, at_risk = relative[(months == time) & (converted == 1)], relative[months >= time].sum()

        def lacking(hazard: float, seen: np.ndarray = seen, at_risk: float = at_risk) -> float:
            return float((seen / -np.expm1(-hazard * seen)).sum() - at_risk)

        highest = 1.0
        while lacking(highest) > 0 and highest < MOST:
            highest *= 2
        lowest = 0.5 * len(seen) / at_risk  # as few as that is too little: x / (1 - exp(-h x)) is above 1 / h
        hazards.append(float(brentq(lacking, lowest, highest)) if lacking(highest) < 0 else highest)
    return times, np.array(hazards)


def _table(standardised: np.ndarray, used: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({f"x{place}": standardised[:, place] for place in np.flatnonzero(used)})
