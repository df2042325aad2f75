"""Whole heads tilted in their voxels: is the brain still found, and the way to the template?

    python benchmarks/tilted_heads.py [FILE ...] [--phantoms 0] [--degrees 25 30 35 -25 -30 -35]
        [--out results/tilted_heads.json]

A head is turned about the left-right axis (positive: tilted backwards) on a grid of its own voxels that holds all of
it; N4 in two coarse levels, both stages of deepbet, and the affine stage of ``syn`` (both brains at 2 mm, other starts
where the first is poor). ``mask``: Dice with the mask of the head as it is, turned. ``apart``: mean distance (mm)
between where the affines of the tilted head and of the head as it is put the same points of the brain. ``first alone``:
the same without other starts. What is measured is kept; delete the file to measure again. About 25 CPU-seconds a tilt.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
from bench_preprocess import FAST_N4, phantom  # noqa: E402
from scipy import ndimage  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from ldae.config import BrainExtraction, Registration  # noqa: E402
from ldae.core.errors import QuarantinedScan  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.preprocessing import registration  # noqa: E402
from ldae.preprocessing.bias_field import correct_bias_field  # noqa: E402
from ldae.preprocessing.brain_extraction import extract_brain  # noqa: E402
from ldae.preprocessing.quality import LIMITS, placed_metrics, verdict  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402
from ldae.preprocessing.registration_template import load_template  # noqa: E402
from ldae.preprocessing.resource_use import Meter  # noqa: E402
from ldae.preprocessing.steps import brain_of  # noqa: E402

AFFINE = Registration(transform="affine", resolution_mm=registration.AFFINE_MM)


def pose_of(image: nib.Nifti1Image, degrees: float) -> np.ndarray:
    """4x4, R-A-S mm -> R-A-S mm: a turn about the left-right axis through the middle of the image."""
    middle = nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    pose[:3, 3] = middle - pose[:3, :3] @ middle
    return pose


def tilted(image: nib.Nifti1Image, pose: np.ndarray) -> nib.Nifti1Image:
    """The image seen by a scanner in which the head lies turned; the axes of the voxels stay."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.shape) - 1)
    turn = np.linalg.inv(image.affine) @ pose @ image.affine  # voxel -> voxel of the image's own grid
    placed = nib.affines.apply_affine(turn, corners)
    low, high = np.floor(placed.min(0)), np.ceil(placed.max(0))
    affine = image.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(affine, low)
    back = np.linalg.inv(pose @ image.affine) @ affine
    size = tuple((high - low).astype(int) + 1)
    data = ndimage.affine_transform(image.get_fdata(dtype=np.float32), back[:3, :3], back[:3, 3], size, order=1)
    return nib.Nifti1Image(data, affine)


def aligned(image: nib.Nifti1Image) -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray, float]:
    """Mask, brain, affine to the template, and CPU-seconds of extraction and search.

    Raises:
        QuarantinedScan: no brain was found.
    """
    corrected = correct_bias_field(image, FAST_N4)[0]
    meter = Meter()
    mask = extract_brain(corrected, BrainExtraction()).mask
    brain = brain_of(corrected, mask)
    return mask, brain, found(brain), meter.spent()["cpu_seconds"]


def found(brain: nib.Nifti1Image) -> np.ndarray:
    alignment = registration.register(brain, AFFINE)
    alignment.discard()
    return alignment.native_to_template


def judged(brain: nib.Nifti1Image, matrix: np.ndarray) -> str:
    metrics = placed_metrics(brain, matrix, load_template()) | {"stretch": registration.stretch_of(matrix)}
    return verdict(metrics, {name: LIMITS[name] for name in metrics if name in LIMITS}, only=True)[0]


def measure(name: str, make: Callable[[], nib.Nifti1Image], degrees: list[float], pieces: dict, out: Path) -> None:
    """All tilts of one head; those that are known are not run again."""
    waiting = [angle for angle in degrees if f"{name}: {angle:g}" not in pieces]
    if not waiting:
        return
    image = make()
    straight, _, true, _ = aligned(image)
    voxels = np.argwhere(np.asanyarray(straight.dataobj) > 0)[::100]
    points = nib.affines.apply_affine(straight.affine, voxels)
    for angle in waiting:
        pose = pose_of(image, angle)
        record: dict[str, object] = {}
        try:
            mask, brain, matrix, cpu_s = aligned(tilted(image, pose))
        except QuarantinedScan as error:
            record["verdict"] = f"refused: {error}"
        else:
            there = np.asanyarray(tilted(straight, pose).dataobj) > 0.5
            ours = np.asanyarray(mask.dataobj) > 0.5
            record["mask"] = float(2 * (there & ours).sum() / (there.sum() + ours.sum()))
            record |= {"apart": apart_mm(matrix @ pose, true, points), "verdict": judged(brain, matrix)}
            record |= {"first alone": apart_mm(first_alone(brain) @ pose, true, points), "cpu_s": cpu_s}
        pieces[f"{name}: {angle:g}"] = record
        write_json(out, pieces)
        print(name, angle, record, flush=True)


def first_alone(brain: nib.Nifti1Image) -> np.ndarray:
    starts = registration.best_starts
    registration.best_starts = lambda *_: []
    try:
        return found(brain)
    finally:
        registration.best_starts = starts


def apart_mm(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> float:
    moved = [nib.affines.apply_affine(matrix, points) for matrix in (one, other)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--phantoms", type=int, default=0, help="so many phantoms at 1 mm as well")
    parser.add_argument("--degrees", type=float, nargs="+", default=[25, 30, 35, -25, -30, -35])
    parser.add_argument("--out", type=Path, default=Path("results/tilted_heads.json"))
    options = parser.parse_args()
    pieces = read_json(options.out) if options.out.is_file() else {}
    makers: dict[str, Callable[[], nib.Nifti1Image]] = {
        p.name.split(".")[0]: partial(read_scan, p) for p in options.scans
    }
    cache = options.out.with_name("anatomy.npz")
    makers |= {f"phantom {rid}": partial(phantom, rid, 1.0, cache) for rid in range(1, options.phantoms + 1)}
    for name, make in makers.items():
        measure(name, make, options.degrees, pieces, options.out)
    print("\n| head | tilt, degrees | mask | apart, mm | first alone, mm | verdict | CPU-s |\n" + "|---" * 7 + "|")
    for name in makers:
        for angle in options.degrees:
            record = pieces[f"{name}: {angle:g}"]
            cells = [f"{record[key]:.{digits}f}" if key in record else "" for key, digits in SHOWN]
            print(f"| {name} | {angle:g} | {' | '.join(cells[:3])} | {record['verdict']} | {cells[3]} |")


SHOWN = (("mask", 3), ("apart", 2), ("first alone", 2), ("cpu_s", 1))

if __name__ == "__main__":
    main()
