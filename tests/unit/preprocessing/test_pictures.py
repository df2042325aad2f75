"""The pictures of the pages of quality control: what they show, where, and that they are made once."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ldae.config import Conform
from ldae.core.errors import QuarantinedScan
from ldae.core.files import read_json, write_json
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.pictures import BINS, BLOCK, THUMB, TILE, Scan, block_of, box_of, draw_scan, draw_template
from ldae.preprocessing.quality import CONTOUR, on_grid
from ldae.preprocessing.registration_template import load_template

GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5))
RED = np.array(CONTOUR)


@pytest.fixture
def scan(head, true_mask, tmp_path) -> Scan:
    """The head turned to L-A-S on disk, its mask, and the template itself as the result."""
    template, affine = load_template(), grid_affine(GRID)
    data, inside = on_grid(template, GRID.shape, tuple(affine.ravel()))
    flipped = head.affine @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = head.affine[0, 3] + (head.shape[0] - 1) * head.affine[0, 0]
    images = {
        "scan.nii.gz": (head.get_fdata()[::-1].astype(np.float32), flipped),
        "mask.nii.gz": (true_mask[::-1].astype(np.uint8), flipped),
        "volume.nii.gz": ((data / data.max()).astype(np.float32), affine),
        "inside.nii.gz": (inside.astype(np.uint8), affine),
    }
    for name, (voxels, place) in images.items():
        nib.save(nib.Nifti1Image(voxels, place), tmp_path / name)
    t1w, mask, volume, brain = (tmp_path / name for name in images)
    return Scan("sub-A", "ses-1", t1w, "1", mask, volume, brain, tmp_path / "pictures/sub-A/sub-A_ses-1.webp")


def seen(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] - picture[..., 1:].max(axis=2)) > 60


def test_a_sheet_has_the_scan_the_mask_and_the_result(scan):
    record = draw_scan(scan, load_template())
    assert record["blocks"] == ["native", "masked", "volume"] and len(record["histogram"]) == BINS
    inside = np.asanyarray(nib.load(scan.volume_mask).dataobj) > 0
    assert sum(record["histogram"]) == inside.sum()
    sheet = seen(scan.sheet)
    assert sheet.shape == (3 * BLOCK, BLOCK, 3)
    native, masked, volume = (sheet[place * BLOCK : (place + 1) * BLOCK] for place in range(3))
    assert red(native).sum() == 0 == red(volume).sum() and 0.005 < red(masked).mean() < 0.1
    same = ~ndimage.binary_dilation(red(masked), iterations=8)  # WebP blurs colours
    assert np.abs(native - masked)[same].mean() < 4
    small = seen(scan.thumbnail)
    assert small.shape == (THUMB, 3 * THUMB, 3) and small.mean() > 20
    assert scan.sheet.stat().st_size < 120_000 and scan.thumbnail.stat().st_size < 9_000


def test_the_result_lies_over_the_template_and_a_pushed_one_does_not(scan, tmp_path):
    """Both are the template here, so that the slider shows no difference."""
    template = load_template()
    draw_scan(scan, template)
    draw_template(tmp_path, template, GRID.shape, grid_affine(GRID))
    volume, reference = seen(scan.sheet)[2 * BLOCK :], seen(tmp_path / "template.webp")
    assert np.abs(volume - reference).mean() < 3
    outline = np.asarray(Image.open(tmp_path / "contour.webp"))
    assert outline.shape == (BLOCK, BLOCK, 4) and (outline[outline[..., 3] > 0][:, :3] == RED).all()
    image = nib.load(scan.volume)
    pushed = dataclasses.replace(scan, volume=tmp_path / "pushed.nii.gz")
    nib.save(nib.Nifti1Image(np.roll(image.get_fdata(dtype=np.float32), 4, axis=1), image.affine), pushed.volume)
    draw_scan(pushed, template)
    assert np.abs(seen(scan.sheet)[2 * BLOCK :] - reference).mean() > 10


def test_axes_are_told_from_the_header_and_slices_lie_in_the_mask():
    """A bright corner to the right, the front and above is to the right and up in every view; the affine is left-handed
    on purpose."""
    data = np.zeros((20, 30, 40), np.float32)
    data[5:15, 5:25, 5:35] = 50
    data[12:15, 20:25, 24:35] = 200
    inside = data > 0
    image = nib.as_closest_canonical(nib.Nifti1Image(data[::-1], np.diag([-2.0, 2, 2, 1])))
    found = image.get_fdata(dtype=np.float32)
    block = block_of(image, box_of(found > 0), found, found > 0)[0][..., 0]
    assert box_of(inside)[0].tolist() == [5, 5, 5] and box_of(inside)[1].tolist() == [14, 24, 34]
    bright = np.argwhere(block[:TILE, 2 * TILE :] > 240)  # the last slice of the axial row goes through the corner
    assert len(bright) and bright[:, 0].max() < TILE // 2 < bright[:, 1].min()
    assert (block[:TILE, :TILE] > 240).sum() == 0  # the first lies below it


def test_pictures_are_made_once_and_again_when_a_file_changed(scan):
    template = load_template()
    first = draw_scan(scan, template)
    times = [path.stat().st_mtime_ns for path in (scan.sheet, scan.thumbnail, scan.record)]
    assert draw_scan(scan, template) == first == read_json(scan.record)
    assert [path.stat().st_mtime_ns for path in (scan.sheet, scan.thumbnail, scan.record)] == times
    scan.thumbnail.unlink()
    draw_scan(scan, template)
    assert scan.thumbnail.is_file()
    write_json(scan.volume.with_name("volume.json"), {"sha256": "other"})  # as a sidecar has it
    assert draw_scan(scan, template)["key"] != first["key"]
    assert draw_scan(dataclasses.replace(scan, content="2"), template)["key"] != first["key"]


def test_what_is_not_there_is_left_out(scan):
    template, nothing = load_template(), scan.sheet.with_name("no.nii.gz")
    lost = dataclasses.replace(scan, volume=None, volume_mask=None)
    assert draw_scan(lost, template) | {"key": ""} == {"key": "", "blocks": ["native", "masked"], "histogram": []}
    assert seen(lost.sheet).shape == (2 * BLOCK, BLOCK, 3)
    early = dataclasses.replace(lost, mask=nothing)
    assert draw_scan(early, template)["blocks"] == ["native"]
    given = dataclasses.replace(scan, t1w=None, mask=None)
    assert draw_scan(given, template)["blocks"] == ["volume"]
    empty = dataclasses.replace(early, t1w=nothing)
    assert draw_scan(empty, template)["blocks"] == []
    broken = dataclasses.replace(early, content="3")
    broken.t1w.write_bytes(broken.t1w.read_bytes()[:2000])
    with pytest.raises(QuarantinedScan):
        draw_scan(broken, template)
