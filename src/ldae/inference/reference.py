"""What a model knows of the scans that it has seen and has not: aggregates, never a single scan.

Mean and covariance of the training scans' codes, how far scans of held-out subjects lie from them, and how wrong the
age was for these. By it a new scan is judged: is it of their kind, and how certain is its age?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, read_json, write_json

PROBABILITIES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975, 0.99)  # of the quantiles that are kept
FEWEST = 20  # held-out scans, below which quantiles would be single scans
COVERAGE = 0.9  # of the interval of age
ALARM = 98.0  # percentile from which a scan is unlike the model's: at most 4 in 100 of its own kind, by two distances


@dataclass(frozen=True)
class Distances:
    """How one distance is spread over scans of held-out subjects.

    Attributes:
        quantiles: at :data:`PROBABILITIES`; none where there were fewer than :data:`FEWEST` scans.
    """

    quantiles: tuple[float, ...] | None
    scans: int
    subjects: int

    @classmethod
    def of(cls, values: np.ndarray, subjects: Sequence[str]) -> "Distances":
        """Of the distances (N,) of these subjects' scans."""
        known = len(values) >= FEWEST
        quantiles = tuple(map(float, np.quantile(values, PROBABILITIES))) if known else None
        return cls(quantiles, len(values), len(set(subjects)))

    def percentile(self, value: float | None) -> float | None:
        """Share of held-out scans, in percent, that lie nearer; 1 and 99 stand for what is beyond."""
        if self.quantiles is None or value is None:
            return None
        return float(100 * np.interp(value, self.quantiles, PROBABILITIES))

    def as_json(self) -> dict[str, Any]:
        """As plain values; :meth:`from_json` reads it."""
        quantiles = None if self.quantiles is None else list(self.quantiles)
        return {"quantiles": quantiles, "scans": self.scans, "subjects": self.subjects}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Distances":
        """What :meth:`as_json` wrote."""
        quantiles = content["quantiles"]
        return cls(None if quantiles is None else tuple(quantiles), content["scans"], content["subjects"])


@dataclass(frozen=True)
class Reference:
    """The training codes as a normal distribution, and what is known of held-out scans.

    Attributes:
        mean, covariance: of y_sem over the training scans, (dimension,) and (dimension, dimension), shrunk.
        code: Mahalanobis distances of held-out scans to them.
        image: errors of the autoencoder on held-out scans (:meth:`ldae.inference.model.LDAE.unusual`).
        age_half_width: of the interval of age, years; none where too few subjects were held out.
        age_subjects: by whose errors it was set.
    """

    mean: np.ndarray
    covariance: np.ndarray
    code: Distances
    image: Distances
    age_half_width: float | None
    age_subjects: int

    @classmethod
    def unknown(cls, dimension: int) -> "Reference":
        """Of a model that says nothing of the scans it was trained on (imported weights)."""
        nobody = Distances(None, 0, 0)
        return cls(np.full(dimension, np.nan), np.eye(dimension), nobody, nobody, None, 0)

    def distance(self, y_sem: np.ndarray) -> float | None:
        """Mahalanobis distance of a code (dimension,) to the training codes, over sqrt(dimension); none where these
        are unknown."""
        if np.isnan(self.mean).any():
            return None
        offset = np.asarray(y_sem, dtype=float) - self.mean
        return float(np.sqrt(offset @ np.linalg.solve(self.covariance, offset) / len(offset)))

    def write(self, folder: Path) -> None:
        """As ``reference.safetensors`` and ``reference.json`` into a folder."""
        from safetensors.numpy import save_file

        with atomic_path(folder / "reference.safetensors") as temporary:
            save_file({"mean": self.mean, "covariance": self.covariance}, temporary)
        age = {"half_width": self.age_half_width, "coverage": COVERAGE, "subjects": self.age_subjects}
        content = {"code": self.code.as_json(), "image": self.image.as_json(), "probabilities": list(PROBABILITIES)}
        write_json(folder / "reference.json", content | {"age": age})

    @classmethod
    def read(cls, folder: Path) -> "Reference":
        """What :meth:`write` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays, content = load_file(folder / "reference.safetensors"), read_json(folder / "reference.json")
            code, image = (Distances.from_json(content[name]) for name in ("code", "image"))
            age = content["age"]
            return cls(arrays["mean"], arrays["covariance"], code, image, age["half_width"], age["subjects"])
        except (OSError, SafetensorError, KeyError) as error:
            raise UserError(f"{folder} has no whole reference.safetensors and reference.json ({error}).") from error


def fitted_normal(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of codes (N, dimension).

    The covariance is shrunk (Ledoit & Wolf 2004): there may be fewer scans than dimensions.
    """
    from sklearn.covariance import ledoit_wolf

    codes = np.asarray(codes, dtype=float)
    mean = codes.mean(axis=0)
    covariance, _ = ledoit_wolf(codes - mean, assume_centered=True)
    floor = 1e-6 * max(float(np.trace(covariance)) / len(mean), 1e-12)  # a component that never varies
    return mean, covariance + floor * np.eye(len(mean))


def half_width(errors: np.ndarray, subjects: Sequence[str], coverage: float = COVERAGE) -> float | None:
    """Half the width of a prediction interval by split conformal prediction: for a new subject of the same kind it
    holds with at least this probability. A subject may have several scans (Lee, Barber & Willett 2023).

    Every subject weighs 1 / (subjects + 1), shared by its scans; the weight that is left belongs to the next one.

    Args:
        errors: (N,) absolute errors of scans that neither networks nor probe were fitted to.

    Returns:
        None where there are too few subjects for this coverage (fewer than 9 for 0.9).
    """
    names, place, counts = np.unique(np.asarray(subjects), return_inverse=True, return_counts=True)
    weights = 1 / ((len(names) + 1) * counts[place])
    order = np.argsort(errors, kind="stable")
    reached = np.flatnonzero(np.cumsum(weights[order]) >= coverage - 1e-12)
    return float(errors[order][reached[0]]) if len(reached) else None
