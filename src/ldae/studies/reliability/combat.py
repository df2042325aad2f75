"""ComBat (Johnson, Li & Rabinovic 2007; Fortin et al. 2018): a scanner's shift and scale of every number, shrunken
towards what it does to the others, and taken away."""

from dataclasses import dataclass

import numpy as np

_ROUNDS, _SETTLED = 100, 1e-6


@dataclass(frozen=True)
class Combat:
    """Attributes:
    mean, std: (dimension,) of all scanners together; 1 for a number that does not vary.
    shift, scale: (scanners, dimension) in those units.
    """

    mean: np.ndarray
    std: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def __call__(self, codes: np.ndarray, scanner: np.ndarray) -> np.ndarray:
        """Codes (N, dimension) from these scanners (N,), as if they came from one."""
        units = (codes - self.mean) / self.std
        return (units - self.shift[scanner]) / self.scale[scanner] * self.std + self.mean


def fit_combat(codes: np.ndarray, scanner: np.ndarray) -> Combat:
    """Fitted on codes (N, dimension) of the same heads on every scanner (N,), numbered from 0.

    No covariates: the heads are the same everywhere. With fewer than three numbers that vary nothing is shrunken.
    """
    groups = [np.flatnonzero(scanner == number) for number in range(int(scanner.max()) + 1)]
    means = np.stack([codes[rows].mean(axis=0) for rows in groups])
    mean, left = means.mean(axis=0), codes - means[scanner]
    std = np.sqrt((left**2).mean(axis=0))
    varies = std > 1e-9 * np.maximum(np.abs(mean), 1e-300)
    std = np.where(varies, std, 1.0)
    units = (codes - mean) / std
    shift, scale = np.zeros((len(groups), len(mean))), np.ones((len(groups), len(mean)))
    for number, rows in enumerate(groups):
        shift[number, varies], scale[number, varies] = _shrunken(units[np.ix_(rows, varies)])
    return Combat(mean, std, shift, scale)


def _shrunken(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift and scale (dimension,) of one scanner's standardised codes (N, dimension), by empirical Bayes."""
    count, dimension = units.shape
    raw_shift, raw_variance = units.mean(axis=0), units.var(axis=0, ddof=1)
    spread, of_variance = raw_shift.var(ddof=1) if dimension > 2 else 0.0, raw_variance.var() if dimension > 2 else 0.0
    if not (spread > 0 and of_variance > 0):
        return raw_shift, np.sqrt(np.where(raw_variance > 0, raw_variance, 1.0))
    middle = raw_variance.mean()
    shape, rate = 2 + middle**2 / of_variance, middle + middle**3 / of_variance  # of an inverse gamma distribution
    shift, variance = raw_shift, raw_variance
    for _ in range(_ROUNDS):
        before = shift, variance
        shift = (count * spread * raw_shift + variance * raw_shift.mean()) / (count * spread + variance)
        variance = (rate + ((units - shift) ** 2).sum(axis=0) / 2) / (count / 2 + shape - 1)
        if max(np.abs(new - old).max() for new, old in zip((shift, variance), before, strict=True)) < _SETTLED:
            break
    return shift, np.sqrt(variance)
