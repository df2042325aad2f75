"""What N4 leaves of an inhomogeneity on scans of your own, where the truth is not known but for a field that we add.

    python benchmarks/real_inhomogeneity.py [FILE ...] [--phantoms 0] [--fits NAME ...]
        [--out results/real_inhomogeneity.json]

Each scan is corrected as it is, and with the field of twelve simulated coils multiplied in. ``left``: spread of the log
ratio of the two results in the brain; 0, if all of the added field was taken out. ``white``: of the scan as it is, the
spread of the log of white matter's median among cells of 20 mm (white matter: where an affine puts the template's inner
white matter). ``own``: of a phantom (1 mm), the spread of what is left of its own field, which is known. Spreads are
1.4826 times the median absolute deviation. What is measured is kept; delete the file to measure again. 10 to 80
CPU-seconds for a scan and a fit.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
from study_phantoms import make_phantom  # noqa: E402

from ldae.config import BiasField, BrainExtraction, Registration  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.phantom.anatomy import load_anatomy  # noqa: E402
from ldae.preprocessing.bias_field import correct_bias_field  # noqa: E402
from ldae.preprocessing.brain_extraction import extract_brain  # noqa: E402
from ldae.preprocessing.conform import weighted  # noqa: E402
from ldae.preprocessing.contrast import tissue_points, values_at  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402
from ldae.preprocessing.registration import register  # noqa: E402
from ldae.preprocessing.registration_template import load_template  # noqa: E402
from ldae.preprocessing.resource_use import Meter  # noqa: E402

FITS: dict[str, BiasField | None] = {
    "none": None,
    "four levels, shrunken 4 times (fine)": BiasField(fit="fine"),
    "four levels, shrunken 5 times": BiasField(fit="own", shrink_factor=5, iterations=[50] * 4, tolerance=1e-7),
    "the same, at most 20, 20, 50 and 50 steps (medium)": BiasField(fit="medium"),
    "four levels, shrunken 6 times (coarse)": BiasField(fit="coarse"),
    "three levels, shrunken 6 times": BiasField(fit="own", shrink_factor=6, iterations=[50] * 3, tolerance=1e-7),
    "two levels, shrunken 6 times": BiasField(fit="own", shrink_factor=6, iterations=[50] * 2, tolerance=1e-7),
    "two levels, shrunken 6 times, 1e-4": BiasField(fit="own", shrink_factor=6, iterations=[50] * 2, tolerance=1e-4),
}
COILS, RADIUS_MM, LOOP_MM = 12, 140.0, 70.0  # around the brain's centre; radius of a loop
CELL_MM, FEWEST = 20.0, 20
AFFINE = Registration(transform="affine", resolution_mm=4.0)
Given = tuple[nib.Nifti1Image, np.ndarray | None]  # and the field that was multiplied in, where it is known


def spread(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def coil_field(shape: tuple[int, ...], affine: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Root of the sum of squares of loops in two rings around the head, the stronger the nearer; mean 1 in the brain.

    As it falls off the axis of a loop, (1 + (distance / radius)^2)^-1.5. One side is 1.3 times as sensitive.
    """
    points = nib.affines.apply_affine(affine, np.stack(np.indices(shape), -1).reshape(-1, 3)).astype(np.float32)
    centre = nib.affines.apply_affine(affine, np.argwhere(mask)).mean(0)
    total = np.zeros(len(points), np.float32)
    for number in range(COILS):
        angle, height = 2 * np.pi * (number % 6) / 6, 0.0 if number < 6 else 70.0
        away = np.sqrt(RADIUS_MM**2 - height**2)
        place = centre + np.array([away * np.cos(angle), away * np.sin(angle), height])
        distance = np.linalg.norm(points - place.astype(np.float32), axis=1)
        gain = 1.3 if np.cos(angle) > 0.4 else 1.0
        total += (gain * (1 + (distance / LOOP_MM) ** 2) ** -1.5) ** 2
    field = np.sqrt(total).reshape(shape)
    return field / field[mask].mean()


def white_spread(image: nib.Nifti1Image, native_to_template: np.ndarray) -> float:
    points = tissue_points(load_template())["white"]
    values = values_at(image.get_fdata(dtype=np.float32), np.linalg.inv(native_to_template @ image.affine), points)
    cells = np.unique(np.floor(points / CELL_MM), axis=0, return_inverse=True)[1].ravel()
    medians = [np.median(values[cells == cell]) for cell in np.unique(cells) if (cells == cell).sum() >= FEWEST]
    return spread(np.log(np.maximum(medians, 1e-6)))


def measure(name: str, make: Callable[[], Given], fits: list[str], known: dict, out: Path) -> None:
    """Some fits on one scan; those that are known are not run again."""
    waiting = [fit for fit in fits if f"{name}: {fit}" not in known]
    if not waiting:
        return
    image, own = make()
    first = correct_bias_field(image, FITS["two levels, shrunken 6 times, 1e-4"])[0]
    mask = extract_brain(first, BrainExtraction(second_stage=False)).mask
    brain = np.asanyarray(mask.dataobj) > 0.5
    alignment = register(weighted(first, mask), AFFINE)
    alignment.discard()
    data = image.get_fdata(dtype=np.float32)
    field = coil_field(image.shape, image.affine, brain)
    inside = brain & (data > 0.2 * np.median(data[brain]))
    for fit in waiting:
        settings, meter = FITS[fit], Meter()
        plain, uneven = (nib.Nifti1Image(values, image.affine) for values in (data, data * field))
        if settings:
            plain = correct_bias_field(plain, settings)[0]
            cpu_s = meter.spent()["cpu_seconds"]
            uneven = correct_bias_field(uneven, settings)[0]
        else:
            cpu_s = 0.0
        ratio = uneven.get_fdata(dtype=np.float32)[inside] / plain.get_fdata(dtype=np.float32)[inside]
        known[f"{name}: {fit}"] = {
            "left": spread(np.log(ratio)),
            "white": white_spread(plain, alignment.native_to_template),
            "cpu_s": cpu_s,
        }
        if own is not None:
            rest = np.log(own[inside] * plain.get_fdata(dtype=np.float32)[inside] / data[inside])
            known[f"{name}: {fit}"]["own"] = spread(rest)
        write_json(out, known)
        print(name, fit, known[f"{name}: {fit}"], flush=True)


def given(path: Path) -> Given:
    """A file, whose own field nobody knows."""
    return read_scan(path), None


def phantom(rid: int, cache: Path) -> Given:
    """At 1 mm, with its own field."""
    made = make_phantom(load_anatomy(cache), rid, 1.0, 0, "M000")
    return made.image, made.field


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--phantoms", type=int, default=0, help="so many phantoms at 1 mm as well")
    parser.add_argument("--fits", nargs="+", choices=FITS, default=list(FITS), metavar="NAME", help="some rows alone")
    parser.add_argument("--out", type=Path, default=Path("results/real_inhomogeneity.json"))
    options = parser.parse_args()
    known = read_json(options.out) if options.out.is_file() else {}
    makers = {path.name.split(".")[0]: partial(given, path) for path in options.scans}
    cache = options.out.with_name("anatomy.npz")
    makers |= {f"phantom {rid}": partial(phantom, rid, cache) for rid in range(1, options.phantoms + 1)}
    for name, make in makers.items():
        measure(name, make, options.fits, known, options.out)
    print("\n| N4 | " + " | ".join(f"{name}: left, white, (own,) CPU-s" for name in makers) + " |")
    print("|---" * (len(makers) + 1) + "|")
    for fit in options.fits:
        cells = [known[f"{name}: {fit}"] for name in makers]
        print(f"| {fit} | " + " | ".join(map(cell_of, cells)) + " |")


def cell_of(found: dict) -> str:
    spreads = [f"{found[name]:.3f}" for name in ("left", "white", "own") if name in found]
    return ", ".join([*spreads, f"{found['cpu_s']:.1f}"])


if __name__ == "__main__":
    main()
