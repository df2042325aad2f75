"""The brain that every scan is registered to."""

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.config import Registration
from ldae.core.errors import UserError
from ldae.core.files import digest, sha256_file
from ldae.preprocessing.reading import read_scan

MNI152 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"  # ICBM 2009a nonlinear symmetric, 1 mm, skull-stripped
SPACE = "MNI152NLin2009aSym"
TEMPLATEFLOW = "templateflow:"


@dataclass(frozen=True)
class Template:
    """A skull-stripped T1w template and its brain mask, both nibabel images on one grid."""

    brain: nib.Nifti1Image
    mask: nib.Nifti1Image
    sha256: str
    space: str


@cache
def load_template(name: str | None = None, mask: Path | None = None, expected_sha256: str | None = None) -> Template:
    """The template of the configuration, or MNI152 2009a from nilearn's data files (nilearn is not imported).

    Args:
        name: a NIfTI file, or ``templateflow:NAME`` for the head and mask at 1 mm in TemplateFlow's folder.
        mask: brain mask of a template that has its skull; its voxels outside are blanked.
        expected_sha256: of the template file.

    Raises:
        UserError: a file is missing or not the expected one, or the template has its skull and no mask.
    """
    source, mask = locate(name, mask)
    sha256 = sha256_file(source)
    if expected_sha256 and sha256 != expected_sha256.lower():
        raise UserError(f"The template {source} has sha256 {sha256}, not the one of the configuration.")
    brain = nib.as_closest_canonical(read_scan(source))
    data = brain.get_fdata(dtype=np.float32)
    if mask:
        data = data * (nib.as_closest_canonical(read_scan(mask)).get_fdata() > 0.5)
        sha256 = digest([sha256, sha256_file(mask)])
    if (data > 0).mean() > 0.6:
        raise UserError(
            f"The template {source} is not skull-stripped and brains are registered to a brain; "
            "name its mask in preprocessing.registration.template_mask."
        )
    inside = nib.Nifti1Image(ndimage.binary_fill_holes(data > 0).astype(np.uint8), brain.affine)
    space = SPACE if name is None else source.name.split(".")[0].split("_")[0].removeprefix("tpl-")
    return Template(nib.Nifti1Image(data, brain.affine), inside, sha256, space)


def template_of(settings: Registration) -> Template:
    """The template that the configuration names.

    Raises:
        UserError: as :func:`load_template`.
    """
    return load_template(settings.template, settings.template_mask, settings.template_sha256)


def locate(name: str | None, mask: Path | None) -> tuple[Path, Path | None]:
    """Template file and mask file."""
    if name is None:
        return nilearn_data() / MNI152, None
    files: tuple[Path, Path | None]
    if name.startswith(TEMPLATEFLOW):
        name = name.removeprefix(TEMPLATEFLOW)
        folder = Path(os.environ.get("TEMPLATEFLOW_HOME", Path.home() / ".cache/templateflow")) / f"tpl-{name}"
        files = folder / f"tpl-{name}_res-01_T1w.nii.gz", folder / f"tpl-{name}_res-01_desc-brain_mask.nii.gz"
        advice = f"fetch it with TemplateFlow: templateflow get {name} --res 1 (TEMPLATEFLOW_HOME names the folder)"
    else:
        files = Path(name), mask
        advice = "set preprocessing.registration.template to a NIfTI file"
    for file in filter(None, files):
        if not file.is_file() or not file.stat().st_size:
            raise UserError(f"The template {file} does not exist; {advice}.")
    return files


def nilearn_data() -> Path:
    """Folder of the data files in nilearn's wheel."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise UserError("The MNI152 template comes with the package nilearn; run `make setup`.")
    return Path(spec.origin).parent / "datasets" / "data"
