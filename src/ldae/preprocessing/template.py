"""The brain that every scan is registered to."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.errors import UserError
from ldae.files import sha256_file
from ldae.preprocessing.reading import read_scan

MNI152 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"  # ICBM 2009a nonlinear symmetric, 1 mm, skull-stripped
SPACE = "MNI152NLin2009aSym"


@dataclass(frozen=True)
class Template:
    """A skull-stripped T1w template and its brain mask, both nibabel images on one grid."""

    brain: nib.Nifti1Image
    mask: nib.Nifti1Image
    sha256: str
    space: str


@cache
def load_template(path: Path | None = None) -> Template:
    """The template of the configuration, or MNI152 2009a from nilearn's data files (nilearn is not imported).

    Raises:
        UserError: the file is missing, or it still has its skull (hardly any voxel is zero).
    """
    source = Path(path) if path else nilearn_data() / MNI152
    if not source.is_file():
        raise UserError(
            f"The template {source} does not exist; set preprocessing.registration.template to a NIfTI file."
        )
    brain = nib.as_closest_canonical(read_scan(source))
    data = brain.get_fdata(dtype=np.float32)
    if (data > 0).mean() > 0.6:
        raise UserError(f"The template {source} is not skull-stripped; brains are registered to a brain.")
    mask = ndimage.binary_fill_holes(data > 0).astype(np.uint8)
    space = SPACE if path is None else source.name.split(".")[0].split("_")[0].removeprefix("tpl-")
    return Template(brain, nib.Nifti1Image(mask, brain.affine), sha256_file(source), space)


def nilearn_data() -> Path:
    """Folder of the data files in nilearn's wheel."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise UserError("The MNI152 template comes with the package nilearn; run `make setup`.")
    return Path(spec.origin).parent / "datasets" / "data"
