"""Linear discriminant plane of the semantic codes, for the picture of the three classes (paper Fig. 5)."""

import numpy as np
import pandas as pd

from ldae.core.keys import KEY

CLASSES = ("CN", "MCI", "AD")


def lda_projection(scans: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """Fit on the training split, project every scan with a diagnosis.

    Fisher's discriminant with Ledoit-Wolf shrinkage of the covariance within classes, since there may be fewer
    subjects than dimensions. Axes are in units of the standard deviation within classes, and turned so that AD lies
    right of CN and MCI above zero.

    Returns:
        participant_id, session_id, diagnosis, split, axis_1, axis_2 (n/a where the training split has too few classes),
        and axis_ad_cn, the one axis of AD against CN alone, on which MCI is projected, too.
    """
    keep = scans["diagnosis"].isin(CLASSES).to_numpy()
    table = scans.loc[keep, [*KEY, "diagnosis", "split"]].reset_index(drop=True)
    codes, labels = np.asarray(codes, dtype=float)[keep], table["diagnosis"].to_numpy()
    train = (table["split"] == "train").to_numpy()
    axes = discriminant_axes(codes[train], labels[train])
    scores = (codes - codes[train].sum(axis=0) / max(train.sum(), 1)) @ axes
    for column, name in enumerate(("axis_1", "axis_2")):
        table[name] = scores[:, column] if column < scores.shape[1] else np.nan
    two = train & np.isin(labels, ("AD", "CN"))
    axis = discriminant_axes(codes[two], labels[two])
    table["axis_ad_cn"] = (codes - codes[two].mean(axis=0)) @ axis[:, 0] if axis.shape[1] else np.nan
    return table


def discriminant_axes(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(dimension, classes - 1) directions, strongest first, with unit variance within classes."""
    from sklearn.covariance import ledoit_wolf

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
