"""A scanner effect in images, dose by dose: from which one on is it found, and is nothing found at dose 0?

python benchmarks/scanner_effect.py [--subjects 60] [--doses 0 0.03 0.06 0.1 0.15] [--permutations 99] [--anatomy FILE]

Phantom heads (4 mm, in a common pose) in two groups by lot. One group's grey matter is brighter by the dose, white
matter being 1, as on a scanner of another make; everything else differs between heads as in every phantom cohort.
The group is read from principal components of the voxels, with the folds, the regression and the measure of chance of
the study of the probes (docs/statistics.md). 40 CPU-seconds; the anatomy, built first, takes 20 more.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Scanner
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.grid import subject_shape
from ldae.phantom.population import Subject, draw_subject
from ldae.phantom.scan import make_scan
from ldae.phantom.scanner import draw_acquisition, other_scanner
from ldae.studies.common.feature_sets import fixed
from ldae.studies.probes.reading import read_from

SEED, VOXEL_MM, COMPONENTS = 42, 4.0, 20
STILL = (0.0, 0.0, 0.0)


def head(anatomy: Anatomy, subject: Subject, shape: np.ndarray, dose: float) -> np.ndarray:
    """(voxels,) of one head on a scanner with this dose; its pose and voxels are those of all others."""
    drawn = draw_acquisition(SEED, subject.rid, "M000", subject.site, subject.age)
    set_up = replace(other_scanner(drawn, Scanner(contrast=dose)), rotation=STILL, shift=STILL, zoom=(1.0, 1.0, 1.0))
    scan = make_scan(anatomy, subject, 0, "M000", SEED, VOXEL_MM, shape, acquisition=set_up)
    inside = scan.image[scan.labels > 0]
    return np.where(scan.labels > 0, scan.image / np.median(inside), 0).astype(np.float32).ravel()


def components(voxels: np.ndarray) -> np.ndarray:
    """(subjects, components) scores of the heads on their principal components."""
    centred = voxels - voxels.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return (vectors * np.sqrt(np.clip(values, 0, None)))[:, ::-1][:, :COMPONENTS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=60)
    parser.add_argument("--doses", type=float, nargs="+", default=[0.0, 0.03, 0.06, 0.1, 0.15])
    parser.add_argument("--permutations", type=int, default=99)
    parser.add_argument("--anatomy", type=Path, help="of a phantom cohort (raw/anatomy.npz), or where to keep it")
    given = parser.parse_args()
    anatomy = load_anatomy(given.anatomy)
    subjects = [draw_subject(SEED, rid) for rid in range(1, given.subjects + 1)]
    shapes = [subject_shape(SEED, subject.rid) for subject in subjects]
    other = np.random.default_rng(0).permutation(np.arange(given.subjects) % 2).astype(bool)
    usual = np.stack([head(anatomy, *pair, 0.0) for pair in zip(subjects, shapes, strict=True)])
    scans = pd.DataFrame({"participant_id": [s.participant_id for s in subjects], "months": 0})
    labels = pd.Series(np.where(other, "other scanner", "usual scanner"), dtype=object)
    print("| dose | AUC | chance | p |\n| ---: | ---: | ---: | ---: |")
    for dose in given.doses:
        voxels = usual.copy()
        for place in np.flatnonzero(other) if dose else ():
            voxels[place] = head(anatomy, subjects[place], shapes[place], dose)
        read = read_from(scans, fixed(components(voxels)), labels, 5, 0, SEED, given.permutations)["auc"]
        chance = f"{read.chance:.3f} [{read.chance_low:.3f}, {read.chance_high:.3f}]"
        print(f"| {dose:g} | {read.estimate.value:.3f} | {chance} | {read.chance_p:.2f} |", flush=True)


if __name__ == "__main__":
    main()
