"""What every reconstruction has to beat: the mean training volume, a training scan of like age, another's y_sem."""

import numpy as np

from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.studies.common.inputs import Inputs, volumes_of

EXAMPLES = 2


def mean_volume(inputs: Inputs, chunk: int) -> np.ndarray:
    """(X, Y, Z) voxelwise mean of the training split: what a method knows without looking at the scan."""
    rows = inputs.rows("train")
    total: np.ndarray | float = 0.0
    for batch in batches(rows, chunk):
        total = total + volumes_of(inputs, batch).sum(axis=(0, 1), dtype=np.float64)
    return np.asarray(total / len(rows)).astype(np.float32)


def nearest_volumes(inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(B, 1, X, Y, Z) training scans of the same sex and nearest age; NaN where the age is unknown or nobody fits."""
    training = inputs.scans.loc[inputs.rows("train")]
    training = training[training["age"].notna()]
    volumes = np.full((len(rows), 1, *inputs.grid.shape), np.nan, dtype=np.float32)
    for place, row in enumerate(rows):
        scan = inputs.scans.loc[row]
        distance = (training.loc[training["sex"] == scan["sex"], "age"] - scan["age"]).abs()
        if distance.notna().any():
            volumes[place] = volumes_of(inputs, np.array([distance.idxmin()]))[0]
    return volumes


def derangement(names: np.ndarray, seed: int) -> dict[str, str]:
    """Another name for every name: a seeded shuffle closed to one ring. Empty with fewer than two names."""
    names = np.sort(np.asarray(names))
    if len(names) < 2:
        return {}
    ring = study_stream(seed, "derangement").permutation(names)
    return dict(zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True))


def other_codes(inputs: Inputs, batch: np.ndarray, partner: dict[str, str]) -> np.ndarray:
    """(B, dimension) y_sem of the first scan of each scan's partner (see :func:`derangement`)."""
    rows = inputs.first_scans("test")
    first = dict(zip(inputs.scans.loc[rows, "participant_id"], rows, strict=True))
    return inputs.code("y_sem", [first[partner[subject]] for subject in inputs.scans.loc[batch, "participant_id"]])


def scans_of_dae(inputs: Inputs, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` of these test scans for the costly voxel-space baseline: those that are shown, then the first scan of
    each subject in drawn order, then the others."""
    if len(rows) <= count:
        return rows
    first = set(inputs.first_scans("test").tolist())
    shown = [row for row in example_rows(inputs, EXAMPLES) if row in set(rows.tolist())]
    drawn = study_stream(seed, "scans of the DAE").permutation(rows).tolist()
    order = dict.fromkeys([*shown, *sorted(drawn, key=lambda row: row not in first)])
    return np.sort(np.array(list(order)[:count]))


def example_rows(inputs: Inputs, count: int) -> list[int]:
    """First test scans to show: one AD, one CN if there are, then the others in order."""
    rows = inputs.first_scans("test")
    diagnosis = inputs.scans.loc[rows, "diagnosis"]
    picked = [int(rows[(diagnosis == name).to_numpy()][0]) for name in ("AD", "CN") if (diagnosis == name).any()]
    picked += [int(row) for row in rows if row not in picked]
    return picked[:count]
