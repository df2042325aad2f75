"""Scans of your own through the chain: what each step costs, and two extractions of the brain against each other.

    python benchmarks/real_scans.py FILE ... [--second template] [--out results/real_scans]

The chain is `affine` of bench_preprocess.py. For a scan that is skull-stripped already the given brain (what is left of
it) is a third mask, and deepbet is run on it all the same. The pictures of quality control lie below --out.
"""

import argparse
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import numpy as np  # noqa: E402
from bench_preprocess import FAST_N4, GRID  # noqa: E402

from ldae.config import BrainExtraction, Preprocessing, Registration  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.preprocessing.brain_extraction import BACKENDS, what_was_left  # noqa: E402
from ldae.preprocessing.derivatives import ScanFiles, sidecar  # noqa: E402
from ldae.preprocessing.one_scan import preprocess_scan, scan_names  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402
from ldae.preprocessing.registration_template import template_of  # noqa: E402
from ldae.preprocessing.resource_use import Meter  # noqa: E402

SETTINGS = Preprocessing(
    shards=1,
    bias_field=FAST_N4,
    brain_extraction=BrainExtraction(),
    registration=Registration(transform="affine", resolution_mm=2.0),
    conform=GRID,
)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def measure(path: Path, second: str, folder: Path) -> dict:
    """Quality, cost of each step, and agreement of the masks of one scan; known results are read."""
    files = ScanFiles(folder, *scan_names(path))
    known = folder / f"{files.stem}_{second}.json"
    if known.is_file():
        return read_json(known)
    row = preprocess_scan(path, files, SETTINGS)
    products = {"N4": files.corrected, "extraction": files.mask, "registration": folder / row["path"]}
    corrected = read_scan(files.corrected)
    ours, meter = read_scan(files.mask).get_fdata() > 0.5, Meter()
    other = BACKENDS[second](corrected, BrainExtraction(backend=second)) > 0.5
    record = {
        "spent": {step: read_json(sidecar(product))["spent"] for step, product in products.items()},
        "second_cpu_s": meter.spent()["cpu_seconds"],
        "dice_second": dice(ours, other),
        "qc": row["qc"],
        "qc_reason": row["qc_reason"],
        "voxels": int(ours.size),
        **{name: row[name] for name in ("brain_ml", "ncc_template", "dice_template")},
    }
    given = what_was_left(corrected.get_fdata(dtype=np.float32), abs(np.linalg.det(corrected.affine[:3, :3])) / 1000)
    if given is not None:
        found = BACKENDS["deepbet"](corrected, BrainExtraction()) > 0.5
        record |= {"dice_given": dice(found, given), "dice_second": dice(found, other)}
    write_json(known, record)
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--second", choices=sorted(set(BACKENDS) - {"deepbet"}), default="template")
    parser.add_argument("--out", type=Path, default=Path("results/real_scans"))
    options = parser.parse_args()
    template_of(SETTINGS.registration)
    rows = {path.name.split(".")[0]: measure(path, options.second, options.out) for path in options.scans}
    columns = ["scan", "voxels, millions", "N4", "extraction", "registration", "peak, MB", "brain, ml"]
    columns += ["NCC, Dice in the template", f"deepbet against {options.second}: Dice"]
    columns += ["deepbet against the given brain: Dice", "verdict"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name, record in rows.items():
        spent = record["spent"]
        cells = [name, f"{record['voxels'] / 1e6:.1f}", *(f"{spent[step]['cpu_seconds']:.1f}" for step in spent)]
        cells += [f"{max(step['peak_mb'] for step in spent.values()):.0f}", f"{record['brain_ml']:.0f}"]
        cells += [f"{record['ncc_template']:.3f}, {record['dice_template']:.3f}", f"{record['dice_second']:.3f}"]
        cells += [
            f"{record['dice_given']:.3f}" if "dice_given" in record else "",
            f"{record['qc']} {record['qc_reason'] or ''}",
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
