"""Heads that hang far forwards in the scanner: the networks have seen few of them and lose the brain.

A mask that lost the brain shows it: what it keeps does not look like the template under any tilt. Then the head is
turned forwards and backwards, its brain is extracted there, and the mask is turned back, if it looks better.
"""

from collections.abc import Callable

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ldae.preprocessing.registration import cropped
from ldae.preprocessing.registration_template import load_template
from ldae.preprocessing.starts import PITCH, ranked

POOR = 0.89  # correlation with the template at 8 mm; brains that were found have .91 and more, cut ones .87 and less
TURNS = (30.0, -30.0)  # degrees about R; backwards first
BETTER = 0.02

Find = Callable[[nib.Nifti1Image], np.ndarray]


def found_upright(image: nib.Nifti1Image, found: np.ndarray, find: Find) -> np.ndarray:
    """``found``, or where that is no brain what ``find`` makes of the head turned, on the head's own grid.

    Args:
        image: a whole head.
        found: probability of brain that ``find`` gave for it as it lies.
    """
    likeness = likeness_of(image, found)
    for degrees in TURNS if likeness < POOR else ():
        mask = found_turned(image, found, find, degrees)
        other = likeness_of(image, mask)
        if other > likeness + BETTER:
            found, likeness = mask, other
        if likeness >= POOR:
            break
    return found


def found_turned(image: nib.Nifti1Image, found: np.ndarray, find: Find, degrees: float) -> np.ndarray:
    """Probability of brain that ``find`` gives for the head turned about R, turned back."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    to_turned = np.linalg.inv(image.affine) @ turn @ image.affine  # voxel -> voxel, the brain in the middle
    middle = (np.array(image.shape) - 1) / 2
    centre = ndimage.center_of_mass(found > 0.5) if found.max() > 0.5 else middle
    to_turned[:3, 3] = middle - to_turned[:3, :3] @ centre
    back = np.linalg.inv(to_turned)
    data = image.get_fdata(dtype=np.float32)
    turned = ndimage.affine_transform(data, back[:3, :3], back[:3, 3], image.shape, order=1)
    again = find(nib.Nifti1Image(turned, image.affine)).astype(np.float32)
    return ndimage.affine_transform(again, to_turned[:3, :3], to_turned[:3, 3], image.shape, order=1)


def likeness_of(image: nib.Nifti1Image, found: np.ndarray) -> float:
    """Of the brain to the template at 8 mm, under the tilt that suits it best; -1 for an empty mask."""
    brain = np.where(found > 0.5, image.get_fdata(dtype=np.float32), 0)
    if not brain.max() > 0:
        return -1.0
    turns = [Rotation.from_euler("x", degrees, degrees=True) for degrees in PITCH]
    return ranked(cropped(nib.Nifti1Image(brain, image.affine)), load_template(), True, turns)[0][0]
