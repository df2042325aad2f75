"""What the pages of quality control show of one scan: where its mask lies, how it fits the template, its intensities.

A sheet of three blocks, one below the other: the scan as it came, the same with the contour of its brain mask, and the
result on the grid of the networks. A block has three axial, three coronal and three sagittal slices.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image
from scipy import ndimage

from ldae.config import Conform
from ldae.core.files import atomic_path, digest, read_json, sha256_file, write_json
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.given_volumes import given_volume
from ldae.preprocessing.quality import CONTOUR, on_grid
from ldae.preprocessing.reading import read_given, read_scan
from ldae.preprocessing.registration_template import Template

DRAWING = 1  # raise it when the pictures are to be drawn again
TILE, ROOM = 160, 1.25  # pixels; width in mask widths
DEPTHS = (0.3, 0.5, 0.7)  # of the mask's extent
AXES = (2, 1, 0)  # rows of a block: axial, coronal, sagittal
BLOCK = TILE * 3
THUMB = 72  # pixels, height
BINS = 64  # of [0, 1]
QUALITY = 72  # of WebP
BLOCKS = ("native", "masked", "volume")


@dataclass(frozen=True)
class Scan:
    """The files of one scan that are drawn; what is not there is left out of its pictures.

    Attributes:
        t1w: as it came; content: what stands for that file, digest or size and time; mask: on its grid.
        volume: on the grid of the networks; volume_mask: brain on that grid.
        given: the volume is somebody else's, and is brought to this grid as it is for the networks; None: it is ours.
        sheet: picture to be written; thumbnail and record lie beside it.
        orientation: of files whose header has none; min_slices: fewest voxels along an axis.
    """

    participant_id: str
    session_id: str
    t1w: Path | None
    content: str | None
    mask: Path | None
    volume: Path | None
    volume_mask: Path | None
    sheet: Path
    orientation: str | None = None
    min_slices: int = 32
    given: Conform | None = None

    @property
    def thumbnail(self) -> Path:
        """The small picture of the table."""
        return self.sheet.with_name(self.sheet.name.replace(".webp", "_thumb.webp"))

    @property
    def record(self) -> Path:
        """What the pictures were made from, which blocks they have, and the histogram."""
        return self.sheet.with_suffix(".json")


def draw_scan(scan: Scan, template: Template) -> dict[str, Any]:
    """Write sheet, thumbnail and record of a scan, unless they are there and were made from the same files.

    Returns:
        The record: ``blocks`` (of :data:`BLOCKS`, those drawn) and ``histogram`` (of the brain, counts in
        :data:`BINS` bins of [0, 1]; empty without a volume).

    Raises:
        QuarantinedScan: a file cannot be read.
    """
    made: list[Any] = [content_of(product) for product in (scan.mask, scan.volume)]
    if scan.given:  # its content is known, and a sidecar beside it is none of ours
        made = [scan.given.model_dump(mode="json")]
    key = digest([DRAWING, template.sha256, scan.orientation, scan.content, *made])
    known = read_json(scan.record) if scan.record.is_file() else {}
    there = scan.thumbnail.is_file() and scan.sheet.is_file()
    if known.get("key") == key and (there or not known["blocks"]):
        return known
    blocks, small, histogram = drawn(scan, template)
    if blocks:
        save_webp(scan.sheet, np.concatenate([block for _, block in blocks]))
        save_webp(scan.thumbnail, np.concatenate(small, axis=1))
    record = {"key": key, "blocks": [name for name, _ in blocks], "histogram": histogram}
    write_json(scan.record, record)
    return record


def content_of(path: Path | None) -> str | None:
    """What stands for a file: the digest in its sidecar, else of its bytes; None where it is not there."""
    if path is None or not path.is_file():
        return None
    beside = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    record = read_json(beside) if beside.is_file() else {}
    stated = record.get("sha256") if isinstance(record, dict) else None
    return stated or sha256_file(path)


def drawn(scan: Scan, template: Template) -> tuple[list[tuple[str, np.ndarray]], list[np.ndarray], list[int]]:
    """Blocks by name, the tiles of the thumbnail, and the histogram."""

    blocks, small, histogram = [], [], []
    if scan.t1w is not None and scan.t1w.is_file():
        native = nib.as_closest_canonical(read_given(scan.t1w, scan.orientation, scan.min_slices)[0])
        data, inside = native.get_fdata(dtype=np.float32), None
        if scan.mask is not None and scan.mask.is_file():
            inside = nib.as_closest_canonical(read_scan(scan.mask)).get_fdata(dtype=np.float32) > 0.5
        box = box_of(inside if inside is not None and inside.any() else data > data.mean())
        plain, masked = block_of(native, box, data, inside)
        blocks.append(("native", plain))
        if inside is not None:
            blocks.append(("masked", masked))
        small += [middle(masked, row) for row in (2, 0)]  # sagittal shows the neck, axial the rest
    if scan.volume is not None and scan.volume.is_file():
        volume = given_image(scan.volume, scan.given) if scan.given else read_scan(scan.volume)
        data, reference = volume.get_fdata(dtype=np.float32), template_on(volume, template)
        plain, outlined = block_of(volume, box_of(reference), data, reference)
        blocks.append(("volume", plain))
        small.append(middle(outlined, 0))
        brain = data > 0
        if scan.volume_mask is not None and scan.volume_mask.is_file():
            brain = read_scan(scan.volume_mask).get_fdata(dtype=np.float32) > 0.5
        histogram = np.histogram(data[brain], BINS, (0, 1))[0].tolist()
    return blocks, small, histogram


def given_image(path: Path, grid: Conform) -> nib.Nifti1Image:
    """A volume of somebody else's, in [0, 1] on the grid of the networks, where the store says that it lies."""
    return nib.Nifti1Image(given_volume(path, grid), grid_affine(grid))


def template_on(volume: nib.Nifti1Image, template: Template) -> np.ndarray:
    """The template's brain mask on the grid of a volume."""
    return on_grid(template, volume.shape, tuple(volume.affine.ravel()))[1]


def draw_template(folder: Path, template: Template, shape: tuple[int, ...], affine: np.ndarray) -> None:
    """``template.webp``, a block as those of volumes, and ``contour.webp``, the outline of its brain alone."""
    data, inside = on_grid(template, shape, tuple(affine.ravel()))
    plain, outlined = block_of(nib.Nifti1Image(data, affine), box_of(inside), data, inside)
    save_webp(folder / "template.webp", plain)
    line = (outlined == CONTOUR).all(axis=2)
    alone = np.zeros((*line.shape, 4), np.uint8)
    alone[line] = (*CONTOUR, 255)
    save_webp(folder / "contour.webp", alone, lossless=True)


def box_of(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel of a mask along each axis; of an empty one the whole grid."""
    if not inside.any():
        return np.zeros(3), np.array(inside.shape) - 1.0
    filled = [np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    return np.array([found[0] for found in filled], float), np.array([found[-1] for found in filled], float)


def block_of(
    image: nib.Nifti1Image, box: tuple[np.ndarray, np.ndarray], data: np.ndarray, inside: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """A block of slices of an image (axes R-A-S), RGB uint8, without and with the contour of ``inside``.

    Args:
        box: what is centred and fills a tile up to :data:`ROOM`; slices lie at :data:`DEPTHS` of it.
    """
    zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
    first, last = box
    bright = data[inside] if inside is not None and inside.any() else data[data > 0]
    top = max(float(np.percentile(bright, 99)) if bright.size else 0.0, 1e-6)
    steps = np.linspace(-0.5, 0.5, TILE) * ((last - first + 1) * zooms).max() * ROOM
    plain, outlined = [], []
    for axis in AXES:
        across, up = (other for other in range(3) if other != axis)
        for depth in DEPTHS:
            points = np.repeat(((first + last) / 2)[:, None, None], TILE, 1).repeat(TILE, 2)
            points[axis] = np.rint(first[axis] + depth * (last[axis] - first[axis]))
            points[across] += steps[None, :] / zooms[across]
            points[up] -= steps[:, None] / zooms[up]
            grey = np.clip(255 * ndimage.map_coordinates(data, points, order=1) / top, 0, 255).astype(np.uint8)
            tile = np.repeat(grey[..., None], 3, axis=2)
            plain.append(tile)
            if inside is not None:
                within = ndimage.map_coordinates(inside.astype(np.uint8), points, order=0) > 0
                tile = tile.copy()
                tile[within & ~ndimage.binary_erosion(within)] = CONTOUR
            outlined.append(tile)
    return assembled(plain), assembled(outlined)


def assembled(tiles: list[np.ndarray]) -> np.ndarray:
    """Nine tiles as a square of three rows."""
    return np.concatenate([np.concatenate(tiles[row : row + 3], axis=1) for row in (0, 3, 6)])


def middle(block: np.ndarray, row: int) -> np.ndarray:
    """The middle tile of a row of a block, in the size of the thumbnail."""
    tile = Image.fromarray(block[row * TILE : (row + 1) * TILE, TILE : 2 * TILE])
    return np.asarray(tile.resize((THUMB, THUMB), Image.Resampling.BOX))


def save_webp(path: Path, picture: np.ndarray, lossless: bool = False) -> None:
    """Write a picture (RGB or RGBA uint8) whole or not at all."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="WEBP", quality=QUALITY, method=4, lossless=lossless)
