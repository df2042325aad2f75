"""A linear probe of the semantic code, as it is used once it is fitted: scores, and steps along its direction.

How probes are fitted is a matter of the studies (:mod:`ldae.studies.common.linear_probes`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

FLAT = 1e-9  # length of the weight, in standardised units, below which it is rounding
SAME_SCORE = "the probe of AD gives every scan the same score, as it does where y_sem is the same for every scan"


@dataclass(frozen=True)
class Probe:
    """score(x) = weight . (x - mean) / std + bias: the logit of AD, or years."""

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray
    bias: float
    penalty: float

    def fits(self, dimension: int) -> bool:
        """Whether it can be asked of a code (dimension,): finite numbers, a direction, and a spread in every one."""
        vectors = (self.mean, self.std, self.weight)
        whole = all(one.shape == (dimension,) and np.isfinite(one).all() for one in vectors) and np.isfinite(self.bias)
        return bool(whole and (self.std > 0).all() and self.weight.any())

    def standardise(self, features: np.ndarray) -> np.ndarray:
        """(N, dimension) features in units of the rows that the probe was fitted on."""
        return (features - self.mean) / self.std

    def score(self, features: np.ndarray) -> np.ndarray:
        """(N,) scores of (N, dimension) features."""
        return self.standardise(features) @ self.weight + self.bias

    @property
    def flat(self) -> bool:
        """Whether every scan has the same score, as where their codes are the same: no step along it leads anywhere."""
        return float(np.linalg.norm(self.weight)) < FLAT

    def as_json(self) -> dict[str, Any]:
        """The probe as numbers and lists; :meth:`from_json` reads it."""
        vectors = {name: getattr(self, name).tolist() for name in ("mean", "std", "weight")}
        return vectors | {"bias": float(self.bias), "penalty": float(self.penalty)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Probe":
        """A probe that :meth:`as_json` wrote; further keys are left alone."""
        vectors = {name: np.asarray(content[name], dtype=float) for name in ("mean", "std", "weight")}
        return cls(**vectors, bias=content["bias"], penalty=content["penalty"])


def sigmoid(score: np.ndarray) -> np.ndarray:
    """Numerically safe 1 / (1 + exp(-score))."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(score, dtype=float)))


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1."""
    return vector / np.linalg.norm(vector)


def step_to(probe: Probe, code: np.ndarray, probability: float) -> float:
    """Alpha that takes a code (dimension,) to a probe probability: (logit(p) - logit now) / |w|."""
    wanted = np.log(probability) - np.log1p(-probability)
    return float((wanted - probe.score(code[None])[0]) / np.linalg.norm(probe.weight))


def moved(probe: Probe, code: np.ndarray, direction: np.ndarray, alpha: float) -> np.ndarray:
    """Code moved by ``alpha`` unit vectors in standardised space, back in its own units."""
    return code + alpha * direction * probe.std
