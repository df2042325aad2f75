"""What a scan samples of the template: ventricles and hippocampi, found by rule, and the contrast of the tissue."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from ldae.core.errors import UserError
from ldae.phantom.grid import ORIGIN, SHAPE, Region, axes, region, smooth, voxel

DEEP = ((-44, -86, -30), (44, 36, 36))  # corners (mm) of the box that holds the ventricles
VENTRICLE_SEED = (14.0, -15.0, 15.0)  # |x|, y, z: body of a lateral ventricle
CSF_MAX, TISSUE_MIN = 108, 150  # template T1 values: surely fluid, surely tissue
HIPPOCAMPUS_LINE = np.array(  # centre line from tail to head: |x|, y, z, radius (MNI mm)
    [
        (20.5, -39.5, 1.0, 4.0),
        (24.5, -36.5, -3.5, 4.6),
        (26.7, -33.0, -7.5, 4.8),
        (27.3, -30.0, -10.0, 5.0),
        (28.2, -27.0, -12.0, 5.2),
        (28.8, -24.0, -14.0, 5.5),
        (28.2, -21.0, -16.0, 5.8),
        (26.6, -18.0, -17.8, 6.8),
        (25.3, -15.0, -19.2, 7.4),
        (24.0, -12.0, -20.6, 7.4),
        (22.4, -9.0, -22.6, 6.4),
    ]
)
FLUID_T1, DURA_T1 = 60, 105  # template T1 values given to the space between brain and skull


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


def ventricles(template: Template) -> np.ndarray:
    """Lateral and third ventricles (bool, about 18 ml in template space).

    A watershed on T1 grows the cores of the lateral ventricles against tissue and all other fluid; the third
    ventricle is the dark part of a midline box. Fragments of 0.4 ml and less are dropped.
    """
    box = region(*DEEP)
    t1, brain = template.t1[box.slices], template.brain[box.slices]
    grown = _lateral_ventricles(t1, brain, box)
    third = brain & (t1 < 125) & (abs(box.x) <= 3) & (box.y > -28) & (box.y < 4) & (box.z > -15) & (box.z < 8)
    pieces, _ = ndimage.label(grown | third)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    mask = np.zeros(SHAPE, bool)
    mask[box.slices] = np.isin(pieces, np.flatnonzero(sizes > 400))
    return mask


def _lateral_ventricles(t1: np.ndarray, brain: np.ndarray, box: Region) -> np.ndarray:
    fluid = brain & (t1 < CSF_MAX)
    cores, _ = ndimage.label(fluid & (abs(box.x) > 2.5) & (box.z > -6))
    markers = np.zeros(t1.shape, np.int16)
    markers[fluid | (brain & (t1 > TISSUE_MIN)) | ~brain] = 2
    for side in (-1, 1):
        seed = voxel((side * VENTRICLE_SEED[0], *VENTRICLE_SEED[1:]))
        x, y, z = (index - part.start for index, part in zip(seed, box.slices, strict=True))
        around = cores[x - 6 : x + 7, y - 6 : y + 7, z - 6 : z + 7]
        markers[cores == np.bincount(around[around > 0]).argmax()] = 1
    grown = ndimage.watershed_ift(np.where(brain, t1, 255).astype(np.uint8), markers) == 1
    # the quadrigeminal and ambient cisterns touch the ventricles but are not part of them
    cisterns = ((box.y < -24) & (abs(box.x) < 9) & (box.z < 14)) | ((box.y < -40) & (abs(box.x) < 12))
    return grown & (t1 < 138) & brain & ~cisterns


def hippocampi(template: Template, ventricle: np.ndarray) -> np.ndarray:
    """Both hippocampi (bool, about 4.1 ml each): grey matter in a tube about the known centre line."""
    mask = np.zeros(SHAPE, bool)
    for y in np.arange(-40.5, -7.9, 0.5):
        x, z, radius = (np.interp(y, HIPPOCAMPUS_LINE[:, 1], HIPPOCAMPUS_LINE[:, column]) for column in (0, 2, 3))
        for side in (-1, 1):
            ball = region((side * x - radius, y - radius, z - radius), (side * x + radius, y + radius, z + radius))
            inside = (ball.x - side * x) ** 2 + (ball.y - y) ** 2 + (ball.z - z) ** 2 < radius**2
            mask[ball.slices] |= inside
    mask &= (template.grey > 110) & (template.t1 > 135) & (template.t1 < 200) & ~ventricle
    return ndimage.binary_opening(mask)


def brain_box(brain: np.ndarray, margin: int = 4) -> tuple[slice, slice, slice]:
    """The box of ``brain``, with a margin: distances are only needed, and only computed, there."""
    found = ndimage.find_objects(brain.astype(np.uint8))[0]
    x, y, z = (slice(max(part.start - margin, 0), part.stop + margin) for part in found)
    return x, y, z


def t1_contrast(template: Template, inner: np.ndarray) -> np.ndarray:
    """uint8 template T1; fluid with a thin dura fills the skull outside the template's brain."""
    t1 = np.where(template.brain, template.t1, np.float32(FLUID_T1))
    dura = np.exp(-(((inner + 0.6) / 0.8) ** 2)) * ~template.brain
    return np.clip(t1 + dura * (DURA_T1 - t1), 0, 255).astype(np.uint8)


def sulcal_fluid(template: Template, ventricle: np.ndarray) -> np.ndarray:
    """Fluid outside the ventricles and above the foramen magnum (fraction per voxel)."""
    z = axes(SHAPE, ORIGIN, 1.0)[2]
    return template.csf * (~ventricle * (z > -60)) * np.float32(1 / 255)


def sulcal_weight(template: Template, ventricle: np.ndarray) -> np.ndarray:
    """Where thinning of the cortex darkens the image by partial volume: sulci and the outer rim of the brain."""
    box = brain_box(template.brain, margin=6)
    brain = template.brain[box]
    rim = np.exp(-np.clip(ndimage.distance_transform_edt(brain), 0, 9) / 1.2).astype(np.float32) * brain
    fluid = sulcal_fluid(template, ventricle)[box]
    x, y, z = axes(brain.shape, ORIGIN + [part.start for part in box], 1.0)
    weight = np.clip(1.25 * smooth(np.maximum(fluid, 0.8 * rim), 1.0), 0, 1)
    weight *= np.clip((z + 20 + 40 * (y > -30)) / 20, 0, 1)
    central = brain & (abs(x) < 25) & (y > -86) & (y < 36) & (z > -30) & (z < 30)
    result = np.zeros(SHAPE, np.float32)
    result[box] = smooth(weight * ~central, 0.6)
    return result


def ventricle_distance(ventricle: np.ndarray, limit_mm: float = 60.0) -> np.ndarray:
    """Distance (mm) to the ventricles, ``limit_mm`` where it is not needed."""
    distance = np.full(SHAPE, np.float32(limit_mm))
    box = brain_box(ventricle, margin=int(limit_mm))
    distance[box] = np.minimum(ndimage.distance_transform_edt(~ventricle[box]), limit_mm)
    return distance


def white_matter_caps(template: Template, distance: np.ndarray) -> np.ndarray:
    """Periventricular white matter that turns dark with age and disease, most at the frontal and occipital horns."""
    box = region((-60, -100, -4), (60, 70, 60))
    horns = 0.25 + np.exp(-(((box.y - 32) / 12) ** 2)) + np.exp(-(((box.y + 45) / 20) ** 2))
    near = np.exp(-((distance[box.slices] / 4.5) ** 2)) * (template.white[box.slices] / np.float32(255))
    result = np.zeros(SHAPE, np.float32)
    result[box.slices] = smooth(near * np.clip(horns, 0, 1) * (box.z > -4), 0.8)
    return result
