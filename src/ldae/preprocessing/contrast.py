"""Whether the tissues of a scan have the order of a T1-weighted one: fluid darkest, then grey matter, then white.

Correlation with the template does not tell: a FLAIR has dark fluid too, and a deformable registration makes anything
correlate. So tissues are compared with one another, where the affine puts those of the template.
"""

from functools import cache

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.preprocessing.registration_template import Template

SMOOTH_MM, REACH = 1.0, 4.0  # standard deviation, and how many of them count
# of the template's white matter: a T1-weighted average of many brains has its tissues there
CORES = {"fluid": (0.0, 0.47), "grey": (0.62, 0.80), "white": (0.92, np.inf)}
INSIDE_MM = {
    "fluid": 3.0,
    "grey": 1.0,
    "white": 2.0,
    "brain": 4.0,
}  # from the border of its class (fluid: of the brain)
POINTS, FEWEST = 20_000, 200
ROUNDS = 3
VESSEL, VESSEL_POINTS = 1.5, 80_000  # of white matter: after a contrast agent vessels and plexus are brighter
CELL_MM, BRIGHT, FEWEST_IN_CELL, FEWEST_CELLS = 30.0, 75, 20, 10  # percentile: a cell may hold ventricle, too
HUBER, REFITS = 1.5, 10  # robust standard deviations, rounds


def contrast_metrics(image: nib.Nifti1Image, native_to_template: np.ndarray, template: Template) -> dict[str, float]:
    """Median intensities of the tissues over one another, on the scan's own grid.

    Args:
        image: the corrected scan.
        native_to_template: 4x4, R-A-S mm of the scan -> R-A-S mm of the template.

    Returns:
        ``grey_white`` and ``fluid_white``: medians over that of white matter; ``enhanced``: share of the inner brain
        that is :data:`VESSEL` times as bright as white matter. NaN where the scan holds too little of a tissue, or
        white matter has no signal.
    """
    data = image.get_fdata(dtype=np.float32)
    to_voxel = np.linalg.inv(native_to_template @ image.affine)
    found = {tissue: values_at(data, to_voxel, points) for tissue, points in tissue_points(template).items()}
    found["white"] = without_fluid(found["white"], float(np.median(found["fluid"])))
    white = float(np.median(found["white"]))
    white = white if white > 0 else float("nan")
    contrast = {f"{tissue}_white": float(np.median(found[tissue])) / white for tissue in ("grey", "fluid")}
    return contrast | {"enhanced": float((found["brain"] > VESSEL * white).mean()) if white > 0 else float("nan")}


def unevenness(image: nib.Nifti1Image, native_to_template: np.ndarray, template: Template) -> float | None:
    """Brightest over darkest place of white matter: a smooth inhomogeneity that bias correction has left.

    White matter's upper quartile in cells of :data:`CELL_MM`; its logarithm fitted by a line and a parabola along each
    axis, robustly (Huber 1964), so that a cell that is half ventricle bends nothing.

    Args:
        image, native_to_template, template: as :func:`contrast_metrics` takes them.

    Returns:
        1 for an even scan; None where the scan holds too few cells, or white matter has no signal.
    """
    points = tissue_points(template)["white"]
    cells = np.unique(np.floor(points / CELL_MM), axis=0, return_inverse=True)[1].ravel()
    data, to_voxel = image.get_fdata(dtype=np.float32), np.linalg.inv(native_to_template @ image.affine)
    centres, levels = [], []
    for cell in np.unique(cells):
        own = points[cells == cell]
        if len(own) >= FEWEST_IN_CELL and (level := float(np.percentile(values_at(data, to_voxel, own), BRIGHT))) > 0:
            centres.append(own.mean(axis=0) / CELL_MM)
            levels.append(np.log(level))
    if len(levels) < FEWEST_CELLS:
        return None
    places, known = np.array(centres), np.array(levels)
    terms, weights = np.column_stack([np.ones(len(places)), places, places**2]), np.ones(len(places))
    for _ in range(REFITS):
        root = np.sqrt(weights)
        fitted = terms @ np.linalg.lstsq(terms * root[:, None], known * root, rcond=None)[0]
        apart = np.abs(known - fitted)
        weights = 1 / np.maximum(1, apart / (HUBER * 1.4826 * np.median(apart) + 1e-9))
    return float(np.exp(np.ptp(fitted)))


def values_at(data: np.ndarray, to_voxel: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What a scan holds at (N, 3) R-A-S mm of the template; one NaN where it holds too little."""
    places = nib.affines.apply_affine(to_voxel, points)
    inside = ((places >= 0) & (places <= np.array(data.shape) - 1)).all(axis=1)
    if inside.sum() < min(FEWEST, len(points) // 4 + 1):
        return np.array([np.nan])
    return ndimage.map_coordinates(data, places[inside].T, order=1)


def without_fluid(values: np.ndarray, fluid: float) -> np.ndarray:
    """White matter's values without those that are nearer to fluid: large ventricles lie where the template has it."""
    kept = values
    for _ in range(ROUNDS):
        typical = np.median(kept)
        if not abs(typical - fluid) > 0:  # or one of them is not known
            return values
        kept = values[abs(values - typical) <= abs(values - fluid)]
    return kept


@cache
def tissue_points(template: Template) -> dict[str, np.ndarray]:
    """(N, 3) R-A-S mm of the template in the inner part of each tissue and of the ``brain``, the same every time."""
    zooms = np.linalg.norm(template.brain.affine[:3, :3], axis=0)
    sigma = SMOOTH_MM / zooms
    filled = np.asanyarray(template.mask.dataobj) > 0.5
    box = box_around(filled, np.ceil(REACH * sigma).astype(int) + 1)  # more than half of a template is empty
    brain = filled[box]
    smooth = ndimage.gaussian_filter(template.brain.get_fdata(dtype=np.float32)[box], sigma, truncate=REACH)
    share = smooth / np.percentile(smooth[brain], 95)
    depth = ndimage.distance_transform_edt(brain, zooms)
    found = {"brain": (depth > INSIDE_MM["brain"], VESSEL_POINTS)}
    for tissue, (low, high) in CORES.items():
        chosen = brain & (share >= low) & (share < high)
        inside = depth if tissue == "fluid" else ndimage.distance_transform_edt(chosen, zooms)
        found[tissue] = (chosen & (inside > INSIDE_MM[tissue]), POINTS)
    start = [part.start for part in box]
    return {tissue: sampled(template, chosen, start, count) for tissue, (chosen, count) in found.items()}


def box_around(filled: np.ndarray, margin: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds every True, and so many voxels more on either side as there are."""
    spans = [np.flatnonzero(filled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(max(0, span[0] - more), span[-1] + 1 + more) for span, more in zip(spans, margin, strict=True))


def sampled(template: Template, chosen: np.ndarray, start: list[int], count: int) -> np.ndarray:
    """(N, 3) R-A-S mm of at most ``count`` of the chosen voxels of a box from ``start`` on, evenly spread."""
    voxels = np.argwhere(chosen) + start
    return nib.affines.apply_affine(template.brain.affine, voxels[:: max(1, len(voxels) // count)][:count])
