"""Every given volume looked at once: what is usable, and a picture of the ones least like the others."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Conform
from ldae.core.batches import track
from ldae.core.errors import QuarantinedScan, UserError, blaming_the_machine
from ldae.core.files import sha256_file, write_tsv
from ldae.core.keys import KEY
from ldae.preprocessing.given_volumes import given_volume
from ldae.preprocessing.quality import save_rows

COLUMNS = [*KEY, "state", "reason", "path", "sha256", "qc", "qc_reason", "ncc_mean_slice", "determinant"]
WORST = 8


def check_volumes(
    scans: pd.DataFrame, root: Path, settings: Conform, resample: bool, max_quarantined: float, out: Path, mosaic: Path
) -> None:
    """Write ``out`` (a row per included scan: state, reason, path from ``root``, digest) and the mosaic.

    ``ncc_mean_slice`` correlates the middle axial slice of a volume with the mean of all; the mosaic shows the lowest.

    Raises:
        UserError: more than ``max_quarantined`` of the volumes cannot be used (one alone never is too many).
    """
    rows, slices = [], []
    included = scans[scans["status"] == "included"]
    for scan in track(included.itertuples(), "check_volumes", total=len(included)):
        row = dict.fromkeys(COLUMNS) | {"participant_id": scan.participant_id, "session_id": scan.session_id}
        try:
            with blaming_the_machine():
                volume = given_volume(root / scan.t1w, settings, resample)
        except QuarantinedScan as broken:
            rows.append(row | {"state": "quarantined", "reason": str(broken)})
            continue
        slices.append(volume[:, :, volume.shape[2] // 2])
        rows.append(row | {"state": "done", "path": scan.t1w, "sha256": sha256_file(root / scan.t1w), "qc": "pass"})
    table = pd.DataFrame(rows, columns=COLUMNS)
    require_enough(table, max_quarantined)
    done = table["state"] == "done"
    table.loc[done, "ncc_mean_slice"] = correlations(slices)
    table = table.astype({"ncc_mean_slice": float})
    write_tsv(out, table)
    worst = np.argsort(table.loc[done, "ncc_mean_slice"].to_numpy(float), kind="stable")[:WORST]
    draw(mosaic, [slices[place] for place in worst])


def require_enough(table: pd.DataFrame, limit: float) -> None:
    lost = table[table["state"] == "quarantined"]
    if len(lost) == len(table) or len(lost) > max(1, limit * len(table)):
        kinds = lost["reason"].value_counts()
        advice = "; csv.resample: true brings MNI volumes to that grid" if "another grid" in kinds.index[0] else ""
        raise UserError(
            f"{len(lost)} of {len(table)} given volumes cannot be used, {kinds.iloc[0]} for the reason: "
            f"{kinds.index[0]}{advice}."
        )


def correlations(slices: list[np.ndarray]) -> list[float]:
    """Pearson correlation of each slice with the mean slice; n/a for a constant one."""
    flat = np.stack([part.ravel() for part in slices]).astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    mean = flat.mean(axis=0)
    norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(mean)
    return list(np.divide(flat @ mean, norms, out=np.full(len(flat), np.nan), where=norms > 0))


def draw(mosaic: Path, slices: list[np.ndarray]) -> None:
    """The slices side by side, front of the head upwards, the subject's right on the left."""
    pictures = [np.rint(part.T[::-1, ::-1] * 255).astype(np.uint8) for part in slices]
    row = np.concatenate([np.pad(picture, ((0, 0), (0, 4))) for picture in pictures], axis=1)
    save_rows([np.repeat(row[:, :, None], 3, axis=2)], mosaic)
