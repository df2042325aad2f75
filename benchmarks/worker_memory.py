"""Largest resident memory of a worker of the shard machinery, step by step, each in a fresh process.

    python benchmarks/worker_memory.py [--cases NAME ...] [--voxel-mm 1] [--scan FILE [--sizes 256x256x256:1 ...]]
        [--out results/worker_memory]

One scan (a whole-head phantom unless a file is named) goes through the functions that the rules call. Every case is a
shard of its own, started by a process of its own, with the settings of config/config.yaml but for what the case names.
``libraries`` is what a worker of that case holds before it has got its scan. Finished cases are kept; delete the folder
to measure again.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from nibabel.processing import resample_from_to  # noqa: E402

from ldae.config import load_config  # noqa: E402
from ldae.core.files import read_json, read_tsv, write_json  # noqa: E402
from ldae.preprocessing.pool import run_isolated  # noqa: E402
from ldae.preprocessing.resource_use import peak_mb  # noqa: E402
from ldae.preprocessing.shard import Shard, run_bias_field, run_extract_brain, run_register  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
NAMES = {"participant_id": "sub-P1", "session_id": "ses-M000"}
CASES = {  # name: (rule, what differs from config.yaml)
    "N4": ("correct_bias_field", {}),
    "deepbet": ("extract_brain", {}),
    "deepbet, first stage": ("extract_brain", {"second_stage": False}),
    "template": ("extract_brain", {"backend": "template"}),
    "affine, 2 mm": ("register_mni", {"transform": "affine", "resolution_mm": 2.0}),
    "syn, 2 mm": ("register_mni", {"transform": "syn", "resolution_mm": 2.0}),
    "affine, 1 mm": ("register_mni", {"transform": "affine", "resolution_mm": 1.0}),
    "syn, 1 mm": ("register_mni", {"transform": "syn", "resolution_mm": 1.0}),
}
SHOWN = {"cpu_seconds": ".1f", "libraries_mb": ".0f", "peak_mb": ".0f", "ncc_template": ".4f", "dice_template": ".4f"}


def run_case(case: str, out: Path) -> None:
    """One step on the one scan; the steps before it are taken from the folder of their own case."""
    rule, changes = CASES[case]
    folder = folder_of(out, case)
    shutil.rmtree(folder, ignore_errors=True)
    for earlier in {"correct_bias_field": [], "extract_brain": ["N4"]}.get(rule, ["N4", "deepbet"]):
        shutil.copytree(folder_of(out, earlier) / "derivatives", folder / "derivatives", dirs_exist_ok=True)
    settings = load_config(ROOT / "config/config.yaml").preprocessing
    scans = pd.DataFrame([NAMES | {"t1w": "scan.nii.gz"}])
    shard = Shard(scans, folder / "derivatives", folder / "status.tsv", folder / "timings.tsv")
    nothing_lost = pd.DataFrame([NAMES | {"state": "done", "reason": None}])
    if rule == "correct_bias_field":
        run_bias_field(shard, out, settings.bias_field.model_copy(update=changes))
    elif rule == "extract_brain":
        run_extract_brain(shard, nothing_lost, settings.brain_extraction.model_copy(update=changes))
    else:
        run_register(shard, nothing_lost, settings.registration.model_copy(update=changes), settings.conform, True)
    spent, status = (read_tsv(path).iloc[0].to_dict() for path in (shard.timings, shard.status))
    if spent["state"] != "done":
        raise SystemExit(f"{case}: {status['reason']}")
    ((_, idle),) = run_isolated(memory_at_rest, [None], 1, 1)  # of the same server
    found = spent | status | {"libraries_mb": idle.value}
    write_json(folder / "record.json", {name: float(found[name]) for name in SHOWN if name in found})


def memory_at_rest(_: None) -> float:
    return peak_mb()


def folder_of(out: Path, case: str) -> Path:
    return out / case.replace(", ", "_").replace(" ", "")


def make_scan(out: Path, voxel_mm: float) -> None:
    from study_phantoms import make_phantom

    from ldae.phantom.anatomy import load_anatomy

    phantom = make_phantom(load_anatomy(out.parent / "anatomy.npz"), 1, voxel_mm, 0, "M000")
    nib.save(phantom.image, out / "scan.nii.gz")


def resampled(source: Path, size: str) -> nib.Nifti1Image:
    """A scan on another grid around its centre, axes R-A-S: ``256x256x256:1`` has voxels of 1 mm."""
    grid, mm = size.split(":")
    image, shape, affine = nib.load(source), tuple(map(int, grid.split("x"))), np.diag([float(mm)] * 3 + [1.0])
    centre = nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    affine[:3, 3] = centre - float(mm) * (np.array(shape) - 1) / 2
    moved = resample_from_to(image, (shape, affine), order=1).get_fdata(dtype=np.float32)
    return nib.Nifti1Image(np.rint(np.maximum(moved, 0) * (32000 / moved.max())).astype(np.int16), affine)


def measure(out: Path, cases: list[str]) -> None:
    """Every case on ``out/scan.nii.gz``, each in a process of its own; those that are known are kept."""
    for case in [case for case in CASES if case in {*cases, "N4", "deepbet"}]:
        if not (folder_of(out, case) / "record.json").is_file():
            subprocess.run([sys.executable, __file__, "--one", case, "--out", str(out)], check=True)
    report(out)


def report(out: Path) -> None:
    print("| case | " + " | ".join(SHOWN) + " |\n" + "|---" * (len(SHOWN) + 1) + "|")
    for case in CASES:
        if (folder_of(out, case) / "record.json").is_file():
            record = read_json(folder_of(out, case) / "record.json")
            cells = [format(record[name], form) if name in record else "" for name, form in SHOWN.items()]
            print(f"| {case} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--voxel-mm", type=float, default=1.0)
    parser.add_argument("--scan", type=Path, help="file, in place of a phantom")
    parser.add_argument("--sizes", nargs="+", default=[], metavar="XxYxZ:MM", help="the file on each of these grids")
    parser.add_argument("--out", type=Path, default=Path("results/worker_memory"))
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)  # this process is one case
    options = parser.parse_args()
    if options.one:
        run_case(options.one, options.out)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    scan = options.out / "scan.nii.gz"
    if options.scan:
        shutil.copy(options.scan, scan)
    elif not scan.is_file():
        make_scan(options.out, options.voxel_mm)
    for size in options.sizes:
        folder = options.out / size.replace(":", "_")
        folder.mkdir(exist_ok=True)
        nib.save(resampled(scan, size), folder / "scan.nii.gz")
        print(f"\n{size} mm")
        measure(folder, options.cases)
    if not options.sizes:
        measure(options.out, options.cases)


if __name__ == "__main__":
    main()
