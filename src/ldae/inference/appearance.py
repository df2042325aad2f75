"""How a preprocessed volume looks, without any network: a dozen numbers, and how far they lie from the training scans'.

A network that was never shown a T2-weighted image may give it the code of an ordinary brain; its grey levels cannot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ldae.core.batches import track
from ldae.inference.normal import distance, fitted_normal
from ldae.preprocessing.conform import PERIVENTRICULAR_MM, box_mask

LEVELS = (5, 25, 50, 75, 95)  # percentiles of the brain's intensities
DARK = 0.5  # of the brain's 75th percentile; in T1-weighted images fluid lies below
LEAST = 1e-6  # of what a logarithm is taken of
SIDES = "left and right"  # the one statistic that a mirrored header changes
BRAIN_VOXELS = 100  # below which there is nothing to describe


@dataclass(frozen=True)
class Grid:
    """Where a model's volumes lie: ``affine`` (4, 4) indices -> R-A-S MNI mm, ``shape`` (X, Y, Z)."""

    affine: np.ndarray
    shape: tuple[int, ...]

    def mirrored(self, volume: np.ndarray) -> np.ndarray:
        """Left and right exchanged at the midline x = 0, linearly where that lies between two voxels; 0 outside."""
        middle = -2 * self.affine[0, 3] / self.affine[0, 0]
        return ndimage.affine_transform(volume, np.diag([-1.0, 1.0, 1.0]), [middle, 0, 0], order=1)


def statistics(volume: np.ndarray, mean: np.ndarray, grid: Grid) -> dict[str, float]:
    """What is seen of a volume; every number is one that healthy scans share.

    Args:
        volume: (X, Y, Z) in [0, 1], 0 outside the brain.
        mean: (X, Y, Z), of the training scans.

    Returns:
        ``brain size`` (log ml), ``intensity NN`` (percentiles within the brain), ``contrast`` (log of the brain's
        standard deviation), ``edges`` (log of the mean gradient over it), ``fine grain`` (log of the Laplacian over the
        gradient: low where a scan is blurred, high where it is noisy), ``graininess`` (log of the median absolute
        second difference), ``dark middle`` (share of dark voxels around the ventricles), ``asymmetry`` (log of the
        difference to the mirror image, over the standard deviation), ``left and right`` (correlation of what is not
        symmetric with that of the mean), ``likeness to the mean`` (Fisher's z of the correlation).
    """
    brain = volume > 0
    if brain.sum() < BRAIN_VOXELS:
        return dict.fromkeys(names(), 0.0)
    values = volume[brain].astype(float)
    spread = max(float(values.std()), LEAST)
    levels = np.percentile(values, LEVELS)
    inner = ndimage.binary_erosion(brain, iterations=2)
    inner = inner if inner.any() else brain
    gradient = np.sqrt(sum(np.square(part) for part in np.gradient(volume.astype(np.float32))))
    laplacian = ndimage.laplace(volume.astype(np.float32))
    steps = np.abs(np.diff(volume.astype(np.float32), n=2, axis=0))[inner[1:-1]]
    middle = brain & box_mask(volume.shape, grid.affine, PERIVENTRICULAR_MM)
    other, usual = grid.mirrored(volume), grid.mirrored(mean)
    found = {
        "brain size": np.log(brain.sum() * abs(np.linalg.det(grid.affine[:3, :3])) / 1e3),
        **{f"intensity {name}": level for name, level in zip(LEVELS, levels, strict=True)},
        "contrast": np.log(spread),
        "edges": np.log(max(gradient[inner].mean(), LEAST) / spread),
        "fine grain": np.log(max(np.abs(laplacian[inner]).mean(), LEAST) / max(gradient[inner].mean(), LEAST)),
        "graininess": np.log(max(float(np.median(steps)), LEAST) / spread),
        "dark middle": float((volume[middle] < DARK * levels[3]).mean()) if middle.any() else 0.0,
        "asymmetry": np.log(max(float(np.sqrt(np.mean(np.square((volume - other)[brain])))), LEAST) / spread),
        SIDES: correlation((volume - other)[brain], (mean - usual)[brain]),
        "likeness to the mean": np.arctanh(np.clip(correlation(values, mean[brain]), -0.999, 0.999)),
    }
    return {name: float(value) for name, value in found.items()}


def names() -> list[str]:
    """Of the statistics, in their order."""
    rest = ("contrast", "edges", "fine grain", "graininess", "dark middle", "asymmetry")
    levels = (f"intensity {level}" for level in LEVELS)
    return ["brain size", *levels, *rest, SIDES, "likeness to the mean"]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of Pearson; 0 where one does not vary."""
    a, b = a.astype(float) - a.mean(), b.astype(float) - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b / norm) if norm > 0 else 0.0


@dataclass(frozen=True)
class Appearance:
    """The statistics of the training scans as a normal distribution.

    Attributes:
        volume: (X, Y, Z), the mean of the training scans.
        mean, covariance: of the statistics, (S,) and (S, S), shrunk.
    """

    grid: Grid
    volume: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(
        cls, read: Callable[[int], np.ndarray], rows: Sequence[int], people: Sequence[str], affine: np.ndarray
    ) -> "Appearance":
        """Fitted to the training scans, those of one subject in memory at a time.

        Each is compared with the mean of the other subjects, as a new scan will be: with a mean that it is part of it
        has too much in common, and new scans would look odd.

        Args:
            read: row -> volume (X, Y, Z).
            rows: of the training scans; of two subjects at least.
            people: (rows,) whose they are.
            affine: of their grid.
        """
        total = np.zeros(read(rows[0]).shape)
        for row in rows:
            total += read(row)
        grid = Grid(np.asarray(affine, dtype=float), total.shape)
        typical = (total / len(rows)).astype(np.float16).astype(np.float32)  # as it is kept
        seen = []
        for name in track(sorted(set(people)), "training subjects"):
            own = [read(row) for row, whose in zip(rows, people, strict=True) if whose == name]
            others = ((total - np.sum(own, axis=0, dtype=float)) / (len(rows) - len(own))).astype(np.float32)
            seen += [list(statistics(volume, others, grid).values()) for volume in own]
        return cls(grid, typical, *fitted_normal(np.array(seen)))

    def standing_out(self, volume: np.ndarray) -> tuple[float, float, str]:
        """How far a volume lies from the training scans, how far towards a mirror image, and by what most.

        Returns:
            Mahalanobis distance of its statistics over sqrt(number); how many standard deviations its ``left and
            right`` lies below that of the training scans; the statistic with the largest deviation, in words:
            ``fine grain -9.2 sd``.
        """
        found = np.array(list(statistics(volume, self.volume, self.grid).values()))
        deviations = (found - self.mean) / np.sqrt(np.diag(self.covariance))
        most = int(np.abs(deviations).argmax())
        mirror = float(-deviations[names().index(SIDES)])
        return distance(found, self.mean, self.covariance), mirror, f"{names()[most]} {deviations[most]:+.1f} sd"

    def tensors(self) -> dict[str, np.ndarray]:
        """As arrays; :meth:`from_tensors` reads them."""
        kept = {"volume": self.volume.astype(np.float16), "mean": self.mean, "covariance": self.covariance}
        return {f"appearance.{name}": value for name, value in (kept | {"affine": self.grid.affine}).items()}

    @classmethod
    def from_tensors(cls, arrays: dict[str, np.ndarray]) -> "Appearance | None":
        """What :meth:`tensors` gave; none where a folder of an earlier version holds none."""
        found: dict[str, Any] = {
            name.removeprefix("appearance."): value for name, value in arrays.items() if name.startswith("appearance.")
        }
        if not found:
            return None
        volume = found["volume"].astype(np.float32)
        return cls(Grid(found["affine"], volume.shape), volume, found["mean"], found["covariance"])
