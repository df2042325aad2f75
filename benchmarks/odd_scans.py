"""What a trained model says of scans that are not of its kind: phantoms, each changed in one way, one scan at a time.

    python benchmarks/odd_scans.py results/demo --scans 20

Prints, for each kind, how many are refused and how many of the others are called unusual, the AUC of the percentile
against healthy phantoms that the model has not seen, and what stands out most. 3 to 10 CPU-seconds a scan.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from ldae.core.errors import QuarantinedScan
from ldae.core.files import read_tsv
from ldae.core.runtime import limit_threads
from ldae.inference.model import LDAE
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.population import draw_subject
from ldae.phantom.scan import Scan, make_scan
from ldae.phantom.scanner import draw_acquisition

SEED, VOXEL_MM = 18, 2.0  # no cohort of the configurations has this seed
TORQUE_MM = 3.0  # of the heads of config/demo.yaml
SAME = "times 255"  # every recipe scales the intensities: the same scan to the model, and no odd one
REFUSED = 100.0  # a refused scan, among percentiles that end at 99


def phantom(anatomy: Anatomy, rid: int, voxel_mm: float = VOXEL_MM, amp: dict | None = None, **scanner: float) -> Scan:
    """A phantom whose scanner may be set otherwise than drawn (``fluid``, ``grey``, ``noise``)."""
    subject = draw_subject(SEED, rid)
    acquisition = replace(draw_acquisition(SEED, rid, "M000", subject.site, subject.age), **scanner)
    how = {"amp": amp, "acquisition": acquisition, "torque_mm": TORQUE_MM}
    return make_scan(anatomy, subject, 0, "M000", SEED, voxel_mm, **how)


def changed(change: Callable[[Scan], np.ndarray], **options: float) -> Callable[[Anatomy, int], nib.Nifti1Image]:
    def make(anatomy: Anatomy, rid: int) -> nib.Nifti1Image:
        scan = phantom(anatomy, rid, **options)
        return nib.Nifti1Image(np.ascontiguousarray(change(scan)), scan.affine)

    return make


def blurred(fwhm_mm: float) -> Callable[[Scan], np.ndarray]:
    return lambda scan: ndimage.gaussian_filter(scan.image.astype(np.float32), fwhm_mm / 2.355 / VOXEL_MM)


def as_it_is(scan: Scan) -> np.ndarray:
    return scan.image


KINDS = {
    "healthy": changed(as_it_is),
    "times 255": changed(lambda scan: scan.image * np.float32(255)),
    "stripped already": changed(lambda scan: np.where(scan.labels > 0, scan.image, 0)),
    "mirrored": changed(lambda scan: scan.image[::-1]),
    "upside down": changed(lambda scan: scan.image[:, :, ::-1]),
    "axes in another order": changed(lambda scan: scan.image.transpose(2, 0, 1)),
    "half a head": changed(lambda scan: scan.image[:, :, : scan.image.shape[2] // 2 + 6]),
    "T2-like": changed(as_it_is, fluid=2.2, grey=1.4),
    "FLAIR-like": changed(as_it_is, fluid=0.15, grey=1.3),
    "PD-like": changed(as_it_is, fluid=0.9, grey=1.15),
    "voxels of 4 mm": changed(as_it_is, voxel_mm=4.0),
    "blurred to 6 mm": changed(blurred(6)),
    "blurred to 12 mm": changed(blurred(12)),
    "noise of 0.1": changed(as_it_is, noise=0.1),
    "noise of 0.2": changed(as_it_is, noise=0.2),
    "ventricles of 115 ml": changed(as_it_is, amp={"ventricle_l": 9.0, "ventricle_r": 9.0}),
}


def asked(model: LDAE, path: Path) -> tuple[str, float | None, str]:
    """Status, percentile, and why."""
    try:
        scan = model.preprocess(path)
    except QuarantinedScan as reason:
        return "refused", None, str(reason)
    likeness = model.likeness(scan, model.encode(scan, stochastic=False))
    status = {True: "unusual", False: "usual", None: "unknown"}[likeness.unusual]
    return status, likeness.percentile, str(likeness.stands_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="exported model, or a results folder")
    parser.add_argument("--scans", type=int, default=5, help="of each kind; of healthy ones four times as many")
    parser.add_argument(
        "--usual", type=Path, help="predictions.tsv of fresh_scans.py, in place of healthy ones made here"
    )
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    limit_threads(1)
    model, usual, odd = LDAE.load(options.model), [], []
    with tempfile.TemporaryDirectory() as folder:
        anatomy = load_anatomy(Path(folder) / "anatomy.npz")
        if options.usual is not None:
            usual = read_tsv(options.usual)["percentile"].dropna().tolist()
        first_kinds = [] if options.usual is not None else ["healthy"]
        for kind in [*first_kinds, *(kind for kind in options.kinds if kind != "healthy")]:
            answers, first = [], 1 if kind == "healthy" else 1001
            for rid in range(first, first + options.scans * (4 if kind == "healthy" else 1)):
                path = Path(folder) / f"sub-{rid}_T1w.nii.gz"
                nib.save(KINDS[kind](anatomy, rid), path)
                answers.append(asked(model, path))
            known = [percentile for _, percentile, _ in answers if percentile is not None]
            usual = known if kind == "healthy" else usual
            wins = [(one > other) + 0.5 * (one == other) for one in known for other in usual]
            counts = {name: sum(status == name for status, _, _ in answers) for name in ("refused", "unusual", "usual")}
            auc = f"AUC {np.mean(wins):.3f}" if wins else "AUC n/a"
            print(f"{kind:22s} {counts} {auc} {answers[0][2][:90]}", flush=True)
            if kind not in ("healthy", SAME):
                odd += [REFUSED if status == "refused" else percentile for status, percentile, _ in answers]
        said = [percentile for percentile in odd if percentile is not None and percentile < REFUSED]
        for name, values in (("answered", said), ("answered or refused", [one for one in odd if one is not None])):
            wins = [(one > other) + 0.5 * (one == other) for one in values for other in usual]
            if wins:
                print(f"all kinds but {SAME!r}, {name}: {len(values)} scans, AUC {np.mean(wins):.3f}")


if __name__ == "__main__":
    main()
