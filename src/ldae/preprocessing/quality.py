"""How well a scan came through: numbers, a verdict, and a small picture."""

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.files import atomic_path
from ldae.preprocessing.template import Template

# metric -> (fail below, warn below, warn above, fail above); from real scans and phantoms registered by an affine
LIMITS = {
    "dice_template": (0.85, 0.93, np.inf, np.inf),
    "ncc_template": (0.30, 0.45, np.inf, np.inf),
    "determinant": (0.6, 0.9, 2.2, 3.0),
    "brain_ml": (600, 850, 1900, 2300),
    "edge_fraction": (-1, -1, 0.001, 0.02),
    "clipped": (-1, -1, 0.05, 0.2),
}
CONTOUR, TILE = (255, 64, 64), 220  # colour; pixels along the longest axis, about


def alignment_metrics(volume: nib.Nifti1Image, mask: nib.Nifti1Image, template: Template) -> dict[str, float]:
    """Overlap and correlation with the template on the volume's grid, and brain voxels on its border."""
    data, brain = volume.get_fdata(dtype=np.float32), mask.get_fdata() > 0.5
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


def verdict(metrics: dict[str, float]) -> tuple[str, str]:
    """``pass``, ``warn`` or ``fail``, and the metrics that decided it."""
    failed, warned = [], []
    for name, (fail_low, warn_low, warn_high, fail_high) in LIMITS.items():
        value = metrics[name]
        if not fail_low <= value <= fail_high:
            failed.append(f"{name} {value:.3g}")
        elif not warn_low <= value <= warn_high:
            warned.append(f"{name} {value:.3g}")
    state = "fail" if failed else "warn" if warned else "pass"
    return state, ", ".join(failed or warned)


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
    rows = [
        slices_with_contour(scan.get_fdata(dtype=np.float32), mask.get_fdata() > 0.5),
        slices_with_contour(volume.get_fdata(dtype=np.float32), reference),
    ]
    save_rows(rows, path)


def slices_with_contour(data: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Axial, coronal and sagittal slice through the middle of the mask side by side, RGB uint8, contour in red."""
    top = np.percentile(data[mask], 99) if mask.any() else data.max()
    grey = np.clip(255 * data / max(top, 1e-6), 0, 255).astype(np.uint8)
    middle = np.round(ndimage.center_of_mass(mask)).astype(int)
    enlarge = np.ones((max(1, round(TILE / max(data.shape))),) * 2, np.uint8)
    tiles = []
    for axis in (2, 1, 0):
        picture, inside = (np.take(values, middle[axis], axis).T[::-1] for values in (grey, mask))
        picture, inside = (np.kron(values, enlarge.astype(values.dtype)) for values in (picture, inside))
        colour = np.repeat(picture[..., None], 3, axis=2)
        colour[inside & ~ndimage.binary_erosion(inside)] = CONTOUR
        tiles.append(colour)
    height = max(tile.shape[0] for tile in tiles)
    return np.concatenate([np.pad(tile, ((0, height - len(tile)), (0, 4), (0, 0))) for tile in tiles], axis=1)


def save_rows(rows: list[np.ndarray], path: Path) -> None:
    """Stack rows of pictures, padded to one width, into a PNG."""
    from PIL import Image

    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows])
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG", compress_level=1)
