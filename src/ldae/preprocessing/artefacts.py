"""What spoils a scan whose brain is found all the same: no detail, a ghost half a field of view away, slices that do
not follow one another, and a head that goes on at the opposite border."""

import numpy as np
from scipy import ndimage

DETAIL_MM = 8.0  # full width at half maximum: what is finer than this is detail
COARSE_MM, NEAR_MM, LEAST_ML = 4.0, 8.0, 50.0  # of the search for ghosts: grid, skull and scalp, room that is needed
AROUND_MM, LARGE = 12.0, 0.3  # of a slice; of the largest: others hold too little brain
MIDLINE_MM, ALLOWED_THERE = 10.0, 2.0  # the falx and the medial walls are a jump of their own
LEAST_CM2 = 80.0  # of head that a face cuts: a nose and the back of a head are no fold


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


def jump_of(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray, sideways: int) -> float:
    """How many times more two neighbouring slices differ than those around them, where that is most.

    Along each axis the median difference of neighbouring brain voxels, over the median of the same within
    :data:`AROUND_MM`. Slices that are missing, empty or moved make it large; noise and thick slices do not, since all
    slices have them.

    Args:
        data, brain, zooms: as :func:`detail_of` takes them.
        sideways: axis from left to right.
    """
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    part, inside = np.minimum(data[box], np.percentile(data[brain], 99)), brain[box]
    found = 0.0
    for axis in range(3):
        lines = tuple(slice(None) if other == axis else slice(None, None, 2) for other in range(3))
        values, filled = (np.moveaxis(each[lines], axis, 0) for each in (part, inside))
        both = filled[1:] & filled[:-1]
        area = both.sum(axis=(1, 2))
        chosen = np.flatnonzero(area > LARGE * area.max())
        steps = np.array([np.median(np.abs(values[each + 1] - values[each])[both[each]]) for each in chosen])
        reach, middle = max(2, round(AROUND_MM / zooms[axis])), np.average(np.arange(len(area)), weights=area)
        for number, each in enumerate(chosen):
            others = np.r_[steps[max(0, number - reach) : number], steps[number + 1 : number + 1 + reach]]
            usual = float(np.median(others)) if len(others) else 0.0
            allowed = ALLOWED_THERE if axis == sideways and abs(each - middle) * zooms[axis] < MIDLINE_MM else 1.0
            found = max(found, float(steps[number]) / usual / allowed if usual > 0 else 0.0)
    return found


def fold_of(data: np.ndarray, cut: list[tuple[np.ndarray, np.ndarray]], zooms: np.ndarray) -> float | None:
    """Correlation of opposite faces of the image where one of them cuts the head, along the axis where it is largest.

    A head that is folded over goes on at the opposite face; one that was cut does not.

    Args:
        data, zooms: as :func:`detail_of` takes them.
        cut: for each axis, where its first and its last face cut the head.

    Returns:
        None where no face cuts :data:`LEAST_CM2` of it.
    """
    found = []
    for axis, (first, last) in enumerate(cut):
        there = first | last
        if there.sum() * np.delete(zooms, axis).prod() / 100 >= LEAST_CM2:
            one, other = (np.take(data, end, axis)[there].astype(float) for end in (0, -1))
            same = np.ptp(one) == 0 or np.ptp(other) == 0
            found.append(0.0 if same else float(np.corrcoef(one, other)[0, 1]))
    return max(found, default=None)
