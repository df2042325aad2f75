"""All usable volumes in one uint8 store, beside what is known of each scan; and a smaller one for the baseline DAE."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.config import Conform
from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file
from ldae.core.keys import KEY
from ldae.core.store import open_store, write_store
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import sidecar
from ldae.preprocessing.given_volumes import given_volume

FACTS = ["months", "age", "sex", "diagnosis", "mmse", "cdr", "field_strength"]
logger = logging.getLogger("ldae")


def pack_volumes(
    scans: pd.DataFrame,
    qc: pd.DataFrame,
    derivatives: Path,
    settings: Conform,
    out: Path,
    given: bool = False,
    transform: str | None = None,
) -> None:
    """Write the volume store (uint8, 0..255 = 0..1; the rounding error is 0.002).

    Args:
        scans: scans.tsv.
        qc: qc.tsv; only scans whose state is ``done`` enter.
        derivatives: folder of the volumes.
        given: the volumes were preprocessed elsewhere: they are brought to the grid and to [0, 1] on the way.
        transform: how given volumes were registered, where that is known.

    Raises:
        UserError: no scan is left, an image is missing, changed since its status was written or not finite, or two
            kinds of registration are mixed.
    """
    usable = scans[scans["status"] == "included"].merge(
        qc.loc[qc["state"] == "done", [*KEY, "path", "sha256", "determinant"]], on=KEY
    )
    usable = usable.sort_values(["participant_id", "months"], kind="stable", ignore_index=True)
    maker = "check_volumes read it" if given else "register_mni wrote it"
    paths = [derivatives / path for path in usable["path"]]
    kinds = {kind_of_registration(path) for path in paths if sidecar(path).is_file()}
    if len(kinds) > 1:
        raise UserError(f"{derivatives} mixes registrations ({'; '.join(sorted(kinds))}); redo register_mni.")
    transform = next(iter(kinds)).split()[0] if kinds else transform

    def volumes() -> Iterator[np.ndarray]:
        for path, expected in track(zip(paths, usable["sha256"], strict=True), "pack_volumes", total=len(paths)):
            if not path.is_file() or sha256_file(path) != expected:
                raise UserError(f"{path} is missing or changed since {maker}; run that rule again.")
            volume = given_volume(path, settings) if given else read_volume(path)
            if not np.isfinite(volume).all():
                raise UserError(f"{path} holds NaN or infinity: remove it and run the rule that makes it again.")
            yield in_256_steps(volume)

    index = usable[[*KEY, *FACTS, "determinant"]]
    facts: dict[str, Any] = {
        "spacing_mm": settings.spacing_mm,
        "centre_mm": list(settings.centre_mm),
        "transform": transform,
    }
    write_store(out, volumes(), index, dtype="uint8", affine=grid_affine(settings).tolist(), **facts)
    logger.info("%d scans of %d subjects packed", len(index), index["participant_id"].nunique())


def in_256_steps(volume: np.ndarray) -> np.ndarray:
    """uint8 of a volume in [0, 1], as the store keeps it; what lies outside is clipped."""
    return np.rint(np.clip(volume, 0, 1) * 255).astype(np.uint8)


def read_volume(path: Path) -> np.ndarray:
    """Voxels of a volume that this workflow preprocessed (float32)."""
    return cast(nib.Nifti1Image, nib.load(path)).get_fdata(dtype=np.float32)


def kind_of_registration(path: Path) -> str:
    """What must not differ within a store: transform, resolution, template, the way through a subject's mean."""
    record = read_json(sidecar(path))
    settings = record["parameters"]
    way = ", through the subject's mean" if settings.get("longitudinal") else ""
    resolution = f"at {settings['resolution_mm']:g} mm"
    return f"{settings['transform']} {resolution} to template {record['inputs']['template'][:12]}{way}"


def pack_volumes_dae(volumes: Path, shape: tuple[int, int, int], factor: int, out: Path) -> None:
    """Write the volume store of the diffusion autoencoder (uint8, 0..255 = 0..1) from the one of the LDAE.

    Args:
        shape: voxels of the central box that is kept.
        factor: edge of the blocks that are averaged before.

    Raises:
        UserError: the box of the ``dae`` section does not fit into the averaged volumes.
    """
    store = open_store(volumes)
    coarse = tuple(size // factor for size in store.data.shape[1:])
    if any(small > large for small, large in zip(shape, coarse, strict=True)):
        raise UserError(
            f"dae.shape {shape} does not fit into volumes of {coarse} voxels ({volumes}, averaged by "
            f"dae.factor {factor}); make it smaller."
        )
    corner = tuple((large - small) // 2 for small, large in zip(shape, coarse, strict=True))
    box = tuple(slice(first, first + size) for first, size in zip(corner, shape, strict=True))

    def reduced() -> Iterator[np.ndarray]:
        for row in track(range(len(store.index)), "pack_volumes_dae"):
            yield np.rint(averaged(np.asarray(store.data[row], dtype=np.float32), factor)[box]).astype(np.uint8)

    affine = np.asarray(store.meta["affine"]) @ grid_change(factor, corner)
    facts = {"spacing_mm": store.meta["spacing_mm"] * factor, "factor": factor, "volumes": store.digest}
    facts |= {name: store.meta[name] for name in ("transform",) if name in store.meta}
    write_store(out, reduced(), store.index, dtype="uint8", scans=store.scans, affine=affine.tolist(), **facts)
    logger.info("%d volumes of %s voxels", len(store.index), shape)


def averaged(volume: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of factor^3 voxels; a rest at the far ends is left out."""
    x, y, z = (size // factor for size in volume.shape)
    cut = volume[: x * factor, : y * factor, : z * factor]
    return cut.reshape(x, factor, y, factor, z, factor).mean(axis=(1, 3, 5))


def grid_change(factor: int, corner: tuple[int, int, int]) -> np.ndarray:
    """(4, 4) indices of the small grid -> indices of the large one: a block's centre is that of its voxels."""
    change = np.diag([factor, factor, factor, 1.0])
    change[:3, 3] = np.asarray(corner) * factor + (factor - 1) / 2
    return change
