"""CPU-seconds and quality of the preprocessing against the reference's defaults, on the same scans, in one thread.

    python benchmarks/bench_preprocess.py [--parts affine syn paper peer] [--voxel-mm 1] [--scans 1] [--scan FILE ...]
        [--out FILE]

The reference chain is what the authors' code runs, at its defaults: N4 on the whole image, registration at 1 mm. The
peer is ``clinica run t1-linear --use-antspy`` on a phantom at 2 mm with a stand-in template. Every piece (one step of
one chain on one scan) is written as soon as it is measured and kept, so an interrupted run continues and a part can be
run alone; delete the file to measure again. Scans are phantoms unless files are named. Exit status 1: a target of a
part that was asked for is missed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402

from ldae.config import BiasField, BrainExtraction, Conform, Registration  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.preprocessing.antspy import load_ants, strictly, to_ants  # noqa: E402
from ldae.preprocessing.bias_field import correct_bias_field  # noqa: E402
from ldae.preprocessing.brain_extraction import extract_brain  # noqa: E402
from ldae.preprocessing.conform import conform, weighted  # noqa: E402
from ldae.preprocessing.quality import alignment_metrics  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402
from ldae.preprocessing.registration import Alignment, matrix_of, register  # noqa: E402
from ldae.preprocessing.registration_template import load_template  # noqa: E402
from ldae.preprocessing.resource_use import Meter  # noqa: E402

FAST_N4 = BiasField(shrink_factor=6, iterations=[50, 50], tolerance=1e-4)
OWN_N4 = BiasField()  # of config.yaml
GRID = Conform(interpolation="linear", intensity="robust")
CHAINS = {  # name: (N4 or none: its default, registration or none: ANTs' default, SyN)
    "reference affine": (None, Registration(transform="affine", resolution_mm=1.0)),
    "affine": (FAST_N4, Registration(transform="affine", resolution_mm=2.0)),
    "reference syn": (None, None),
    "syn coarse-to-fine": (FAST_N4, Registration(transform="syn", resolution_mm=2.0)),
    "syn at 1 mm": (OWN_N4, Registration(transform="syn", resolution_mm=1.0)),
}
PARTS = {  # name: chain, its reference, at most so much of the reference's time
    "affine": ("affine", "reference affine", 1 / 8),
    "syn": ("syn coarse-to-fine", "reference syn", 1 / 2),
    "paper": ("syn at 1 mm", "reference syn", 1 / 2),
}
MOST_CPU_S = {"paper": 60.0}
PEER, PEER_TARGET, PEER_VOXEL_MM = "clinica t1-linear --use-antspy", 1 / 4, 2.0
WITHIN = {"affine": 0.01, "syn": 0.01, "paper": 0.005}  # of the reference's quality
STEPS = ("N4", "extraction", "registration", "conform")


def unmasked_n4(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """N4 as the authors call it: every default, no mask."""
    corrected = strictly(load_ants().n4_bias_field_correction, to_ants(image)).numpy()
    return nib.Nifti1Image(corrected, image.affine)


def default_registration(brain: nib.Nifti1Image) -> Alignment:
    """SyN as the authors call it: every default, whole images at 1 mm."""
    folder = Path(tempfile.mkdtemp(prefix="ldae-reference-"))
    images = {"fixed": to_ants(load_template().brain), "moving": to_ants(brain)}
    found = strictly(load_ants().registration, **images, type_of_transform="SyN", outprefix=f"{folder}{os.sep}")
    transforms = found["fwdtransforms"]
    to_template = np.linalg.inv(matrix_of(load_ants().read_transform(transforms[-1])))
    return Alignment(to_template, transforms, folder)


class Pieces:
    """Measurements by name, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = read_json(path) if path.is_file() else {}

    def seconds(self, name: str, call):
        """Run ``call`` and note its CPU-seconds and peak memory, unless known; returns its result."""
        meter = Meter()
        result = call()
        if name not in self.known:
            spent = meter.spent()
            self.note(name, {"cpu_s": spent["cpu_seconds"], "peak_mb": spent["peak_mb"]})
        return result

    def note(self, name: str, values: dict) -> None:
        self.known[name] = values
        write_json(self.path, self.known)
        print(name, json.dumps(values), flush=True)


def measure(scan: str, make: Callable[[], nib.Nifti1Image], chains: list[str], pieces: Pieces) -> None:
    """``chains`` on the scan that ``make`` gives; one whose quality is known is not run again."""
    waiting = [chain for chain in chains if f"{scan}: {chain}: quality" not in pieces.known]
    if not waiting:
        return
    image, template, corrected, masks = make(), load_template(), {}, {}
    for chain in waiting:
        n4, registration = CHAINS[chain]
        kind = n4_of(chain)
        if kind not in corrected:
            corrected[kind] = pieces.seconds(
                f"{scan}: {kind}", lambda n4=n4: unmasked_n4(image) if n4 is None else correct_bias_field(image, n4)[0]
            )
            masks[kind] = pieces.seconds(
                f"{scan}: {kind}: extraction", lambda kind=kind: extract_brain(corrected[kind], BrainExtraction()).mask
            )
        brain = weighted(corrected[kind], masks[kind])
        alignment = pieces.seconds(
            f"{scan}: {chain}: registration",
            lambda b=brain, r=registration: default_registration(b) if r is None else register(b, r),
        )
        volume, mask, _ = pieces.seconds(
            f"{scan}: {chain}: conform",
            lambda kind=kind, alignment=alignment: conform(corrected[kind], masks[kind], alignment, GRID),
        )
        alignment.discard()
        pieces.note(f"{scan}: {chain}: quality", alignment_metrics(volume, mask, template))


def n4_of(chain: str) -> str:
    settings = CHAINS[chain][0]
    return "N4 default" if settings is None else "N4 of config.yaml" if settings == OWN_N4 else "N4 masked"


def steps_of(pieces: Pieces, scan: str, chain: str) -> list[dict]:
    kind = n4_of(chain)
    names = (kind, f"{kind}: extraction", f"{chain}: registration", f"{chain}: conform")
    return [pieces.known[f"{scan}: {name}"] for name in names]


def total(pieces: Pieces, scan: str, chain: str) -> float:
    return sum(step["cpu_s"] for step in steps_of(pieces, scan, chain))


def measure_peer(scan: str, make: Callable[[], nib.Nifti1Image], folder: Path, pieces: Pieces) -> None:
    """Clinica on one scan, unless known: the CPU-seconds of its calls of ANTs, and what these were."""
    if f"{scan}: {PEER}" in pieces.known:
        return
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / "bids/sub-P1/ses-M000/anat/sub-P1_ses-M000_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    (folder / "caps").mkdir()
    nib.save(make(), path)
    write_json(
        folder / "bids/dataset_description.json", {"Name": "one phantom", "BIDSVersion": "1.7.0", "DatasetType": "raw"}
    )
    nib.save(stand_in(folder.with_name("anatomy.npz")), folder / "template.nii.gz")
    places = [folder / name for name in ("calls.jsonl", "template.nii.gz", "bids", "caps", "work")]
    command = [
        sys.executable,
        str(Path(__file__).with_name("peer_clinica.py")),
        *(str(place.resolve()) for place in places),
    ]
    environment = os.environ | {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "NO_ET": "1"}
    meter = Meter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    spent = meter.spent()
    calls = [json.loads(line) for line in places[0].read_text().splitlines()] if places[0].is_file() else []
    if not any(call["call"] == "registration" for call in calls):
        raise SystemExit(f"clinica did not get to its registration: {(done.stdout + done.stderr)[-2000:]}")
    found = {"cpu_s": sum(call["cpu_s"] for call in calls), "whole_process_cpu_s": spent["cpu_seconds"], "calls": calls}
    pieces.note(f"{scan}: {PEER}", found)


def stand_in(cache: Path) -> nib.Nifti1Image:
    """A whole head at 1 mm in MNI space, in the place of MNI152NLin2009cSym: a phantom without any nuisance."""
    from ldae.phantom.anatomy import load_anatomy
    from ldae.phantom.population import draw_subject
    from ldae.phantom.scan import make_scan

    scan = make_scan(load_anatomy(cache), draw_subject(7, 999), 0, "M000", 7, 1.0, nuisance=False)
    return nib.Nifti1Image(scan.image, scan.to_template @ scan.affine)


def report(pieces: Pieces, scans: list[str], parts: list[str]) -> bool:
    """One table; whether every target is met."""
    print("\n| scan | chain | " + " | ".join(STEPS) + " | all, CPU-s | of the reference | target | NCC | Dice |")
    print("|" + "---|" * (len(STEPS) + 7))
    met = True
    for scan in scans:
        for part in (part for part in parts if part in PARTS):
            chain, reference, target = PARTS[part]
            ratio = total(pieces, scan, chain) / total(pieces, scan, reference)
            print(row(pieces, scan, reference, "", ""))
            print(row(pieces, scan, chain, f"{ratio:.3f}", f"{target:.3f}"))
            ours, theirs = (pieces.known[f"{scan}: {name}: quality"] for name in (chain, reference))
            worse = max(theirs[name] - ours[name] for name in ("ncc_template", "dice_template"))
            met &= ratio <= target and worse <= WITHIN[part]
            met &= total(pieces, scan, chain) <= MOST_CPU_S.get(part, np.inf)
    if "peer" in parts:
        met &= report_peer(pieces)
    print("\nmemory of a worker, step by step: python benchmarks/worker_memory.py")
    return met


def row(pieces: Pieces, scan: str, chain: str, ratio: str, target: str) -> str:
    quality = pieces.known[f"{scan}: {chain}: quality"]
    cells = [f"{step['cpu_s']:.1f}" for step in steps_of(pieces, scan, chain)]
    cells += [f"{total(pieces, scan, chain):.1f}", ratio, target]
    cells += [f"{quality[name]:.3f}" for name in ("ncc_template", "dice_template")]
    return f"| {scan} | {chain} | " + " | ".join(cells) + " |"


def report_peer(pieces: Pieces) -> bool:
    scan = peer_scan()
    peer = pieces.known[f"{scan}: {PEER}"]
    ratio = total(pieces, scan, "affine") / peer["cpu_s"]
    n4 = [call["cpu_s"] for call in peer["calls"] if call["call"] != "registration"]
    search = [call for call in peer["calls"] if call["call"] == "registration"]
    cells = [f"{sum(n4):.1f}", "", f"{sum(call['cpu_s'] for call in search):.1f}", "", f"{peer['cpu_s']:.1f}"]
    print(f"| {scan} | {PEER}, stand-in template | " + " | ".join(cells) + " | | | | |")
    print(row(pieces, scan, "affine", f"{ratio:.3f}", f"{PEER_TARGET:.3f}"))
    ran = ", ".join(
        f"{call['type_of_transform']} (not known to ANTs: {call['not_known'] or 'nothing'})" for call in search
    )
    print(
        f"\nWhat clinica ran: N4 {len(n4)} times, registration {ran}; "
        f"{peer['whole_process_cpu_s']:.0f} CPU-s with its imports and files"
    )
    return ratio <= PEER_TARGET


def peer_scan() -> str:
    return f"phantom 1 at {PEER_VOXEL_MM:g} mm"


def phantoms(count: int, voxel_mm: float, cache: Path) -> dict[str, Callable[[], nib.Nifti1Image]]:
    """By name, how to make it."""
    return {f"phantom {rid} at {voxel_mm:g} mm": partial(phantom, rid, voxel_mm, cache) for rid in range(1, count + 1)}


def phantom(rid: int, voxel_mm: float, cache: Path) -> nib.Nifti1Image:
    from ldae.phantom.anatomy import load_anatomy
    from ldae.phantom.population import draw_subject
    from ldae.phantom.scan import make_scan

    scan = make_scan(load_anatomy(cache), draw_subject(7, rid), 0, "M000", 7, voxel_mm)
    return nib.Nifti1Image(scan.image.astype(np.float32), scan.affine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "peer"], default=[*PARTS, "peer"])
    parser.add_argument("--voxel-mm", type=float, default=1.0)
    parser.add_argument("--scans", type=int, default=1, help="phantoms")
    parser.add_argument("--scan", type=Path, nargs="+", default=[], help="files, in place of phantoms")
    parser.add_argument("--out", type=Path, default=Path("results/bench_preprocess.json"))
    options = parser.parse_args()
    pieces, anatomy = Pieces(options.out), options.out.with_name("anatomy.npz")
    chains = list(dict.fromkeys(chain for part in options.parts if part in PARTS for chain in PARTS[part][1::-1]))
    scans: list[str] = []
    if chains:
        makers = {path.name.split(".")[0]: partial(read_scan, path) for path in options.scan}
        makers = makers or phantoms(options.scans, options.voxel_mm, anatomy)
        scans = list(makers)
        for scan, make in makers.items():
            measure(scan, make, chains, pieces)
    if "peer" in options.parts:
        for scan, make in phantoms(1, PEER_VOXEL_MM, anatomy).items():
            measure(scan, make, ["affine"], pieces)
            measure_peer(scan, make, options.out.with_name("bench_peer"), pieces)
    if not report(pieces, scans, options.parts):
        sys.exit(1)


if __name__ == "__main__":
    main()
