"""Linear probes: penalised logistic and linear regression on standardised features; folds are dealt by subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ldae.evaluation.statistics import generator

Task = Literal["ad", "age"]
Features = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(rows to fit on, rows to describe) -> their feature matrices; only the first may shape the features."""

PENALTIES = {"ad": np.logspace(-1, 4, 6), "age": np.logspace(0, 5, 6)}
INNER_FOLDS = 4
_ITERATIONS, _TOLERANCE = 100, 1e-10


@dataclass(frozen=True)
class Probe:
    """score(x) = weight . (x - mean) / std + bias: the logit of AD, or years."""

    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray
    bias: float
    penalty: float

    def standardise(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean) / self.std

    def score(self, features: np.ndarray) -> np.ndarray:
        """(N,) scores of (N, dimension) features."""
        return self.standardise(features) @ self.weight + self.bias

    def as_json(self) -> dict[str, Any]:
        vectors = {name: getattr(self, name).tolist() for name in ("mean", "std", "weight")}
        return vectors | {"bias": float(self.bias), "penalty": float(self.penalty)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Probe":
        vectors = {name: np.asarray(content[name], dtype=float) for name in ("mean", "std", "weight")}
        return cls(**vectors, bias=content["bias"], penalty=content["penalty"])


def sigmoid(score: np.ndarray) -> np.ndarray:
    """Numerically safe 1 / (1 + exp(-score))."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(score, dtype=float)))


def _logistic(features: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Newton's method with step halving for sum(log loss) + penalty/2 |w|^2; the bias is not penalised."""
    design = np.column_stack([features, np.ones(len(features))])
    ridge = np.append(np.full(features.shape[1], penalty), 0.0)
    theta = np.zeros(design.shape[1])

    def loss(theta: np.ndarray) -> float:
        score = design @ theta
        return float(np.logaddexp(0, score).sum() - labels @ score + 0.5 * ridge @ theta**2)

    current = loss(theta)
    for _ in range(_ITERATIONS):
        probability = sigmoid(design @ theta)
        gradient = design.T @ (probability - labels) + ridge * theta
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(ridge + 1e-12)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while (after := loss(theta - size * step)) > current and size > 1e-6:
            size /= 2
        theta, gain, current = theta - size * step, current - after, after
        if gain < _TOLERANCE * (1 + abs(current)):
            break
    return theta[:-1], float(theta[-1])


def _ridge(features: np.ndarray, target: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Closed form for sum of squares + penalty |w|^2; features are centred, so the bias is the mean."""
    gram = features.T @ features + penalty * np.eye(features.shape[1])
    return np.linalg.solve(gram, features.T @ (target - target.mean())), float(target.mean())


def fit(task: Task, features: np.ndarray, target: np.ndarray, penalty: float) -> Probe:
    """Standardise with these rows and fit on them. ``target``: 0/1 with AD = 1, or years."""
    features = np.asarray(features, dtype=float)
    mean, std = features.mean(axis=0), features.std(axis=0)
    std = np.where(std > 1e-12, std, 1.0)
    solver = _logistic if task == "ad" else _ridge
    weight, bias = solver((features - mean) / std, np.asarray(target, dtype=float), penalty)
    return Probe(mean, std, weight, bias, float(penalty))


def _loss(task: Task, score: np.ndarray, target: np.ndarray) -> float:
    if task == "ad":
        return float((np.logaddexp(0, score) - target * score).sum())
    return float(((score - target) ** 2).sum())


def fit_with_penalty(
    task: Task, features: np.ndarray, target: np.ndarray, subjects: np.ndarray, strata: np.ndarray, seed: int
) -> Probe:
    """Choose the penalty by subject-grouped cross-validation of the loss on these rows, then fit on all of them."""
    fold = subject_folds(subjects, strata, INNER_FOLDS, seed)
    losses = []
    for penalty in PENALTIES[task]:
        total = 0.0
        for held_out in range(INNER_FOLDS):
            inside, outside = fold != held_out, fold == held_out
            if not outside.any() or not inside.any() or (task == "ad" and len(np.unique(target[inside])) < 2):
                continue
            probe = fit(task, features[inside], target[inside], penalty)
            total += _loss(task, probe.score(features[outside]), target[outside])
        losses.append(total)
    best = len(losses) - 1 - int(np.argmin(losses[::-1]))  # of equal ones the strongest
    return fit(task, features, target, PENALTIES[task][best])


def subject_folds(subjects: Sequence[str], strata: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """(rows,) fold of each row: all scans of a subject together, every stratum spread evenly.

    The stratum of a subject is that of its last row. Subjects are shuffled within their stratum and dealt in turn,
    and the next stratum goes on where the one before stopped.
    """
    last = dict(zip(subjects, strata, strict=True))
    fold, turn = {}, 0
    for stratum in sorted(set(map(str, last.values()))):
        names = sorted(name for name, own in last.items() if str(own) == stratum)
        for name in generator(seed, "folds", stratum).permutation(names):
            fold[str(name)] = turn % folds
            turn += 1
    return np.array([fold[str(name)] for name in subjects])
