"""What lies around a head, where it is not the dark air of a magnitude image: marks, values below zero, noise."""

import numpy as np
from scipy import ndimage

from ldae.core.errors import QuarantinedScan
from ldae.preprocessing.bias_field import otsu_threshold

STRAY = 1e-3  # fraction of the voxels that may carry the mark inside the head
BEYOND = 3.0  # a mark lies so many times farther below zero than the 99th percentile lies above
LEVEL = 0.02  # of the range: an air that lies less below zero is interpolation
EMPTY = 0.3  # fraction of exact zeros in an image of a masked brain
HOUNSFIELD_AIR, HOUNSFIELD_BONE = (-1050.0, -950.0), 300.0
CORNER = 12  # a corner cube has a twelfth of every side
NOISE_LEVEL, NOISE_SPREAD, SMOOTH = 0.2, 0.3, 0.5


def as_zero(data: np.ndarray) -> tuple[np.ndarray, float]:
    """Marks of the background (NaN, -32768, any lowest value far below zero) become 0.

    Marks are background where they reach the corners of the image, or nearly all of its faces, and hardly occur
    elsewhere; any other NaN stays, and where there are many, all that the background does not reach.

    Args:
        data: (X, Y, Z) float32, with NaN.

    Returns:
        The data and the fraction of its voxels that were marks.
    """
    marks = np.isnan(data)
    if not marks.any():
        lowest = data.min()
        rest = np.abs(data[data != lowest])
        if not rest.size or lowest >= -BEYOND * np.percentile(rest, 99):
            return data, 0.0
        marks = data == lowest
    corners = marks[np.ix_(*[(0, -1)] * 3)]
    faces = np.concatenate([np.take(marks, [0, -1], axis).ravel() for axis in range(3)])
    if not corners.all() and faces.mean() < 0.8:
        return data, 0.0
    labels, _ = ndimage.label(marks)
    around = np.unique(np.concatenate([np.take(labels, [0, -1], axis).ravel() for axis in range(3)]))
    enclosed = marks & ~np.isin(labels, around)
    if enclosed.mean() > STRAY:
        if not np.isnan(data).any():
            return data, 0.0
        marks &= ~enclosed  # whose share is told, not that of the background
    return np.where(marks, 0, data).astype(np.float32), float(marks.mean())


def shifted(data: np.ndarray) -> tuple[np.ndarray, float]:
    """Intensities that begin below zero (a linear map of a magnitude image, or z-scores) begin at zero.

    Negative values of interpolation, and a noise around zero, stay.

    Returns:
        The data, and what was added to it over the 99th percentile of the result: 0 in nearly every scan.

    Raises:
        QuarantinedScan: the voxels are Hounsfield units.
    """
    air_low, air_high = HOUNSFIELD_AIR
    if ((data > air_low) & (data < air_high)).mean() > 0.1 and np.percentile(data, 99.9) > HOUNSFIELD_BONE:
        raise QuarantinedScan("a CT, not an MR image: the air has -1000 Hounsfield units; give a T1-weighted scan")
    if data.min() >= 0:
        return data, 0.0
    empty = data == 0
    masked = empty.mean() > EMPTY and (data[~empty] < 0).mean() > 0.05
    values = data[~empty] if masked else data
    air = float(np.median(values[values <= otsu_threshold(values)]))
    top = float(np.percentile(values, 99))
    if air >= -LEVEL * (top - air):
        return data, 0.0
    level = float(np.percentile(values, 0.1))
    moved = np.maximum(data - level, 0)
    if masked:
        moved = np.where(empty, 0, moved)
    return moved.astype(np.float32), -level / (top - level)


def check_noise(data: np.ndarray) -> None:
    """Raises:
    QuarantinedScan: the air is noise as strong as the head, as in the ratio image of an MP2RAGE.
    """
    middle = tuple(slice(size // 3, 2 * size // 3) for size in data.shape)
    if np.ptp(data[middle]) == 0 or neighbours(data[middle]) < SMOOTH:
        return  # nothing but noise
    top = np.percentile(data, 99)
    sides = [max(6, size // CORNER) for size in data.shape]
    noisy = 0
    for ends in np.ndindex(2, 2, 2):
        part = tuple(slice(-side, None) if end else slice(0, side) for end, side in zip(ends, sides, strict=True))
        low, typical, high = np.percentile(data[part], [25, 50, 75])
        if typical > NOISE_LEVEL * top and high - low > NOISE_SPREAD * typical:
            noisy += bool(neighbours(data[part]) < SMOOTH)
    if noisy >= 6:
        raise QuarantinedScan(
            "the air is noise as bright as the head, as in the uniform image of an MP2RAGE (UNI, UNIT1): give its "
            "denoised image (UNI-DEN on Siemens scanners, or one combined with a regularisation)"
        )


def neighbours(part: np.ndarray) -> float:
    """Correlation of neighbouring voxels."""
    return float(np.corrcoef(part[1:].ravel(), part[:-1].ravel())[0, 1])
