"""The door to ANTs: deterministic or not at all, images handed over in memory, unknown keywords refused.

ANTs is bit-reproducible with one thread and a fixed seed, both read from the environment when it is imported;
``ants.registration`` swallows misspelt keywords in silence.
"""

import gzip
import inspect
import math
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from ldae.core.errors import AGAIN, MachineError, UserError

ENVIRONMENT = {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "ANTS_RANDOM_SEED": "1"}
SYNTAX = re.compile(r"[\[\],]")  # ANTs takes the paths that it is given apart there
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def load_ants() -> Any:
    """Import ants in its deterministic mode.

    Raises:
        UserError: ants was imported before its environment was set, so its results would not repeat.
    """
    if "ants" in sys.modules and any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise UserError("ants was imported before its seed was set; call ldae.core.runtime.limit_threads first.")
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


def require_plain(folder: Path) -> None:
    """ANTs can write its files below ``folder``.

    Raises:
        UserError: there is a comma or a square bracket in the path.
    """
    if found := SYNTAX.search(str(folder)):
        raise UserError(
            f"the path {folder} has a '{found[0]}', at which ANTs takes a path apart: choose a folder whose path has "
            "no comma and no square bracket (results_dir, or OUT_DIR)."
        )


def require_whole(path: Path) -> None:
    """ANTs does not say that a write failed, and reads an image that was cut short as one that ends in zeros.

    Raises:
        MachineError: the file is missing, empty, or ends before its time.
    """
    try:
        size = path.stat().st_size
        if path.suffix == ".gz":
            with gzip.open(path) as handle:
                while handle.read(2**24):
                    continue
        elif path.suffix == ".nii":
            header = cast(nib.Nifti1Header, nib.load(path).header)
            voxels = math.prod(header.get_data_shape()) * header.get_data_dtype().itemsize
            size -= int(header["vox_offset"]) + voxels - 1
        if size <= 0:
            raise EOFError
    except (EOFError, FileNotFoundError, gzip.BadGzipFile, zlib.error, ImageFileError) as error:
        raise MachineError(f"{path} was not written whole: look for a full disk there; {AGAIN}.") from error


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Whatever ANTs' functions leave in the temporary folder is gone afterwards. Not for several threads.

    Raises:
        MachineError: a file that they left, and have read, was not written whole.
    """
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="ldae-ants-") as folder:
        tempfile.tempdir = folder
        try:
            yield
            for path in sorted(Path(folder).rglob("*.nii*")):
                require_whole(path)
        finally:
            tempfile.tempdir = before
