"""Images of so many voxels that an estimate from all of them costs memory and tells nothing more.

What is only estimated from a scan (its inhomogeneity, its brain mask, its way to the template) is estimated from
averages over a few voxels where there are more than :data:`MOST_VOXELS`. The scan itself keeps its grid until its one
interpolation. Scans below that are not touched.
"""

from collections.abc import Iterator

import nibabel as nib
import numpy as np
from scipy import ndimage

MOST_VOXELS = 20e6  # 256^3 are 16.8 million
SLAB = 16  # slices that are made at a time


def steps_of(image: nib.Nifti1Image) -> tuple[int, int, int]:
    """How many voxels along each axis are averaged: 1, 1, 1 but for giants, which lose their finest axes first."""
    sizes, steps = np.linalg.norm(image.affine[:3, :3], axis=0), np.ones(3, int)
    while np.prod(np.array(image.shape) // steps) > MOST_VOXELS:
        steps[np.argmin(sizes * steps)] += 1
    return int(steps[0]), int(steps[1]), int(steps[2])


def averaged(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A giant averaged over ``steps_of`` voxels, float32; what is left over at the end of an axis is dropped. Any
    other image is returned itself."""
    steps = steps_of(image)
    if max(steps) == 1:
        return image
    size = [length // step for length, step in zip(image.shape, steps, strict=True)]
    data, total = np.asanyarray(image.dataobj), np.zeros(size, np.float32)
    for offset in np.ndindex(steps):
        total += data[tuple(slice(o, o + n * s, s) for o, n, s in zip(offset, size, steps, strict=True))]
    return nib.Nifti1Image(total / np.float32(np.prod(steps)), coarser(image.affine, steps, averages=True))


def thinned(image: nib.Nifti1Image, steps: tuple[int, int, int]) -> nib.Nifti1Image:
    """Every ``steps``-th voxel, whose noise is that of the image."""
    if max(steps) == 1:
        return image
    kept = np.asanyarray(image.dataobj)[tuple(slice(None, None, step) for step in steps)]
    return nib.Nifti1Image(np.ascontiguousarray(kept), coarser(image.affine, steps, averages=False))


def coarser(affine: np.ndarray, steps: tuple[int, int, int], averages: bool) -> np.ndarray:
    """The affine of a grid with ``steps`` times the voxels' size; averages lie in the middle of what they are of."""
    result = affine @ np.diag([*steps, 1.0])
    if averages:
        result[:3, 3] = nib.affines.apply_affine(affine, (np.array(steps) - 1) / 2)
    return result


def slabs(
    values: np.ndarray, steps: tuple[int, int, int], shape: tuple[int, ...]
) -> Iterator[tuple[slice, np.ndarray]]:
    """An estimate on the grid of the averages, interpolated linearly on the grid of the scan, a few slices at a time.

    Yields:
        The slices of the first axis, and the values there.
    """
    scale = np.diag(1 / np.array(steps, float))
    for first in range(0, shape[0], SLAB):
        size = (min(SLAB, shape[0] - first), *shape[1:])
        offset = scale @ (np.array([first, 0, 0]) - (np.array(steps) - 1) / 2)
        part = ndimage.affine_transform(values, scale, offset, size, np.float32, order=1, mode="nearest")
        yield slice(first, first + size[0]), part
