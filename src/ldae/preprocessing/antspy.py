"""The door to ANTs: deterministic or not at all, images handed over in memory, unknown keywords refused.

ANTs is bit-reproducible with one thread and a fixed seed, both read from the environment when it is imported;
``ants.registration`` swallows misspelt keywords in silence.
"""

import inspect
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nibabel as nib
import numpy as np

from ldae.errors import UserError

ENVIRONMENT = {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "ANTS_RANDOM_SEED": "1"}
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def load_ants() -> Any:
    """Import ants in its deterministic mode.

    Raises:
        UserError: ants was imported before its environment was set, so its results would not repeat.
    """
    if "ants" in sys.modules and any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise UserError("ants was imported before its seed was set; call ldae.runtime.limit_threads first.")
    os.environ.update(ENVIRONMENT)
    import ants

    return ants


def to_ants(image: nib.Nifti1Image) -> Any:
    """A nibabel image (R-A-S affine) as an ANTs image (L-P-S), data shared by copy."""
    affine = RAS_TO_LPS @ image.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    data = np.ascontiguousarray(image.get_fdata(dtype=np.float32))
    return load_ants().from_numpy(
        data, origin=affine[:3, 3].tolist(), spacing=spacing.tolist(), direction=affine[:3, :3] / spacing
    )


def affine_of(image: Any) -> np.ndarray:
    """4x4 voxel -> R-A-S mm of an ANTs image."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.direction) * np.asarray(image.spacing)
    affine[:3, 3] = image.origin
    return RAS_TO_LPS @ affine


def strictly(function: Any, *arguments: Any, **keywords: Any) -> Any:
    """Call an ANTs function, refusing keywords that it would ignore."""
    unknown = set(keywords) - set(inspect.signature(function).parameters)
    if unknown:
        raise TypeError(f"{function.__name__} does not know {', '.join(sorted(unknown))}")
    return function(*arguments, **keywords)


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Whatever ANTs' functions leave in the temporary folder is gone afterwards. Not for several threads."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="ldae-ants-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
