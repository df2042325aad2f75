"""The MNI152 2009a template (T1, grey matter, white matter) that the nilearn wheel carries."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from ldae.core.errors import UserError
from ldae.phantom.grid import ORIGIN, SHAPE


@dataclass(frozen=True)
class Template:
    """uint8 maps on the template grid: T1 intensity, GM and WM probability (0-255), CSF = the rest of the brain."""

    t1: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    csf: np.ndarray
    brain: np.ndarray  # bool


def load_template() -> Template:
    """Read the three maps and place them on the template grid.

    Raises:
        UserError: nilearn is not installed, or its wheel does not carry the files.
    """
    t1, grey, white = (_place(_find(kind)) for kind in ("t1", "gm", "wm"))
    brain = ndimage.binary_fill_holes(t1 > 0)
    csf = np.clip(255 - grey.astype(np.int16) - white, 0, 255).astype(np.uint8) * brain
    return Template(t1, grey, white, csf, brain)


def _find(kind: str) -> Path:
    spec = find_spec("nilearn")  # found, never imported: the import takes seconds and is not needed
    if spec is None or spec.origin is None:
        raise UserError("nilearn is not installed; its wheel carries the MNI152 template: pip install nilearn.")
    path = Path(spec.origin).parent / "datasets" / "data" / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise UserError(f"The MNI152 template {path} is missing; install nilearn >= 0.13 again.")
    return path


def _place(path: Path) -> np.ndarray:
    image = nibabel.load(path)
    assert isinstance(image, nibabel.Nifti1Image)
    values = np.asanyarray(image.dataobj)
    offset = np.round(image.affine[:3, 3] - ORIGIN).astype(int)
    first = np.maximum(offset, 0)
    last = np.minimum(offset + values.shape, SHAPE)
    placed = np.zeros(SHAPE, np.uint8)
    target = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    source = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, offset, strict=True))
    placed[target] = values[source]
    return placed
