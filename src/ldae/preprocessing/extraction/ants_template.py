"""Brain extraction with ANTs alone: a whole-head template, an affine, its mask carried over, and Atropos to clean up.

A fallback for machines without torch, worse than a network: the mask follows the template where fluid ends.
"""

from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.config import BrainExtraction
from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.antspy import load_ants, own_temporary_folder, strictly, to_ants
from ldae.preprocessing.bias_field import largest_component, quick_head_mask
from ldae.preprocessing.registration_template import load_template

SPACING_MM = 4.0  # of the search
TISSUE_SPACING_MM = 2.0  # of Atropos
BELOW_TOP_MM = 170.0  # the neck below it would pull the centre of mass down
SHELLS_MM, SHELL_SIGNAL = (2.0, 7.0, 14.0), (60.0, 20.0, 200.0)  # fluid, bone, scalp around the brain; template 0...255


def probability(image: nib.Nifti1Image, settings: BrainExtraction) -> np.ndarray:
    """1 inside the brain, 0 outside.

    Raises:
        QuarantinedScan: ANTs failed on this scan.
    """
    ants = load_ants()
    head = without_neck(nib.as_closest_canonical(image))
    try:
        carried = carried_mask(*synthetic_head(), to_ants(head), to_ants(image), ants)
        brain = tissue(image, carried, ants)
    except (RuntimeError, ValueError) as error:
        raise QuarantinedScan(f"brain extraction failed: {str(error).splitlines()[0]}") from error
    return brain.astype(np.float32)


def identity(settings: BrainExtraction) -> str:
    """Start of the template's sha256: another template makes other masks."""
    return load_template().sha256[:16]


def without_neck(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The upper 170 mm of a head with axes R-A-S."""
    data, zooms = image.get_fdata(dtype=np.float32), np.linalg.norm(image.affine[:3, :3], axis=0)
    area_mm2 = quick_head_mask(data, zooms).sum(axis=(0, 1)) * zooms[0] * zooms[1]
    slices = np.flatnonzero(area_mm2 > 1000)
    lowest = max(0, int(slices.max() - BELOW_TOP_MM / zooms[2])) if len(slices) else 0
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, 2] * lowest
    return nib.Nifti1Image(np.ascontiguousarray(data[:, :, lowest:]), affine)


def carried_mask(fixed: Any, mask: Any, moving: Any, grid: Any, ants: Any) -> np.ndarray:
    """The template's mask on ``grid``, through an affine found at 4 mm; a fraction per voxel."""
    spacing = [max(SPACING_MM, size) for size in moving.spacing]
    coarse = strictly(ants.resample_image, moving, spacing, use_voxels=False, interp_type=0)
    with own_temporary_folder():  # the registration leaves its transforms there
        found = strictly(ants.registration, fixed=fixed, moving=coarse, type_of_transform="Affine")
        carried = strictly(
            ants.apply_transforms,
            fixed=grid,
            moving=mask,
            transformlist=found["invtransforms"],
            whichtoinvert=[True],
            interpolator="linear",
        )
    return carried.numpy()


def tissue_classes(image: Any, region: Any) -> np.ndarray:
    """1, 2, 3 by rising intensity in the region, 0 outside, by Atropos: k-means, then a Markov random field.

    It visits voxels in random order, by default another one at every call: of 300 masks 5 came out different.
    """
    with own_temporary_folder():  # Atropos leaves its probability images there
        found = load_ants().atropos(a=image, x=region, i="kmeans[3]", m="[0.1,1x1x1]", c="[3,0]", r=0)
        return found["segmentation"].numpy()


def tissue(image: nib.Nifti1Image, carried: np.ndarray, ants: Any) -> np.ndarray:
    """Grey and white matter near the carried mask, closed and filled; Atropos sees the image at 2 mm."""
    scan = to_ants(image)
    spacing = [max(TISSUE_SPACING_MM, size) for size in scan.spacing]
    coarse = strictly(ants.resample_image, scan, spacing, use_voxels=False, interp_type=0)
    grid = to_ants(nib.Nifti1Image(carried.astype(np.float32), image.affine))
    prior = strictly(ants.resample_image_to_target, grid, coarse, interp_type="linear").numpy() > 0.5
    inside, outside = (ndimage.distance_transform_edt(where, coarse.spacing) for where in (prior, ~prior))
    region = coarse.new_image_like((outside <= 6).astype(np.float32))
    matter = largest_component(ndimage.binary_opening((tissue_classes(coarse, region) >= 2) & (outside <= 3)))
    closed = ndimage.binary_closing(np.pad(matter | (inside > 6), 2), iterations=2)[2:-2, 2:-2, 2:-2]
    brain = largest_component(ndimage.binary_fill_holes(closed & (outside <= 4)))
    # cortex shares its outer voxels with fluid, and Atropos calls them fluid
    brain |= ndimage.binary_dilation(brain) & (outside <= 4)
    fine = strictly(
        ants.resample_image_to_target, coarse.new_image_like(brain.astype(np.float32)), scan, interp_type="linear"
    )
    return fine.numpy() > 0.5


@cache
def synthetic_head() -> tuple[Any, Any]:
    """The brain template in a plain skull (fluid, dark bone, bright scalp) at 4 mm, and its brain mask."""
    spacing = int(SPACING_MM)
    brain, mask = coarse_template(spacing)
    inside = mask.get_fdata() > 0.5
    distance = ndimage.distance_transform_edt(~inside) * spacing
    shells = np.select([distance <= limit for limit in SHELLS_MM], SHELL_SIGNAL, 0.0)
    head = np.where(inside, brain.get_fdata(dtype=np.float32), shells).astype(np.float32)
    return to_ants(nib.Nifti1Image(head, brain.affine)), to_ants(mask)


def coarse_template(spacing_mm: int) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Brain and mask averaged over cubes of ``spacing_mm``, with room for a skull around them."""
    template, margin = load_template(), 24 // spacing_mm
    affine = template.brain.affine @ np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] -= spacing_mm * margin
    brain, mask = (
        nib.Nifti1Image(
            np.pad(
                ndimage.uniform_filter(part.get_fdata(dtype=np.float32), spacing_mm)[
                    ::spacing_mm, ::spacing_mm, ::spacing_mm
                ],
                margin,
            ),
            affine,
        )
        for part in (template.brain, template.mask)
    )
    return brain, mask
