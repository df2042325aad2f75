"""Where the search of a registration starts anew when its first result is poor: from the rotations that look best.

An affine search follows a head that is tilted by 20 degrees, not one by 40. So brains are turned on a coarse grid, with
their axes scaled as the template's, the most alike are searched from at 4 mm, and the best of them once more at the
resolution of the search. It costs seconds, and only the scans that need it.
"""

from collections.abc import Iterable
from functools import cache
from itertools import chain, product

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.preprocessing.registration_template import Template

COARSE_MM, SEARCH_MM = 8.0, 4.0  # of the comparison, of the searches from the best of it
PITCH, ROLL, YAW = range(-60, 61, 15), range(-40, 41, 20), range(-40, 41, 20)  # degrees about R, A, S
OF_HEADERS = (-30, 0, 30)  # pitch of a head whose header has its axes in another order, or backwards
TRIED = 3
SCALE = (0.6, 1.7)  # of one axis


def best_starts(brain: nib.Nifti1Image, template: Template, linear: bool, count: int = TRIED) -> list[np.ndarray]:
    """The rotations under which a brain looks most like the template, as 4x4 R-A-S mm of the scan -> of the template.

    Those of a head that is tilted, and those of a header that turns or swaps axes (the 23 other rotations of a cube).
    Centres of mass lie on each other, and with ``linear`` the brain is scaled along the template's axes until its
    spread is the template's.

    Args:
        brain: 0 outside the brain.
        linear: scale the axes; a rigid search cannot.
    """
    tilts = Rotation.from_euler("xyz", list(product(PITCH, ROLL, YAW)), degrees=True)
    return [matrix for _, matrix in ranked(brain, template, linear, chain(tilts, turns_of_headers()))[:count]]


def turns_of_headers() -> list[Rotation]:
    """A cube's rotations but for none at all, each of a head that is tilted a little."""
    tilts = [Rotation.from_euler("x", degrees, degrees=True) for degrees in OF_HEADERS]
    return [tilt * turn for turn in Rotation.create_group("O") if turn.magnitude() > 0.1 for tilt in tilts]


def ranked(
    brain: nib.Nifti1Image, template: Template, linear: bool, turns: Iterable[Rotation]
) -> list[tuple[float, np.ndarray]]:
    """Likeness and matrix of rotations, as :func:`best_starts` compares them, best first."""
    fixed, moving = coarse_template(template), coarse(brain)
    target = points_of(fixed)
    centre, spread = target.mean(axis=0), target.std(axis=0)
    own = points_of(moving)
    reference = fixed.get_fdata(dtype=np.float32)
    found = []
    for turn in turns:
        turned = turn.as_matrix()
        placed = (own - own.mean(axis=0)) @ turned.T
        scale = np.clip(spread / placed.std(axis=0), *SCALE) if linear else np.ones(3)
        matrix = np.eye(4)
        matrix[:3, :3] = scale[:, None] * turned
        matrix[:3, 3] = centre - matrix[:3, :3] @ own.mean(axis=0)
        found.append((likeness(moving, matrix, fixed, reference), matrix))
    return sorted(found, key=lambda one: -one[0])


@cache
def coarse_template(template: Template) -> nib.Nifti1Image:
    """Its brain, kept for the next scan of the process."""
    return coarse(template.brain)


def coarse(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Averages over cubes of about :data:`COARSE_MM`."""
    steps = np.maximum(1, np.rint(COARSE_MM / np.linalg.norm(image.affine[:3, :3], axis=0))).astype(int)
    data = ndimage.uniform_filter(image.get_fdata(dtype=np.float32), steps)
    affine = image.affine @ np.diag([*steps, 1.0])
    first = steps // 2
    affine[:3, 3] = nib.affines.apply_affine(image.affine, first)
    kept = data[first[0] :: steps[0], first[1] :: steps[1], first[2] :: steps[2]]
    return nib.Nifti1Image(np.ascontiguousarray(kept), affine)


def points_of(image: nib.Nifti1Image) -> np.ndarray:
    """(N, 3) R-A-S mm of the voxels that hold brain."""
    data = image.get_fdata(dtype=np.float32)
    return nib.affines.apply_affine(image.affine, np.argwhere(data > 0.2 * np.percentile(data[data > 0], 90)))


def likeness(moving: nib.Nifti1Image, matrix: np.ndarray, fixed: nib.Nifti1Image, reference: np.ndarray) -> float:
    """Correlation of the two images where either holds something."""
    mapping = np.linalg.inv(matrix @ moving.affine) @ fixed.affine
    data = moving.get_fdata(dtype=np.float32)
    moved = ndimage.affine_transform(data, mapping[:3, :3], mapping[:3, 3], reference.shape, order=1)
    either = (moved > 0) | (reference > 0)
    if not moved.any():
        return -1.0
    return float(np.corrcoef(moved[either], reference[either])[0, 1])
