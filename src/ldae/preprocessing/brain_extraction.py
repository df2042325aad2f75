"""Step 2: brain extraction, by the backend of the configuration."""

from collections.abc import Callable
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.config import BrainExtraction
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.bias_field import largest_component
from ldae.preprocessing.extraction import ants_template as template
from ldae.preprocessing.extraction import deepbet, external
from ldae.preprocessing.giants import averaged, slabs, steps_of
from ldae.preprocessing.tilt import found_upright

Backend = Callable[[nib.Nifti1Image, BrainExtraction], np.ndarray]
BACKENDS: dict[str, Backend] = {
    "deepbet": deepbet.probability,
    "template": template.probability,
    "antspynet": external.antspynet,
    "hd-bet": external.hd_bet,
    "synthstrip": external.synthstrip,
}
PLAUSIBLE_ML = (500.0, 2600.0)
STRIPPED_ML = (700.0, 2000.0)  # a head has more than that


@dataclass(frozen=True)
class Extraction:
    """Brain of a scan, on the scan's own grid.

    Attributes:
        mask: uint8, one filled component.
        probability: float32 in [0, 1], or None with ``mask: hard``.
        metrics: ``brain_ml``, and ``stripped`` = 1 where the scan came without its skull.
    """

    mask: nib.Nifti1Image
    probability: nib.Nifti1Image | None
    metrics: dict[str, float]


def extract_brain(image: nib.Nifti1Image, settings: BrainExtraction) -> Extraction:
    """Brain mask with the axes of the scan. A scan that is skull-stripped already keeps what it has.

    Raises:
        QuarantinedScan: nothing like a brain was found.
        UserError: the backend is not installed.
    """
    seen = averaged(image)
    voxel_ml = float(abs(np.linalg.det(seen.affine[:3, :3])) / 1000)
    remains = what_was_left(seen.get_fdata(dtype=np.float32), voxel_ml)
    if remains is not None:
        found = remains.astype(np.float32)
    else:
        backend = BACKENDS[settings.backend]
        found = backend(seen, settings)
        if settings.backend != "template":  # whose own search follows a tilt
            found = found_upright(seen, found, lambda head: backend(head, settings))
    mask = ndimage.binary_fill_holes(largest_component(found > 0.5))
    volume_ml = float(mask.sum() * voxel_ml)
    if not PLAUSIBLE_ML[0] <= volume_ml <= PLAUSIBLE_ML[1]:
        raise QuarantinedScan(
            f"brain extraction found {volume_ml:.0f} ml, not a brain: look whether the image holds one whole head, "
            "neither cut nor folded over to the opposite border, and at the voxel sizes in its header"
        )
    soft = on_grid_of(image, np.clip(found, 0, 1)) if settings.mask == "soft" else None
    whole = on_grid_of(image, mask.astype(np.uint8))
    metrics = {"brain_ml": volume_ml, "stripped": float(remains is not None)}
    return Extraction(whole, soft, metrics)


def on_grid_of(image: nib.Nifti1Image, found: np.ndarray) -> nib.Nifti1Image:
    """A mask (uint8) or a probability that was found in a giant's averages, on the giant's grid; of others itself."""
    steps = steps_of(image)
    if max(steps) == 1:
        return nib.Nifti1Image(found, image.affine)
    whole, smooth = np.empty(image.shape, found.dtype), found.astype(np.float32)
    for part, values in slabs(smooth, steps, image.shape):
        whole[part] = values > 0.5 if found.dtype == np.uint8 else values
    return nib.Nifti1Image(whole, image.affine)


def what_was_left(data: np.ndarray, voxel_ml: float) -> np.ndarray | None:
    """The brain of a scan that is skull-stripped already: a brain's volume of signal in an empty background."""
    signal = data > 1e-3 * np.percentile(data, 99)
    if signal.mean() > 0.6 or not STRIPPED_ML[0] <= signal.sum() * voxel_ml <= STRIPPED_ML[1]:
        return None
    return largest_component(ndimage.binary_closing(np.pad(signal, 2))[2:-2, 2:-2, 2:-2])


def identity(settings: BrainExtraction) -> str:
    """What the mask depends on beside image and settings: digest or version of the backend's weights."""
    own = {"deepbet": deepbet.identity, "template": template.identity}
    return own.get(settings.backend, external.identity)(settings)
