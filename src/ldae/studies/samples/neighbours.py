"""How like real scans samples are: distances of distributions, and how near each lies to its nearest training scan.

Distances are of sets of feature vectors: the Fréchet distance of Gaussians, and an unbiased kernel distance.
Memorisation: the nearest training scan of a sample, beside that of scans that were held out.
"""

import numpy as np
import pandas as pd

from ldae.core.batches import track
from ldae.core.keyed import study_stream
from ldae.studies.common import statistics
from ldae.studies.common.statistics import FEW_NOTE, FEW_SUBJECTS, Estimate, estimates_table, interval, not_available

GROUPS = 20  # of rows that the jackknife leaves out in turn
CURVE_POINTS = 60
MEASURES = {"nearest": "nearest_training_rms", "ratio": "nearest_ratio"}
HELD_OUT = "held_out"


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


def nearest(queries: np.ndarray, references: np.ndarray, subjects: np.ndarray) -> pd.DataFrame:
    """The nearest reference of every query, and the nearest one of any other subject.

    Args:
        queries: (Q, ...).
        references: (R, ...), same trailing shape.
        subjects: (R,) of the references.

    Returns:
        place (of the nearest reference), nearest and second (root mean squared differences), and ratio, nearest /
        second: near 0 for a copy of one subject, near 1 for what is no nearer to one subject than to the next; NaN
        with one subject.
    """
    flat = references.reshape(len(references), -1).astype(np.float64)
    rows = []
    for query in track(queries, "nearest training scans"):
        distance = np.sqrt(((flat - query.ravel().astype(np.float64)) ** 2).mean(1))
        place = int(distance.argmin())
        others = distance[subjects != subjects[place]]
        second = float(others.min()) if len(others) else np.nan
        rows.append((place, distance[place], second, distance[place] / second if second else np.nan))
    return pd.DataFrame(rows, columns=["place", "nearest", "second", "ratio"])


def memorisation(table: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Estimates by kind of volume.

    ``nearest_training_rms_median`` and ``nearest_ratio_median``; and ``*_auc``, the probability that one of this kind
    lies nearer than a held-out scan: 0.5 if samples are as far from the training scans as new subjects are, 1 for
    copies. Blurred samples lie near everything: their distance falls, their ratio does not.

    Args:
        table: rows with kind, subject (of a scan; a sample's own name), nearest, ratio.
    """
    rows = []
    for kind, group in table.groupby("kind", sort=False):
        for column, name in MEASURES.items():
            estimate = interval(group[column].to_numpy(float), group["subject"], statistics.median, n, seed)
            rows.append(estimate.row(method=kind, metric=f"{name}_median"))
            if kind != HELD_OUT:
                both = pd.concat([group, table[table["kind"] == HELD_OUT]])
                values = np.column_stack([-both[column], both["kind"] == kind]).astype(float)
                names = both["kind"] + " " + both["subject"]
                estimate = interval(values, names, statistics.auc, n, seed) if len(both) else not_available("no scan")
                rows.append(estimate.row(method=kind, metric=f"{name}_auc"))
    return estimates_table(rows)


def curves(table: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Cumulative distributions of nearest and ratio by kind, with pointwise 95 % bands over subjects or samples."""
    parts = []
    for column, name in MEASURES.items():
        known = table[table[column].notna()]
        if known.empty:
            continue
        points = np.linspace(0, known[column].max() * 1.02, CURVE_POINTS)
        for kind, group in known.groupby("kind", sort=False):
            below = group[column].to_numpy()[:, None] <= points
            names, cluster = np.unique(group["subject"], return_inverse=True)
            rng = study_stream(seed, "curves", kind, column)
            weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)[:, cluster]
            low, high = np.percentile((weights @ below) / weights.sum(1, keepdims=True), [2.5, 97.5], axis=0)
            share = below.mean(0)
            bands = {"x": points, "share": share, "low": low, "high": high}
            parts.append(pd.DataFrame({"kind": kind, "metric": name} | bands))
    columns = ["kind", "metric", "x", "share", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
