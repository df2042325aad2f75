"""Rows as a normal distribution: moments that are shrunk, and the distance to them."""

import numpy as np


def fitted_normal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of rows (N, dimension).

    The covariance is shrunk (Ledoit & Wolf 2004), since there may be fewer rows than dimensions; on standardised
    columns, so that those in small units are not drowned.
    """
    from sklearn.covariance import ledoit_wolf

    rows = np.asarray(rows, dtype=float)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    floor = 1e-6 * max(float(np.sqrt(np.mean(spread**2))), 1e-9)  # a component that never varies
    spread = np.maximum(spread, floor)
    correlation, _ = ledoit_wolf((rows - mean) / spread, assume_centered=True)
    covariance = correlation * np.outer(spread, spread)
    return mean, covariance + np.diag(np.maximum(0, floor**2 - np.diag(covariance)))


def distance(row: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Mahalanobis distance of a row (dimension,) to a normal distribution, over sqrt(dimension)."""
    offset, scale = np.asarray(row, dtype=float) - mean, np.sqrt(np.diag(covariance))
    standard = covariance / np.outer(scale, scale)
    return float(np.sqrt((offset / scale) @ np.linalg.solve(standard, offset / scale) / len(offset)))
