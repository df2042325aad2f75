"""The volumes of the voxel-space baseline: averaged in blocks and cut to its box."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.store import open_store, write_store

logger = logging.getLogger("ldae")


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
