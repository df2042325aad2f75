"""The plane of a linear discriminant analysis of y_sem: its axes, and where a code lies among the three diagnoses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ldae.inference.degenerate import constant_dimensions

CLASSES = ("CN", "MCI", "AD")
FEWEST_SUBJECTS = 5  # of a diagnosis, below which its mean and spread would be single subjects'


def discriminant_axes(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(dimension, classes - 1) directions, strongest first, with unit variance within classes.

    Fisher's discriminant with Ledoit-Wolf shrinkage of the covariance within classes, since there may be fewer
    subjects than dimensions; turned so that AD lies right of CN and MCI above zero. Components that are the same in
    every scan have no weight; no axes where all are.
    """
    from sklearn.covariance import ledoit_wolf

    varying = ~constant_dimensions(codes)
    if not varying.all():
        axes = discriminant_axes(codes[:, varying], labels) if varying.any() else np.empty((0, 0))
        found = np.zeros((codes.shape[1], axes.shape[1]))
        found[varying] = axes
        return found
    names = [name for name in CLASSES if (labels == name).any()]
    means = np.stack([codes[labels == name].mean(axis=0) for name in names]) if names else np.empty((0, codes.shape[1]))
    if len(names) < 2:
        return np.empty((codes.shape[1], 0))
    inside = np.concatenate([codes[labels == name] - mean for name, mean in zip(names, means, strict=True)])
    within, _ = ledoit_wolf(inside, assume_centered=True)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))
    weights = np.array([(labels == name).mean() for name in names])
    between = (means - weights @ means) * np.sqrt(weights)[:, None]
    _, _, directions = np.linalg.svd(between @ whiten, full_matrices=False)
    axes = whiten @ directions[: len(names) - 1].T
    place = dict(zip(names, (means - weights @ means) @ axes, strict=True))
    low, high = names[0], names[-1]
    if place[high][0] < place[low][0]:
        axes[:, 0] *= -1
    if "MCI" in place and axes.shape[1] > 1 and place["MCI"][1] < 0:
        axes[:, 1] *= -1
    return axes


@dataclass(frozen=True)
class Cloud:
    """The held-out scans of one diagnosis in the plane: ``mean`` (2,), ``covariance`` (2, 2), ``subjects``."""

    mean: np.ndarray
    covariance: np.ndarray
    subjects: int


@dataclass(frozen=True)
class Plane:
    """The axes of Figure 5 and, as aggregates, who lies where.

    Attributes:
        origin: (dimension,), mean of the training codes with a diagnosis.
        axes: (dimension, 2).
        clouds: diagnosis -> held-out scans; those of too few subjects are left out.
    """

    origin: np.ndarray
    axes: np.ndarray
    clouds: dict[str, Cloud]

    @classmethod
    def of(
        cls, codes: np.ndarray, labels: Sequence[Any], training: np.ndarray, subjects: Sequence[str]
    ) -> "Plane | None":
        """Axes of the training codes, clouds of the others; none where the training scans have fewer than three
        diagnoses, which span no plane.

        Args:
            codes: (N, dimension); scans whose code is not finite do not count.
            labels: (N,) diagnoses; others than CN, MCI and AD do not count.
            training: (N,) which scans the networks were trained on.
        """
        names = np.asarray(labels, dtype=object)
        known = np.isin(names, CLASSES) & np.isfinite(np.asarray(codes, dtype=float)).all(axis=1)
        fitted = known & training
        axes = discriminant_axes(np.asarray(codes, dtype=float)[fitted], names[fitted])
        if axes.shape[1] < 2:
            return None
        plane = cls(np.asarray(codes, dtype=float)[fitted].mean(axis=0), axes, {})
        for name in CLASSES:
            rows = np.flatnonzero(known & ~training & (names == name))
            count = len({subjects[int(row)] for row in rows})
            if count >= FEWEST_SUBJECTS:
                places = np.array([plane.place(codes[row]) for row in rows])
                plane.clouds[name] = Cloud(places.mean(axis=0), np.cov(places.T), count)
        return plane

    def place(self, code: np.ndarray) -> tuple[float, float]:
        """Where a code (dimension,) lies on both axes, in standard deviations within a diagnosis."""
        x, y = (np.asarray(code, dtype=float) - self.origin) @ self.axes
        return float(x), float(y)

    def tensors(self) -> dict[str, np.ndarray]:
        """The axes as arrays; the clouds stand in :meth:`as_json`."""
        return {"plane.origin": self.origin, "plane.axes": np.ascontiguousarray(self.axes)}

    def as_json(self) -> dict[str, Any]:
        """The clouds as plain values."""
        return {
            name: {"mean": cloud.mean.tolist(), "covariance": cloud.covariance.tolist(), "subjects": cloud.subjects}
            for name, cloud in self.clouds.items()
        }

    @classmethod
    def from_parts(cls, arrays: dict[str, np.ndarray], clouds: dict[str, Any] | None) -> "Plane | None":
        """What :meth:`tensors` and :meth:`as_json` gave; none where there is no plane."""
        if "plane.axes" not in arrays:
            return None
        found = {
            name: Cloud(np.array(cloud["mean"]), np.array(cloud["covariance"]), cloud["subjects"])
            for name, cloud in (clouds or {}).items()
        }
        return cls(arrays["plane.origin"], arrays["plane.axes"], found)
