"""CPU-seconds and quality of the preprocessing against the reference's defaults, on the same scans, in one thread.

    python benchmarks/bench_preprocess.py [--voxel-mm 1] [--scans 1] [--scan FILE ...] [--out FILE]

Every piece (one step of one chain on one scan) is written as soon as it is measured and kept, so an interrupted run
continues; delete the file to measure again. Scans are phantoms unless files are named. The reference chain is what
the authors' code runs, at its defaults: N4 on the whole image, registration at 1 mm.
"""

import argparse
import json
import time
from pathlib import Path

from ldae.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402

from ldae.config import BiasField, BrainExtraction, Conform, Registration  # noqa: E402
from ldae.files import read_json, write_json  # noqa: E402
from ldae.preprocessing.antspy import load_ants, strictly, to_ants  # noqa: E402
from ldae.preprocessing.bias_field import correct_bias_field  # noqa: E402
from ldae.preprocessing.brain_extraction import extract_brain  # noqa: E402
from ldae.preprocessing.conform import conform, weighted  # noqa: E402
from ldae.preprocessing.pool import forget_peak, peak_mb  # noqa: E402
from ldae.preprocessing.quality import alignment_metrics  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402
from ldae.preprocessing.registration import register  # noqa: E402
from ldae.preprocessing.template import load_template  # noqa: E402

FAST_N4 = BiasField(shrink_factor=6, iterations=[50, 50], tolerance=1e-4)
GRID = Conform(interpolation="linear", intensity="robust")
CHAINS = {  # name: (N4, registration)
    "reference affine": (None, Registration(transform="affine", resolution_mm=1.0)),
    "affine": (FAST_N4, Registration(transform="affine", resolution_mm=2.0)),
    "reference syn": (None, Registration(transform="syn", resolution_mm=1.0)),
    "syn coarse-to-fine": (FAST_N4, Registration(transform="syn", resolution_mm=2.0, syn_iterations=[40, 20])),
}
TARGETS = {"affine": ("reference affine", 1 / 8), "syn coarse-to-fine": ("reference syn", 1 / 2)}


def unmasked_n4(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """N4 as the authors call it: every default, no mask."""
    corrected = strictly(load_ants().n4_bias_field_correction, to_ants(image)).numpy()
    return nib.Nifti1Image(corrected, image.affine)


class Pieces:
    """Measurements by name, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = read_json(path) if path.is_file() else {}

    def seconds(self, name: str, call):
        """Run ``call`` and note its CPU-seconds and peak memory, unless known; returns its result."""
        start = time.process_time()
        forget_peak()
        result = call()
        if name not in self.known:
            self.note(name, {"cpu_s": time.process_time() - start, "peak_mb": peak_mb()})
        return result

    def note(self, name: str, values: dict) -> None:
        self.known[name] = values
        write_json(self.path, self.known)
        print(name, json.dumps({key: round(value, 4) for key, value in values.items()}), flush=True)


def measure(scan: str, image: nib.Nifti1Image, pieces: Pieces) -> None:
    """All chains on one scan; a chain whose quality is known is not run again."""
    template, corrected, masks = load_template(), {}, {}
    for chain, (n4, registration) in CHAINS.items():
        if f"{scan}: {chain}: quality" in pieces.known:
            continue
        kind = "N4 default" if n4 is None else "N4 masked"
        if kind not in corrected:
            corrected[kind] = pieces.seconds(
                f"{scan}: {kind}", lambda n4=n4: unmasked_n4(image) if n4 is None else correct_bias_field(image, n4)[0]
            )
            masks[kind] = pieces.seconds(
                f"{scan}: {kind}: extraction", lambda kind=kind: extract_brain(corrected[kind], BrainExtraction()).mask
            )
        brain = weighted(corrected[kind], masks[kind])
        alignment = pieces.seconds(f"{scan}: {chain}: registration", lambda b=brain, r=registration: register(b, r))
        volume, mask, _ = pieces.seconds(
            f"{scan}: {chain}: conform",
            lambda kind=kind, alignment=alignment: conform(corrected[kind], masks[kind], alignment, GRID),
        )
        alignment.discard()
        pieces.note(f"{scan}: {chain}: quality", alignment_metrics(volume, mask, template))


def total(pieces: Pieces, scan: str, chain: str) -> float:
    kind = "N4 default" if CHAINS[chain][0] is None else "N4 masked"
    steps = (kind, f"{kind}: extraction", f"{chain}: registration", f"{chain}: conform")
    return sum(pieces.known[f"{scan}: {step}"]["cpu_s"] for step in steps)


def report(pieces: Pieces, scans: list[str]) -> None:
    """Ratios of whole chains and of the registration alone; differences of quality."""
    for chain, (reference, target) in TARGETS.items():
        for scan in scans:
            ratio = total(pieces, scan, chain) / total(pieces, scan, reference)
            search = [pieces.known[f"{scan}: {name}: registration"]["cpu_s"] for name in (chain, reference)]
            ours, theirs = (pieces.known[f"{scan}: {name}: quality"] for name in (chain, reference))
            print(
                f"{scan}: {chain} / {reference}: chain {ratio:.3f} (target {target:.3f}), registration alone "
                f"{search[0] / search[1]:.3f}; NCC {ours['ncc_template'] - theirs['ncc_template']:+.4f}, "
                f"Dice {ours['dice_template'] - theirs['dice_template']:+.4f} (targets: not below -0.01)"
            )
    peaks = [values["peak_mb"] for values in pieces.known.values() if "peak_mb" in values]
    print(f"largest resident memory of a step: {max(peaks):.0f} MB")


def phantoms(count: int, voxel_mm: float, cache: Path) -> dict[str, nib.Nifti1Image]:
    from ldae.phantom.anatomy import load_anatomy
    from ldae.phantom.population import draw_subject
    from ldae.phantom.scan import make_scan

    anatomy = load_anatomy(cache)
    scans = [make_scan(anatomy, draw_subject(7, rid), 0, "M000", 7, voxel_mm) for rid in range(1, count + 1)]
    return {
        f"phantom {rid} at {voxel_mm:g} mm": nib.Nifti1Image(scan.image.astype(np.float32), scan.affine)
        for rid, scan in enumerate(scans, start=1)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxel-mm", type=float, default=1.0)
    parser.add_argument("--scans", type=int, default=1, help="phantoms")
    parser.add_argument("--scan", type=Path, nargs="+", default=[], help="files, in place of phantoms")
    parser.add_argument("--out", type=Path, default=Path("results/bench_preprocess.json"))
    options = parser.parse_args()
    pieces = Pieces(options.out)
    images = {path.name.split(".")[0]: read_scan(path) for path in options.scan} or phantoms(
        options.scans, options.voxel_mm, options.out.with_name("anatomy.npz")
    )
    for scan, image in images.items():
        measure(scan, image, pieces)
    report(pieces, list(images))


if __name__ == "__main__":
    main()
