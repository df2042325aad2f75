"""What spoils a scan whose brain is found all the same: no detail left, and a ghost half a field of view away."""

import numpy as np
from scipy import ndimage

DETAIL_MM = 8.0  # full width at half maximum: what is finer than this is detail
COARSE_MM, NEAR_MM, LEAST_ML = 4.0, 8.0, 50.0  # of the search for ghosts: grid, skull and scalp, room that is needed


def detail_of(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> float:
    """Share of the brain's contrast that is finer than :data:`DETAIL_MM`, along the axis that has most of it.

    Along one axis, so that thick slices count by their in-plane detail; noise counts as detail.

    Args:
        data: (X, Y, Z) intensities.
        brain: (X, Y, Z) bool.
        zooms: (3,) mm.
    """
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    part, inside = data[box], brain[box]
    typical, top = np.percentile(part[inside], [50, 99])
    filled = np.where(inside, np.minimum(part, top), typical)  # no edge of the mask, no bright vessel
    spread = filled[inside].std()
    if not spread > 0:
        return 0.0
    found = []
    for axis in range(3):
        lines = tuple(slice(None) if other == axis else slice(None, None, 2) for other in range(3))
        smooth = ndimage.gaussian_filter1d(filled[lines], DETAIL_MM / 2.355 / zooms[axis], axis)
        found.append(float((filled[lines] - smooth)[inside[lines]].std() / spread))
    return max(found)


def ghost_of(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> float | None:
    """Correlation of the brain with what lies half a field of view away from it, along the axis where it is largest.

    Only what is no brain there, nor its skull and scalp, is looked at; None where too little of it is in the image, or
    all of that has one intensity.

    Args:
        data, brain, zooms: as :func:`detail_of` takes them.
    """
    steps = np.maximum(1, np.rint(COARSE_MM / zooms)).astype(int)
    thin = tuple(slice(None, None, step) for step in steps)
    sizes = zooms * steps
    away = ndimage.distance_transform_edt(~brain[thin], sizes) > NEAR_MM
    found = []
    for axis in range(3):
        there = (np.arange(0, data.shape[axis], steps[axis]) + data.shape[axis] // 2) % data.shape[axis]
        others = tuple(slice(None) if other == axis else part for other, part in enumerate(thin))
        chosen = np.take(brain[others], there, axis) & away
        if chosen.sum() * sizes.prod() / 1000 < LEAST_ML:
            continue
        here, copied = (part[chosen].astype(float) for part in (data[thin], np.take(data[others], there, axis)))
        if np.ptp(here) > 0 and np.ptp(copied) > 0:
            found.append(float(np.corrcoef(here, copied)[0, 1]))
    return max(found, default=None)
