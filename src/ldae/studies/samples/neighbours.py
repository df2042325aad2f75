"""Memorisation: how near a sample lies to its nearest training scan, beside scans that were held out."""

import numpy as np
import pandas as pd

from ldae.core.batches import track
from ldae.core.keyed import study_stream
from ldae.studies.common import statistics
from ldae.studies.common.statistics import estimates_table, interval, not_available

CURVE_POINTS = 60
MEASURES = {"nearest": "nearest_training_rms", "ratio": "nearest_ratio"}
HELD_OUT = "held_out"


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
