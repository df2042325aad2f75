"""What preprocessing does to phantoms whose truth is known.

    python benchmarks/preprocess_studies.py [--studies longitudinal mismatch n4 accuracy] [--scans 8] [--voxel-mm 2]
        [--out results/preprocess_studies.json]

longitudinal: three visits of a subject, the second a repetition of the first (pose, inhomogeneity and noise differ),
    the third 36 months later; each visit registered by itself, and all through the subject's mean.
mismatch: the same brains registered to the template that the phantoms are made from, and to one that they are not made
    from (warped as heads differ, its affine part taken out, and smoothed).
n4: what is left of the inhomogeneity, and CPU-seconds, with four levels of N4, the default, and with two coarse ones.
accuracy: mask, ventricle volume, inhomogeneity and pose after the chain against the truth, full nuisance.

Registration is affine. Every subject is written as soon as it is measured and kept; a later run with more scans adds
the new ones."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
from scipy import ndimage  # noqa: E402
from study_phantoms import make_phantom, pose_error_mm  # noqa: E402
from study_tables import centred_within, slope, with_interval  # noqa: E402

from ldae.config import BiasField, BrainExtraction, Conform, Registration  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.phantom.anatomy import Anatomy, load_anatomy  # noqa: E402
from ldae.phantom.grid import CONTROL_MM, ORIGIN, sample, subject_shape  # noqa: E402
from ldae.preprocessing.bias_field import correct_bias_field  # noqa: E402
from ldae.preprocessing.brain_extraction import extract_brain  # noqa: E402
from ldae.preprocessing.conform import conform, weighted  # noqa: E402
from ldae.preprocessing.longitudinal import SubjectMean, alignment_of_visit, mean_of, save_mean  # noqa: E402
from ldae.preprocessing.quality import alignment_metrics  # noqa: E402
from ldae.preprocessing.registration import Alignment, register  # noqa: E402
from ldae.preprocessing.registration_template import load_template  # noqa: E402
from ldae.preprocessing.resource_use import Meter  # noqa: E402
from ldae.studies.common.anatomy import Grid, ventricle_ml  # noqa: E402
from ldae.studies.common.statistics import correlation, mean, median  # noqa: E402

SHRUNKEN_MM, PAPER_SHRUNKEN_MM = 6.0, 4.0  # voxels of N4's fit
AFFINE = Registration(transform="affine", resolution_mm=2.0)
GRID = Conform(interpolation="linear", intensity="robust")
FAST, WHOLE = BrainExtraction(second_stage=False), BrainExtraction()
YEARS = 3
SMOOTHED_MM = 1.5  # standard deviation; of the template that phantoms are not made from
Found = tuple[nib.Nifti1Image, nib.Nifti1Image, nib.Nifti1Image]  # corrected, mask, brain


def fast_n4(voxel_mm: float) -> BiasField:
    return BiasField(shrink_factor=max(1, round(SHRUNKEN_MM / voxel_mm)), iterations=[50, 50], tolerance=1e-4)


def corrected_and_mask(image: nib.Nifti1Image, extraction: BrainExtraction) -> Found:
    corrected, _ = correct_bias_field(image, fast_n4(float(min(image.header.get_zooms()))))
    mask = extract_brain(corrected, extraction).mask
    return corrected, mask, weighted(corrected, mask)


def conformed(found: Found, alignment: Alignment) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    volume, mask, _ = conform(found[0], found[1], alignment, GRID)
    alignment.discard()
    return volume, mask


def ventricles(volume: nib.Nifti1Image) -> float:
    return ventricle_ml(volume.get_fdata(dtype=np.float32), Grid.of(volume.shape, volume.affine))


def longitudinal(anatomy: Anatomy, rid: int, voxel_mm: float, folder: Path) -> dict:
    """Volumes (ml, MNI) and differences with and without the subject's mean."""
    plan = {"ses-M000": (0, "M000"), "ses-again": (0, "again"), "ses-M036": (12 * YEARS, "M036")}
    visits = {name: make_phantom(anatomy, rid, voxel_mm, *when, contrast_of="M000") for name, when in plan.items()}
    found = {name: corrected_and_mask(visit.image, FAST) for name, visit in visits.items()}
    mean = SubjectMean(folder, f"sub-P{rid}")
    image, to_mean = mean_of([brain for _, _, brain in found.values()], AFFINE, folder / "scratch")
    save_mean(mean, image, dict(zip(found, to_mean, strict=True)), AFFINE)
    record = {"truth_ml": [visit.truth["ventricle_ml"] for visit in visits.values()]}
    ways: dict[str, Callable[[str], Alignment]] = {
        "by itself": lambda name: register(found[name][2], AFFINE),
        "through the mean": lambda name: alignment_of_visit(mean, name, AFFINE, folder / f"scratch-{name}"),
    }
    for way, align in ways.items():
        alignments = {name: align(name) for name in found}
        volumes = [conformed(found[name], alignment) for name, alignment in alignments.items()]
        first, again = (volume.get_fdata() for volume, _ in volumes[:2])
        inside = (volumes[0][1].get_fdata() > 0) | (volumes[1][1].get_fdata() > 0)
        relative = [a.native_to_template @ np.linalg.inv(visits[n].pose) for n, a in alignments.items()]
        record[way] = {
            "ventricle_ml": [ventricles(volume) for volume, _ in volumes],
            "determinant": [alignment.determinant for alignment in alignments.values()],
            "difference": float(np.abs(first - again)[inside].mean()),
            "apart_mm": pose_error_mm(relative[1], relative[0], visits["ses-M000"].brain_points_mni),
        }
    return record


def mismatch(anatomy: Anatomy, rid: int, voxel_mm: float, folder: Path) -> dict:
    """Overlap, correlation and pose error with either template."""
    phantom = make_phantom(anatomy, rid, voxel_mm, 0, "M000")
    found = corrected_and_mask(phantom.image, FAST)
    record = {}
    for name, template in {"matched": None, "not matched": str(foreign_template(folder))}.items():
        alignment = register(found[2], AFFINE.model_copy(update={"template": template}))
        error = pose_error_mm(alignment.native_to_template, phantom.pose, phantom.brain_points)
        volume, mask = conformed(found, alignment)
        record[name] = alignment_metrics(volume, mask, load_template(template)) | {"pose_error_mm": error}
    return record


def foreign_template(folder: Path) -> Path:
    """The template moved by the shape of a head that no phantom has, less that shape's own affine, and smoothed."""
    path = folder / "foreign.nii.gz"
    if path.is_file():
        return path
    template = load_template()
    index = np.stack(np.meshgrid(*map(np.arange, template.brain.shape), indexing="ij"), -1).reshape(-1, 3)
    points = index @ template.brain.affine[:3, :3].T + template.brain.affine[:3, 3]
    shift = np.stack([sample(part, ((points - ORIGIN) / CONTROL_MM).T) for part in subject_shape(4242, 1)], -1)
    inside = template.mask.get_fdata().ravel() > 0
    design = np.c_[points, np.ones(len(points))]
    shift = shift - design @ np.linalg.lstsq(design[inside], shift[inside], rcond=None)[0]
    moved = ((points + shift - template.brain.affine[:3, 3]) @ np.linalg.inv(template.brain.affine[:3, :3]).T).T
    data, mask = (
        sample(part.get_fdata(dtype=np.float32), moved).reshape(template.brain.shape)
        for part in (template.brain, template.mask)
    )
    smooth = ndimage.gaussian_filter(data, SMOOTHED_MM / np.linalg.norm(template.brain.affine[:3, 0]))
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.where(mask > 0.5, smooth, 0).astype(np.float32), template.brain.affine), path)
    return path


def n4(anatomy: Anatomy, rid: int, voxel_mm: float, folder: Path) -> dict:
    """Spread of the inhomogeneity before, and after each setting, with its CPU-seconds."""
    phantom = make_phantom(anatomy, rid, voxel_mm, 0, "M000")
    record = {"none": {"spread": phantom.inhomogeneity(phantom.image), "cpu_s": 0.0}}
    paper = BiasField(fit="fine", shrink_factor=max(1, round(PAPER_SHRUNKEN_MM / voxel_mm)))
    for name, settings in {"fine": paper, "two levels": fast_n4(voxel_mm)}.items():
        meter = Meter()
        corrected, _ = correct_bias_field(phantom.image, settings)
        record[name] = {"spread": phantom.inhomogeneity(corrected), "cpu_s": meter.spent()["cpu_seconds"]}
    return record


def accuracy(anatomy: Anatomy, rid: int, voxel_mm: float, folder: Path) -> dict:
    """One scan through the chain, against the truth."""
    phantom = make_phantom(anatomy, rid, voxel_mm, 0, "M000")
    found = corrected_and_mask(phantom.image, WHOLE)
    mask = found[1].get_fdata() > 0
    alignment = register(found[2], AFFINE)
    error = pose_error_mm(alignment.native_to_template, phantom.pose, phantom.brain_points)
    volume, _ = conformed(found, alignment)
    before, after = phantom.inhomogeneity(phantom.image), phantom.inhomogeneity(found[0])
    return {
        "dice_truth": float(2 * (mask & phantom.brain).sum() / (mask.sum() + phantom.brain.sum())),
        "ventricle_ml": ventricles(volume),
        "truth_ml_mni": phantom.truth["ventricle_ml"] * alignment.determinant,
        "bias_before": before,
        "bias_after": after,
        "pose_error_mm": error,
    }


def report_longitudinal(records: list[dict]) -> None:
    print("| | by itself | through the mean |\n|---|---|---|")
    rows: dict[str, list[str]] = {}
    subjects = np.arange(len(records))
    visits = np.repeat(subjects, 3)
    for way in ("by itself", "through the mean"):
        ml = np.array([record[way]["ventricle_ml"] for record in records])
        scale = np.array([record[way]["determinant"] for record in records]).mean(axis=1, keepdims=True)
        truth = np.array([record["truth_ml"] for record in records]) * scale
        within = [centred_within(values.ravel(), visits) for values in (truth, ml)]
        apart, difference = ([record[way][name] for record in records] for name in ("apart_mm", "difference"))
        cells = {
            "repetition: distance of the same point, mm": with_interval(mean, subjects, apart),
            "repetition: absolute difference in the brain": with_interval(mean, subjects, difference, digits=4),
            "repetition: absolute difference of ventricles, ml": with_interval(
                mean, subjects, abs(ml[:, 1] - ml[:, 0])
            ),
            "ventricles within subjects, correlation with truth": with_interval(correlation, visits, *within),
            "ventricles within subjects, slope on truth": with_interval(slope, visits, *within),
        }
        for name, cell in cells.items():
            rows.setdefault(name, []).append(cell)
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def report_mismatch(records: list[dict]) -> None:
    print("| median | matched | not matched |\n|---|---|---|")
    subjects = np.arange(len(records))
    for name in ("ncc_template", "dice_template", "pose_error_mm"):
        columns = ([record[kind][name] for record in records] for kind in ("matched", "not matched"))
        print(f"| {name} | " + " | ".join(with_interval(median, subjects, column) for column in columns) + " |")


def report_n4(records: list[dict]) -> None:
    print("| N4 | spread of the inhomogeneity in the brain, median | CPU-s, median |\n|---|---|---|")
    subjects = np.arange(len(records))
    for name in records[0]:
        spread, cost = ([record[name][value] for record in records] for value in ("spread", "cpu_s"))
        print(f"| {name} | {with_interval(median, subjects, spread)} | {np.median(cost):.1f} |")


def report_accuracy(records: list[dict]) -> None:
    columns = {name: np.array([record[name] for record in records]) for name in records[0]}
    subjects, volumes = np.arange(len(records)), (columns["truth_ml_mni"], columns["ventricle_ml"])
    medians = {name: with_interval(median, subjects, column) for name, column in columns.items()}
    print("| | value |\n|---|---|")
    print(f"| brain mask, Dice with the truth, median | {medians['dice_truth']} |")
    print(f"| brain mask, Dice with the truth, worst | {columns['dice_truth'].min():.3f} |")
    print(f"| ventricles, correlation with the truth | {with_interval(correlation, subjects, *volumes)} |")
    print(f"| ventricles, slope on the truth | {with_interval(slope, subjects, *volumes)} |")
    print(f"| inhomogeneity before N4, spread in the brain, median | {medians['bias_before']} |")
    print(f"| inhomogeneity after N4, spread in the brain, median | {medians['bias_after']} |")
    print(f"| affine against the true pose, mm, median | {medians['pose_error_mm']} |")
    print(f"| affine against the true pose, mm, worst | {columns['pose_error_mm'].max():.3f} |")


STUDIES = {
    "longitudinal": (longitudinal, report_longitudinal),
    "mismatch": (mismatch, report_mismatch),
    "n4": (n4, report_n4),
    "accuracy": (accuracy, report_accuracy),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--scans", type=int, default=8, help="subjects of each study")
    parser.add_argument("--voxel-mm", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("results/preprocess_studies.json"))
    options = parser.parse_args()
    known = read_json(options.out) if options.out.is_file() else {}
    anatomy = load_anatomy(options.out.with_name("anatomy.npz"))
    for name in options.studies:
        study, report = STUDIES[name]
        keys = [f"{name}, {options.voxel_mm:g} mm, subject {rid}" for rid in range(1, options.scans + 1)]
        for rid, key in enumerate(keys, start=1):
            if key not in known:
                known[key] = study(anatomy, rid, options.voxel_mm, options.out.with_name("preprocess_studies"))
                write_json(options.out, known)
                print(key, json.dumps(known[key]), flush=True)
        print(f"\n{name}: {options.scans} subjects, voxels of {options.voxel_mm:g} mm")
        report([known[key] for key in keys])


if __name__ == "__main__":
    main()
