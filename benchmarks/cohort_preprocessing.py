"""A finished run on phantoms against their truth: what preprocessing kept and cost, over all scans of the cohort.

    python benchmarks/cohort_preprocessing.py results/study      # after `make study`; or results/demo after `make demo`

Reads the volume store, qc.tsv, the transforms, truth.tsv and the timings of every scan; computes nothing anew.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from study_phantoms import pose_error_mm
from study_tables import centred_within, slope, with_interval

from ldae.core.files import read_json, read_tsv
from ldae.core.keys import KEY
from ldae.core.store import open_store
from ldae.phantom.population import draw_subject
from ldae.phantom.scan import CENTRE
from ldae.phantom.scanner import rotation_matrix
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.registration_template import SPACE, load_template
from ldae.studies.common.anatomy import Grid, ventricle_ml
from ldae.studies.common.statistics import correlation, median


def scans_of(results: Path) -> pd.DataFrame:
    """One row per usable scan: truth, measurements in the volume, distance of the affine from the true pose."""
    store = open_store(results / "store/volumes")
    grid = Grid.of(store.data.shape[1:], store.meta["affine"])
    table = store.index[[*KEY, "determinant"]].copy()
    table["ventricle_ml"] = [ventricle_ml(volume / np.float32(255), grid) for volume in store.data]
    qc = read_tsv(results / "derivatives/ldae-preproc/qc.tsv")
    truth = read_tsv(results / "raw/truth.tsv")
    table = table.merge(qc[[*KEY, "brain_ml", "ncc_template", "dice_template"]], on=KEY)
    table = table.merge(truth, on=KEY, suffixes=("", "_truth"))
    seed, points = read_json(results / "raw/phantom.json")["seed"], template_points()
    table["pose_error_mm"] = [pose_error(results, row, seed, points) for row in table.to_dict("records")]
    table["ventricle_ml_truth_mni"] = table["ventricle_ml_truth"] * table["determinant"]
    return table


def template_points() -> np.ndarray:
    """(4, n) homogeneous R-A-S mm of the template's brain, every thousandth voxel."""
    mask = load_template().mask
    voxels = np.argwhere(mask.get_fdata() > 0)[::1000]
    return mask.affine @ np.c_[voxels, np.ones(len(voxels))].T


def pose_error(results: Path, row: dict, seed: int, points: np.ndarray) -> float:
    """mm, in MNI space; the subject's own shape is no part of the true pose, so zero cannot be reached."""
    files = ScanFiles(results / "derivatives/ldae-preproc", row["participant_id"], row["session_id"])
    found = np.loadtxt(files.transform(SPACE))
    subject = draw_subject(seed, int(row["participant_id"][-4:]))
    true = np.eye(4)
    angles, shift = ([row[f"{kind}_{axis}"] for axis in "xyz"] for kind in ("rotation", "shift"))
    true[:3, :3] = np.diag(1 / np.array(subject.head_scale)) @ rotation_matrix(angles)
    true[:3, 3] = CENTRE - true[:3, :3] @ np.array(shift)
    return pose_error_mm(found @ np.linalg.inv(true), np.eye(4), points)


def report_scans(table: pd.DataFrame) -> None:
    subjects = table["participant_id"].to_numpy()
    volumes = [table[name].to_numpy() for name in ("ventricle_ml_truth_mni", "ventricle_ml")]
    brains = [table[name].to_numpy() for name in ("brain_ml_truth", "brain_ml")]
    repeated = table["participant_id"].duplicated(keep=False).to_numpy()
    within = [centred_within(values[repeated], subjects[repeated]) for values in volumes]
    rows = {
        "ventricles, correlation with the truth": with_interval(correlation, subjects, *volumes),
        "ventricles, slope on the truth": with_interval(slope, subjects, *volumes),
        f"ventricles within the {table.loc[repeated, 'participant_id'].nunique()} subjects with several visits, "
        "correlation": with_interval(correlation, subjects[repeated], *within),
        "ventricles within these subjects, slope": with_interval(slope, subjects[repeated], *within),
        "brain mask, ml, correlation with the truth": with_interval(correlation, subjects, *brains),
        "brain mask over the true brain, median": with_interval(median, subjects, brains[1] / brains[0]),
        "affine against the true pose, mm, median": with_interval(median, subjects, table["pose_error_mm"]),
        "affine against the true pose, mm, worst": f"{table['pose_error_mm'].max():.3f}",
        "NCC with the template, median and worst": median_and_worst(table["ncc_template"]),
        "Dice with the template, median and worst": median_and_worst(table["dice_template"]),
    }
    print("| | value |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def median_and_worst(column: pd.Series) -> str:
    return f"{column.median():.3f}, {column.min():.3f}"


def report_cost(results: Path) -> None:
    """CPU-seconds and memory of each step; memory of a worker's first and last scans, to see whether it grows."""
    print("\n| step | scans | done twice | CPU-s, median | peak MB: first tenth, last tenth, largest |")
    print("|---|---|---|---|---|")
    for step in ("correct_bias_field", "extract_brain", "register_mni"):
        parts = [read_tsv(path) for path in sorted((results / "logs" / step).glob("*.scans.tsv"))]
        table = pd.concat(parts, ignore_index=True)
        tenths = [pd.concat([cut(part["peak_mb"]) for part in parts]).median() for cut in (first_tenth, last_tenth)]
        twice = table[table["state"] == "done"].duplicated(KEY).sum()
        memory = f"{tenths[0]:.0f}, {tenths[1]:.0f}, {table['peak_mb'].max():.0f}"
        print(f"| {step} | {len(table)} | {twice} | {table['cpu_seconds'].median():.2f} | {memory} |")


def first_tenth(column: pd.Series) -> pd.Series:
    return column.head(max(1, len(column) // 10))


def last_tenth(column: pd.Series) -> pd.Series:
    return column.tail(max(1, len(column) // 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    table = scans_of(options.results)
    print(f"{len(table)} scans of {table['participant_id'].nunique()} subjects\n")
    report_scans(table)
    report_cost(options.results)


if __name__ == "__main__":
    main()
