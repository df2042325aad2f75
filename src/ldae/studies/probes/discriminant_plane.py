"""Linear discriminant plane of the semantic codes, for the picture of the three classes (paper Fig. 5)."""

import numpy as np
import pandas as pd

from ldae.core.keys import KEY
from ldae.inference.discriminant import CLASSES, discriminant_axes


def lda_projection(scans: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """Fit on the training split, project every scan with a diagnosis whose code is finite.

    Fisher's discriminant with Ledoit-Wolf shrinkage of the covariance within classes, since there may be fewer
    subjects than dimensions. Axes are in units of the standard deviation within classes, and turned so that AD lies
    right of CN and MCI above zero.

    Returns:
        participant_id, session_id, diagnosis, split, axis_1, axis_2 (n/a where the training split has too few classes),
        and axis_ad_cn, the one axis of AD against CN alone, on which MCI is projected, too.
    """
    keep = scans["diagnosis"].isin(CLASSES).to_numpy() & np.isfinite(np.asarray(codes, dtype=float)).all(axis=1)
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
