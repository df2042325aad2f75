"""Brain channels that a scan samples besides the structures: T1 contrast, sulcal weight, white-matter caps."""

import numpy as np
from scipy import ndimage

from ldae.phantom.grid import ORIGIN, SHAPE, axes, region, smooth
from ldae.phantom.template import Template

FLUID_T1, DURA_T1 = 60, 105  # template T1 values given to the space between brain and skull


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
