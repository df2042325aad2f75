"""How far two sets of feature vectors are apart: Fréchet distance of Gaussians, and an unbiased kernel distance."""

import numpy as np

from ldae.core.keyed import study_stream
from ldae.studies.common.statistics import FEW_NOTE, FEW_SUBJECTS, Estimate, not_available

GROUPS = 20  # of rows that the jackknife leaves out in turn


def frechet_gaussians(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson 1982): |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))."""
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two sets (rows, features), with covariances shrunk as Ledoit and Wolf (2004) choose.

    Shrinking keeps it finite and steadier with fewer rows than features; it still grows as rows get fewer, so only
    values of equally large sets may be compared.
    """
    from sklearn.covariance import LedoitWolf

    fits = [LedoitWolf().fit(x) for x in (a, b)]
    return max(frechet_gaussians(*(part for fit in fits for part in (fit.location_, fit.covariance_))), 0.0)


def kernel_distances(a: np.ndarray, b: np.ndarray, weights_a: np.ndarray, weights_b: np.ndarray) -> np.ndarray:
    """(replicates,) unbiased squared MMD with the kernel (x.y / features + 1)^3 (Binkowski 2018, KID).

    Args:
        a, b: (rows, features), rows independent of each other.
        weights_a, weights_b: (replicates, rows) how often each row was drawn. A row is never paired with itself, so a
            row that was drawn twice adds no bias.
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        k = kernel(x, x)
        sums = ((w @ k) * w).sum(1) - (w**2) @ np.diag(k)
        pairs = w.sum(1) ** 2 - (w**2).sum(1)
        return np.where(pairs > 0, sums / np.where(pairs > 0, pairs, 1), np.nan)

    across = ((weights_a @ kernel(a, b)) * weights_b).sum(1) / (weights_a.sum(1) * weights_b.sum(1))
    return within(a, weights_a) + within(b, weights_b) - 2 * across


def kernel_estimate(a: np.ndarray, b: np.ndarray, n: int, seed: int) -> Estimate:
    """Kernel distance of two sets of independent rows, with a percentile bootstrap interval over the rows of both."""
    if min(len(a), len(b)) < 3:
        return not_available("fewer than three subjects or samples")
    value = kernel_distances(a, b, np.ones((1, len(a))), np.ones((1, len(b))))[0]
    rng = study_stream(seed, "kernel distance")
    weights = [rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=n).astype(float) for x in (a, b)]
    replicates = kernel_distances(a, b, *weights)
    low, high = np.nanpercentile(replicates, [2.5, 97.5])
    return _estimate(value, low, high, a, b, n)


def frechet_estimate(a: np.ndarray, b: np.ndarray, seed: int) -> Estimate:
    """Fréchet distance with a 95 % interval by the grouped jackknife over the rows of both sets, cut at 0.

    No bootstrap: rows drawn twice make a covariance poorer and the distance larger, so its replicates do not lie
    around the value. Here up to 20 groups of rows are left out in turn.
    """
    if min(len(a), len(b)) < 3:
        return not_available("fewer than three subjects or samples")
    value, rng, variance = frechet(a, b), study_stream(seed, "Frechet distance"), 0.0
    for own, other in ((a, b), (b, a)):  # the distance is symmetric
        groups = np.array_split(rng.permutation(len(own)), min(GROUPS, len(own)))
        without = np.array([frechet(np.delete(own, group, axis=0), other) for group in groups])
        variance += (len(groups) - 1) / len(groups) * ((without - without.mean()) ** 2).sum()
    half = 1.96 * np.sqrt(variance)
    return _estimate(value, max(value - half, 0.0), value + half, a, b)


def _estimate(value: float, low: float, high: float, a: np.ndarray, b: np.ndarray, n: int = 0) -> Estimate:
    note = FEW_NOTE if min(len(a), len(b)) < FEW_SUBJECTS else None
    counts = {"n_subjects": len(a), "n_rows": len(a) + len(b), "n_replicates": n}
    return Estimate(float(value), float(low), float(high), **counts, note=note)
