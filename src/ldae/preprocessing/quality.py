"""How well a scan came through: numbers, a verdict, and a small picture."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.core.files import atomic_path
from ldae.preprocessing.artefacts import detail_of, fold_of, ghost_of, jump_of
from ldae.preprocessing.bias_field import quick_head_mask
from ldae.preprocessing.reasons import CAUSES, CONTRAST, reason_of
from ldae.preprocessing.registration_template import Template

# metric -> (fail below, warn below, warn above, fail above); from real scans and phantoms registered by an affine
Limits = Mapping[str, tuple[float | None, float | None, float | None, float | None]]
LIMITS: Limits = {
    "grey_white": (None, None, 0.88, 0.93),
    "fluid_white": (None, None, 0.8, 1.0),
    "uneven": (None, None, 1.6, 3.0),
    "jump": (None, None, 2.1, 5.0),
    "cut_cm2": (None, None, 5, 25),
    "cut_head_cm2": (None, None, 20, 50),
    "folded": (None, None, 0.4, None),
    "enhanced": (None, None, 0.0003, None),
    "dice_template": (0.85, 0.93, None, None),
    "ncc_template": (0.30, 0.45, None, None),
    "dice_affine": (0.85, 0.93, None, None),
    "ncc_affine": (0.30, 0.45, None, None),
    "determinant": (0.6, 0.9, 2.2, 3.0),
    "shear": (None, None, 0.2, 0.4),
    "stretch": (None, None, 1.25, 1.75),
    "turn": (None, None, 45, 75),
    "volume_ratio": (0.75, 0.9, 1.13, 1.25),
    "brain_ml": (600, 850, 1900, 2300),
    "noise": (None, None, 0.15, 0.4),
    "detail": (0.25, 0.33, None, None),
    "ghost": (None, None, 0.3, 0.6),
    "saturated": (None, None, 0.05, 0.3),
    "bias_range": (None, None, 6, 20),
    "edge_fraction": (None, None, 0.001, 0.02),
    "clipped": (None, None, 0.05, 0.2),
    "range_used": (None, 0.3, None, None),
    "filled": (None, None, 0.0, None),
    "offset": (None, None, 0.0, None),
    "stripped": (None, None, 0.5, None),
}
# no air to measure noise in; not measured outside the cohort's chain; no warp; not measured by earlier versions
UNKNOWN_ALLOWED = {"noise", "bias_range", "dice_affine", "ncc_affine", "grey_white", "fluid_white"}
UNKNOWN_ALLOWED |= {"cut_head_cm2", "range_used", "filled", "offset", "volume_ratio", "enhanced", "stretch", "turn"}
UNKNOWN_ALLOWED |= {"detail", "ghost", "uneven", "jump", "folded"}
NEAR_MM = 8.0  # skull and scalp are thicker
COARSE_MM, SIGNAL = (
    4.0,
    0.05,
)  # of a first look at an affine: its grid, and the share of white matter's signal that counts
CONTOUR, TILE, ROOM = (255, 64, 64), 220, 1.3  # colour; pixels; width in mask widths


def native_metrics(image: nib.Nifti1Image, mask: nib.Nifti1Image, stripped: bool = False) -> dict[str, float | None]:
    """What the scan itself tells, before any registration.

    Returns:
        ``noise``: standard deviation of the air (Rayleigh) over the median of the brain, None without air;
        ``noise_brain``: noise between neighbouring brain voxels over that median; ``saturated``: fraction of the brain
        at the image's maximum; ``cut_cm2``: brain surface on the border of the image (a cropped brain);
        ``cut_head_cm2``: head on that border, beside the brain (a mask may end before it),
        None for a scan that is ``stripped`` already; ``detail``, ``ghost``, ``jump`` and ``folded`` as
        :mod:`ldae.preprocessing.artefacts` has them.
    """
    data, brain = image.get_fdata(dtype=np.float32), np.asanyarray(mask.dataobj) > 0.5
    zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
    typical, head = float(np.median(data[brain])), quick_head_mask(data, zooms)
    found = {"cut_cm2": cut_area(brain, zooms), "cut_head_cm2": None if stripped else cut_head_area(head, brain, zooms)}
    found |= {"detail": detail_of(data, brain, zooms), "ghost": ghost_of(data, brain, zooms)}
    sideways = int(nib.io_orientation(image.affine)[:, 0].argmin())
    faces = [(np.take(head, 0, axis), np.take(head, -1, axis)) for axis in range(3)]
    faces[sideways] = cut_faces(head, brain, zooms)[sideways]  # two shoulders are alike
    found |= {"jump": jump_of(data, brain, zooms, sideways), "folded": fold_of(data, faces, zooms)}
    if not typical > 0:
        return {"noise": None, "noise_brain": None, "saturated": 0.0} | found
    air = data[~ndimage.binary_dilation(head, iterations=max(1, round(6 / zooms.min())))]
    known = air.size > 1000 and (np.abs(air) < 1e-3 * typical).mean() < 0.5  # many scanners blank the air
    steps = np.diff(data, n=2, axis=0)[brain[2:] & brain[1:-1] & brain[:-2]]
    noise_brain = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(6) / typical
    return {
        "noise": float(air.mean() / np.sqrt(np.pi / 2) / typical) if known else None,
        "noise_brain": float(noise_brain),
        "saturated": float((data[brain] >= data.max() * (1 - 1e-6)).mean()),
    } | found


def cut_area(brain: np.ndarray, zooms: np.ndarray) -> float:
    """Area (cm2) of a mask on the six faces of its grid."""
    faces = [np.take(brain, [0, -1], axis).sum() * np.prod(np.delete(zooms, axis)) for axis in range(3)]
    return float(sum(faces) / 100)


def cut_head_area(head: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> float:
    """Area (cm2) of head on the faces of the grid that come within :data:`NEAR_MM` of the brain, beside it.

    Skull and scalp are missing there, if not more: a mask may end before the border that cuts the brain. The neck
    does not count, nor a nose, an ear or the crown's skin that is cut off.
    """
    cut = cut_faces(head, brain, zooms)
    return float(sum(face.sum() * np.delete(zooms, axis).prod() / 100 for axis in range(3) for face in cut[axis]))


def cut_faces(head: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each axis, where the first and the last face of the grid cut the head right beside the brain."""
    found = []
    for axis in range(3):
        across, depth = np.delete(zooms, axis), max(1, round(NEAR_MM / zooms[axis]))
        faces = []
        for part, face in ((slice(0, depth), 0), (slice(-depth, None), -1)):
            beneath = np.moveaxis(brain, axis, 0)[part].any(axis=0)
            near = beneath.any() and ndimage.distance_transform_edt(~beneath, across) <= NEAR_MM
            faces.append(near & np.moveaxis(head, axis, 0)[face])
        found.append((faces[0], faces[1]))
    return found


def before_the_warp(
    brain: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    native_to_template: np.ndarray,
    volume: nib.Nifti1Image,
    template: Template,
) -> dict[str, float]:
    """``dice_affine`` and ``ncc_affine``: what a warp adds to both it adds to anything, whatever it is."""
    mapping = np.linalg.inv(native_to_template @ brain.affine) @ volume.affine
    moved, inside = (
        nib.Nifti1Image(
            ndimage.affine_transform(part, mapping[:3, :3], mapping[:3, 3], volume.shape, order=1), volume.affine
        )
        for part in (brain.get_fdata(dtype=np.float32), np.asanyarray(mask.dataobj).astype(np.float32))
    )
    found = alignment_metrics(moved, inside, template)
    return {"dice_affine": found["dice_template"], "ncc_affine": found["ncc_template"]}


def placed_metrics(brain: nib.Nifti1Image, native_to_template: np.ndarray, template: Template) -> dict[str, float]:
    """How a linear transform places a brain, on a coarse grid.

    Args:
        brain: 0 outside the brain.

    Returns:
        ``ncc_template``, ``dice_template``, ``determinant`` and ``volume_ratio``.
    """
    data = brain.get_fdata(dtype=np.float32)
    mask = ndimage.binary_fill_holes(data > SIGNAL * np.percentile(data[data > 0], 90)) if data.any() else data > 0
    grid = coarse_grid(template)
    whole = nib.Nifti1Image(mask.astype(np.uint8), brain.affine)
    found = before_the_warp(brain, whole, native_to_template, grid, template)
    determinant = float(np.linalg.det(native_to_template[:3, :3]))
    return {
        "ncc_template": found["ncc_affine"],
        "dice_template": found["dice_affine"],
        "determinant": determinant,
        "volume_ratio": volume_ratio(whole, determinant, template),
    }


@cache
def coarse_grid(template: Template) -> nib.Nifti1Image:
    """An empty image with voxels of :data:`COARSE_MM` where the template lies."""
    zooms = np.linalg.norm(template.brain.affine[:3, :3], axis=0)
    shape = np.ceil(np.array(template.brain.shape) * zooms / COARSE_MM).astype(int)
    affine = template.brain.affine @ np.diag([*(COARSE_MM / zooms), 1.0])
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def volume_ratio(mask: nib.Nifti1Image, determinant: float, template: Template) -> float:
    """Volume of the brain after the affine over that of the template's: 1.01 to 1.09 in scans that are aligned."""
    own, reference = (
        (np.asanyarray(each.dataobj) > 0.5).sum() * abs(np.linalg.det(each.affine[:3, :3]))
        for each in (mask, template.mask)
    )
    return float(own * abs(determinant) / reference)


def alignment_metrics(volume: nib.Nifti1Image, mask: nib.Nifti1Image, template: Template) -> dict[str, float]:
    """Overlap and correlation with the template on the volume's grid, and brain voxels on its border."""
    data, brain = volume.get_fdata(dtype=np.float32), np.asanyarray(mask.dataobj) > 0.5
    reference, reference_brain = on_grid(template, volume.shape, tuple(volume.affine.ravel()))
    both = reference_brain
    centred = [values[both] - values[both].mean() for values in (data, reference)]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    border = brain.copy()
    border[1:-1, 1:-1, 1:-1] = False
    return {
        "dice_template": float(2 * (brain & both).sum() / (brain.sum() + both.sum())),
        "ncc_template": float((centred[0] * centred[1]).sum() / norm) if norm else 0.0,
        "edge_fraction": float(border.sum() / brain.sum()),
    }


@cache
def on_grid(template: Template, shape: tuple[int, ...], affine: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Template and its mask sampled on the target grid, smoothed to its resolution first."""
    target = np.array(affine).reshape(4, 4)
    mapping = np.linalg.inv(template.brain.affine) @ target
    sigma = np.abs(np.diag(mapping))[:3] / 2.355
    brain = ndimage.gaussian_filter(template.brain.get_fdata(dtype=np.float32), sigma)
    sampled = [
        ndimage.affine_transform(values, mapping[:3, :3], mapping[:3, 3], shape, order=1)
        for values in (brain, template.mask.get_fdata(dtype=np.float32))
    ]
    return sampled[0], sampled[1] > 0.5


def verdict(metrics: Mapping[str, float | None], limits: Limits | None = None, only: bool = False) -> tuple[str, str]:
    """``pass``, ``warn`` or ``fail``, and the metrics that decided it, after those that are the cause of others.

    Another contrast is said first, and no warning beside it: what warns is known of T1-weighted heads alone.

    Args:
        limits: in place of the built-in ones, by name.
        only: the metrics that ``limits`` names, no others.
    """
    contrast: list[str] = []
    failed: list[str] = []
    causes: list[str] = []
    warned: list[str] = []
    asked = (limits or {}) if only else {**LIMITS, **(limits or {})}
    for name, (fail_low, warn_low, warn_high, fail_high) in asked.items():
        value = metrics.get(name)
        value = np.nan if value is None else float(value)
        if np.isnan(value) and name in UNKNOWN_ALLOWED:
            continue
        if not inside(value, fail_low, fail_high):
            (contrast if name in CONTRAST else failed).append(reason_of(name, value, metrics))
        elif not inside(value, warn_low, warn_high):
            (causes if name in CAUSES else warned).append(reason_of(name, value, metrics))
    if contrast:
        return "fail", "; ".join(dict.fromkeys([*contrast, *failed]))  # two of the contrast have one sentence
    state = "fail" if failed else "warn" if causes or warned else "pass"
    return state, "; ".join(dict.fromkeys([*causes, *(failed or warned)]))


def inside(value: float, low: float | None, high: float | None) -> bool:
    """Within the limits that there are; not a number is inside none."""
    return not np.isnan(value) and (low is None or value >= low) and (high is None or value <= high)


def draw_picture(
    native: nib.Nifti1Image,
    native_mask: nib.Nifti1Image,
    volume: nib.Nifti1Image,
    template: Template,
    path: Path,
) -> None:
    """Upper row: the scan with its brain mask's contour; lower row: the result with the template's contour."""
    scan, mask = (nib.as_closest_canonical(image) for image in (native, native_mask))
    reference = on_grid(template, volume.shape, tuple(volume.affine.ravel()))[1]
    save_rows(
        [slices_with_contour(scan, np.asanyarray(mask.dataobj) > 0.5), slices_with_contour(volume, reference)], path
    )


def slices_with_contour(image: nib.Nifti1Image, mask: np.ndarray) -> np.ndarray:
    """Axial, coronal and sagittal slice through the middle of the mask, RGB uint8, contour in red.

    Three squares of :data:`TILE` pixels that are :data:`ROOM` times as wide as the mask in mm, so that brains look
    alike whatever the voxels and the field of view, and what the mask has left out is seen.
    """
    data, zooms = image.get_fdata(dtype=np.float32), np.array(image.header.get_zooms()[:3])
    top = max(np.percentile(data[mask], 99) if mask.any() else data.max(), 1e-6)
    filled = np.argwhere(mask) if mask.any() else np.array([np.zeros(3), np.array(data.shape) - 1])
    first, last = filled.min(0), filled.max(0)
    steps = np.linspace(-0.5, 0.5, TILE) * ((last - first + 1) * zooms).max() * ROOM
    tiles = []
    for axis in (2, 1, 0):
        across, up = (other for other in range(3) if other != axis)
        points = np.repeat(((first + last) / 2)[:, None, None], TILE, 1).repeat(TILE, 2)
        points[axis] = np.rint(points[axis])
        points[across] += steps[None, :] / zooms[across]
        points[up] -= steps[:, None] / zooms[up]
        grey = np.clip(255 * ndimage.map_coordinates(data, points, order=1) / top, 0, 255).astype(np.uint8)
        inside = ndimage.map_coordinates(mask.astype(np.uint8), points, order=0) > 0
        colour = np.repeat(grey[..., None], 3, axis=2)
        colour[inside & ~ndimage.binary_erosion(inside)] = CONTOUR
        tiles.append(np.pad(colour, ((0, 0), (0, 4), (0, 0))))
    return np.concatenate(tiles, axis=1)


def save_rows(rows: list[np.ndarray], path: Path) -> None:
    """Stack rows of pictures, padded to one width, into a PNG."""
    from PIL import Image

    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows])
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG", compress_level=1)
