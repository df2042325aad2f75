"""Volumes that somebody else preprocessed (source: csv): brought to the grid and to [0, 1], and checked all at once."""

from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.processing import resample_from_to

from ldae.config import Conform
from ldae.core.batches import track
from ldae.core.errors import QuarantinedScan, UserError, blaming_the_machine
from ldae.core.files import sha256_file, write_tsv
from ldae.core.keys import KEY
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.quality import save_rows
from ldae.preprocessing.reading import UNREADABLE, check_size, check_unpacked
from ldae.preprocessing.review import exclude_reviewed, read_review

SPACING_TOLERANCE = 0.01
SMALLEST_VOXEL = 1e-6  # cubic mm
SPLINE_ORDER = {"linear": 1, "bspline": 3}
COLUMNS = [*KEY, "state", "reason", "path", "sha256", "qc", "qc_reason", "ncc_mean_slice", "determinant"]
WORST = 8


def given_volume(path: Path, settings: Conform, resample: bool = True) -> np.ndarray:
    """The volume (float32, ``settings.shape``) in [0, 1], axes R-A-S.

    A volume on another grid is resampled by its affine, which has to be in MNI152 space. A volume within [0, 1] keeps
    its values; any other is scaled by its minimum and maximum, as the authors do when they load it.

    Raises:
        QuarantinedScan: not a readable, finite, three-dimensional volume with contrast, or (``resample`` false) not on
            the configured grid.
    """
    try:
        image = cast(nib.spatialimages.SpatialImage, nib.load(path))
        check_size(image.shape)
        check_unpacked(path, image)
        image = nib.as_closest_canonical(image)
        data = image.get_fdata(dtype=np.float32)
    except UNREADABLE as error:
        raise QuarantinedScan(f"unreadable volume: {error}") from error
    if data.ndim != 3:
        raise QuarantinedScan(f"not a volume: {data.ndim} dimensions")
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < SMALLEST_VOXEL:
        raise QuarantinedScan("its header gives the volume no place in space: an axis is missing or not finite")
    if not np.isfinite(data).all():
        raise QuarantinedScan("not finite: the volume holds NaN or infinity")
    if not fits(image, settings):
        if not resample:
            raise QuarantinedScan(f"another grid: {grid_of(image)}, preprocessing.conform asks for {wanted(settings)}")
        order = SPLINE_ORDER[settings.interpolation]
        moved = resample_from_to(image, (settings.shape, grid_affine(settings)), order=order)
        data = np.clip(moved.get_fdata(dtype=np.float32), data.min(), data.max())  # a spline overshoots
    low, high = float(data.min()), float(data.max())
    if not high > low:
        raise QuarantinedScan("no contrast: every voxel of the volume (on the configured grid) has the same value")
    return data if low >= 0 and high <= 1 else (data - low) / (high - low)


def fits(image: nib.Nifti1Image, settings: Conform) -> bool:
    """Shape and voxel size are those of the grid; where its centre lies is left to whoever registered it."""
    zooms = np.array(image.header.get_zooms()[:3])
    same_size = np.allclose(zooms, settings.spacing_mm, rtol=SPACING_TOLERANCE)
    return image.shape == settings.shape and bool(same_size)


def grid_of(image: nib.Nifti1Image) -> str:
    """The grid of an image in words, for a quarantine reason."""
    shape, zooms = image.shape, image.header.get_zooms()[:3]
    return f"{' x '.join(map(str, shape))} voxels of {' x '.join(f'{zoom:g}' for zoom in zooms)} mm"


def wanted(settings: Conform) -> str:
    """The configured grid in words, for the same reason."""
    return f"{' x '.join(map(str, settings.shape))} of {settings.spacing_mm:g} mm"


def check_volumes(
    scans: pd.DataFrame,
    root: Path,
    settings: Conform,
    resample: bool,
    max_quarantined: float,
    out: Path,
    mosaic: Path,
    review: Path | None = None,
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
        slices.append(volume[:, :, volume.shape[2] // 2].copy())  # a view would keep its volume
        rows.append(row | {"state": "done", "path": scan.t1w, "sha256": sha256_file(root / scan.t1w), "qc": "pass"})
    table = pd.DataFrame(rows, columns=COLUMNS)
    require_enough(table, max_quarantined)
    done = table["state"] == "done"
    table.loc[done, "ncc_mean_slice"] = correlations(slices)
    table = table.astype({"ncc_mean_slice": float})
    write_tsv(out, exclude_reviewed(table, read_review(review)))
    worst = np.argsort(table.loc[done, "ncc_mean_slice"].to_numpy(float), kind="stable")[:WORST]
    draw(mosaic, [slices[place] for place in worst])


def require_enough(table: pd.DataFrame, limit: float) -> None:
    """Stop where too many volumes cannot be used; one alone never is too many.

    Args:
        limit: fraction of the volumes that may be quarantined.

    Raises:
        UserError: more are, or all; the sentence gives the most frequent reason.
    """
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

    def centred(part: np.ndarray) -> np.ndarray:
        values = part.ravel().astype(float)
        return values - values.mean()

    mean = np.zeros(slices[0].size)
    for part in slices:  # one at a time: of 10,000 scans the slices in float64 are 2 GB
        mean += centred(part) / len(slices)
    length, found = np.linalg.norm(mean), []
    for part in slices:
        own = centred(part)
        norms = np.linalg.norm(own) * length
        found.append(float(own @ mean / norms) if norms > 0 else float("nan"))
    return found


def draw(mosaic: Path, slices: list[np.ndarray]) -> None:
    """The slices side by side, front of the head upwards, the subject's right on the left."""
    pictures = [np.rint(part.T[::-1, ::-1] * 255).astype(np.uint8) for part in slices]
    row = np.concatenate([np.pad(picture, ((0, 0), (0, 4))) for picture in pictures], axis=1)
    save_rows([np.repeat(row[:, :, None], 3, axis=2)], mosaic)
