"""Whether a mirrored head is seen, by how a model judges the look of a volume (no network): phantoms with and without
the asymmetry that real heads share, brought to MNI space by their true pose.

    python benchmarks/mirrored_heads.py anatomy.npz --torque-mm 3

One CPU-second a phantom.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from ldae.inference.appearance import SIDES, Appearance
from ldae.inference.conformal import level_of
from ldae.inference.reference import USUAL
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.population import draw_subject
from ldae.phantom.scan import make_scan

SEED, VOXEL_MM = 18, 3.0
SHAPE, SPACING_MM, CENTRE_MM = (48, 56, 48), 3.5, (0.0, -17.0, 5.0)  # of config/small_networks.yaml
HELD_OUT_FROM, FRESH_FROM = 101, 201  # roster numbers; training scans from 1 on


def grid() -> np.ndarray:
    """(4, 4) indices -> MNI mm."""
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = np.array(CENTRE_MM) - SPACING_MM * (np.array(SHAPE) - 1) / 2
    return affine


def volume(anatomy: Anatomy, rid: int, torque_mm: float) -> np.ndarray:
    """(X, Y, Z) in [0, 1]: the true brain of a scan, without its inhomogeneity, on the grid."""
    scan = make_scan(anatomy, draw_subject(SEED, rid), 0, "M000", SEED, VOXEL_MM, torque_mm=torque_mm)
    brain = np.where(scan.labels > 0, scan.image / scan.inhomogeneity, 0).astype(np.float32)
    place = np.linalg.inv(scan.affine) @ np.linalg.inv(scan.to_template) @ grid()
    moved = ndimage.affine_transform(brain, place[:3, :3], place[:3, 3], output_shape=SHAPE, order=1)
    return np.clip(moved / np.percentile(moved[moved > 0], 99.5), 0, 1).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("anatomy", type=Path, help="cache of the template head; made where it is not there")
    parser.add_argument("--torque-mm", type=float, nargs="+", default=[0.0, 3.0])
    parser.add_argument("--training", type=int, default=60)
    parser.add_argument("--scans", type=int, default=30, help="held-out ones, and as many fresh ones")
    options = parser.parse_args()
    anatomy = load_anatomy(options.anatomy)
    for torque_mm in options.torque_mm:
        training = [volume(anatomy, rid, torque_mm) for rid in range(1, 1 + options.training)]
        people = [str(row) for row in range(len(training))]
        look = Appearance.of(training.__getitem__, range(len(training)), people, grid())
        held_out, fresh = (
            [volume(anatomy, rid, torque_mm) for rid in range(first, first + options.scans)]
            for first in (HELD_OUT_FROM, FRESH_FROM)
        )
        known, usual, mirrored = (
            [look.standing_out(one) for one in volumes] for volumes in (held_out, fresh, [one[::-1] for one in fresh])
        )
        alarm = level_of(np.array([mirror for _, mirror, _ in known]), list(map(str, range(len(known)))), USUAL).value
        wins = [(there > here) + 0.5 * (there == here) for _, there, _ in mirrored for _, here, _ in usual]
        above = [sum(mirror > (alarm or np.inf) for _, mirror, _ in found) for found in (usual, mirrored)]
        named = sum(words.startswith(SIDES) for _, _, words in mirrored)
        print(
            f"torque {torque_mm:g} mm: above the alarm {above[0]} of {len(usual)} as they are and {above[1]} mirrored; "
            f"AUC {np.mean(wins):.3f}; '{SIDES}' stands out in {named} mirrored ones"
        )


if __name__ == "__main__":
    main()
