"""What `ldae preprocess` says of scans of many kinds: verdicts by kind, false alarms and misses.

    python benchmarks/kinds_of_scans.py SCANS.tsv [--volumes FILE.npz] [--min-slices 32] [--out results/kinds_of_scans]

SCANS.tsv has the columns file (from the table's folder), kind, and expected: `use` for a T1-weighted head that is to go
through, `refuse` for everything else, `warn` for what counts as neither. A scan of the first kind that is refused or
fails is a false alarm, one of the second that passes or warns is a miss; rates have their one-sided 95 % limits
(Clopper and Pearson 1934). --volumes: T1w brains on the grid of the networks (array `volumes`, as `ldae` packs them),
whose contrast is judged as it is and through curves that make another contrast of it. The chain: N4 of two levels,
deepbet's first stage, affine at 2 mm.
What is measured is kept below --out; remove the folder after a change of the code. 5 to 20 CPU-seconds a scan.
"""

import argparse
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from bench_preprocess import FAST_N4, GRID  # noqa: E402
from scipy import stats  # noqa: E402

from ldae.config import BrainExtraction, Conform, Preprocessing, Registration  # noqa: E402
from ldae.core.files import read_json, write_json  # noqa: E402
from ldae.preprocessing.conform import grid_affine  # noqa: E402
from ldae.preprocessing.contrast import contrast_metrics, tissue_points, values_at  # noqa: E402
from ldae.preprocessing.derivatives import ScanFiles  # noqa: E402
from ldae.preprocessing.one_scan import as_nifti, preprocess_scan  # noqa: E402
from ldae.preprocessing.pool import run_isolated  # noqa: E402
from ldae.preprocessing.quality import LIMITS, verdict  # noqa: E402
from ldae.preprocessing.registration_template import load_template  # noqa: E402

SETTINGS = Preprocessing(
    shards=1,
    bias_field=FAST_N4,
    brain_extraction=BrainExtraction(second_stage=False),
    registration=Registration(transform="affine", resolution_mm=2.0),
    conform=GRID,
)
SHOWN = ("grey_white", "fluid_white", "enhanced", "uneven", "jump", "folded", "detail", "ghost", "turn", "stretch")
SHOWN = (*SHOWN, "volume_ratio", "ncc_template", "dice_template")
CONTRAST = ("grey_white", "fluid_white")
# intensity over white matter's -> of the other contrast; 0 stays 0
CURVES = {
    "T1w, as they are": None,
    "T1w of little contrast": ([0, 0.2, 0.4, 0.65, 1, 1.6], [0, 0.3, 0.5, 0.8, 1, 1.3]),
    "FLAIR": ([0, 0.2, 0.4, 0.6, 0.8, 1, 1.6], [0, 0.1, 0.4, 1.07, 1.05, 1, 0.95]),
    "T2w": ([0, 0.15, 0.35, 0.65, 1, 1.6], [0, 2.6, 2.2, 1.6, 1, 0.7]),
    "proton density": ([0, 0.2, 0.35, 0.65, 1, 1.6], [0, 1.05, 1.1, 1.15, 1, 0.9]),
    "EPI": ([0, 0.2, 0.35, 0.65, 1, 1.6], [0, 1.5, 1.5, 1.35, 1, 0.8]),
    "CT, windowed": ([0, 0.2, 0.4, 0.6, 1, 1.6], [0, 0.2, 0.5, 1.03, 1, 1]),
}


def measure(job: tuple[Path, Path, int]) -> dict:
    """The row of quality control of one scan: a file, or a folder with a DICOM series."""
    source, folder, min_slices = job
    folder.mkdir(parents=True, exist_ok=True)
    settings = SETTINGS.model_copy(update={"min_slices": min_slices})
    return preprocess_scan(as_nifti(source, folder), ScanFiles(folder, "sub-1", "ses-M000"), settings, source)


def measured(files: list[Path], folder: Path, min_slices: int) -> list[dict]:
    """Verdict, reason and metrics of each; what is known is read."""
    known = [folder / f"{number:03d}.json" for number in range(len(files))]
    waiting = [number for number, record in enumerate(known) if not record.is_file()]
    jobs = [(files[number], folder / f"{number:03d}", min_slices) for number in waiting]
    for place, outcome in run_isolated(measure, jobs, 1, 20, [], [folder]):
        found = {"verdict": "refused", "reason": outcome.reason}
        if not outcome.reason:
            row = outcome.value
            found = {"verdict": row["qc"], "reason": row["qc_reason"]} | {name: row.get(name) for name in SHOWN}
        write_json(known[waiting[place]], found)
        print(files[waiting[place]].name, found["verdict"], found["reason"], flush=True)
    return [read_json(record) for record in known]


def judged(volumes: np.ndarray) -> pd.DataFrame:
    """Contrast of each volume, as it is and through each curve."""
    template, affine = load_template(), grid_affine(Conform())
    white = tissue_points(template)["white"]
    rows = []
    for number, volume in enumerate(volumes):
        data = volume.astype(np.float32)
        typical = float(np.median(values_at(data, np.linalg.inv(affine), white)))
        for name, curve in CURVES.items():
            changed = data if curve is None else np.where(data > 0, np.interp(data / typical, *curve), 0)
            found = contrast_metrics(nib.Nifti1Image(changed.astype(np.float32), affine), np.eye(4), template)
            flag = verdict(found, {each: LIMITS[each] for each in CONTRAST}, only=True)[0]
            rows.append({"kind": name, "number": number, "verdict": flag} | {each: found[each] for each in CONTRAST})
    return pd.DataFrame(rows)


def at_most(count: int, total: int) -> float:
    """One-sided 95 % upper limit of a rate."""
    return 1.0 if count == total else float(stats.beta.ppf(0.95, count + 1, total - count))


def span(values: pd.Series) -> str:
    values = values.dropna()
    if values.empty:
        return ""
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low}-{high}"


def show(table: pd.DataFrame) -> None:
    """A row for each kind."""
    flags = [flag for flag in ("pass", "warn", "fail", "refused") if (table["verdict"] == flag).any()]
    print("\n| kind | scans | " + " | ".join([*flags, *CONTRAST]) + " |")
    print("|---" * (len(flags) + 4) + "|")
    for kind, part in table.groupby("kind", sort=False):
        cells = [str((part["verdict"] == flag).sum()) for flag in flags]
        print(f"| {kind} | {len(part)} | " + " | ".join([*cells, *(span(part[name]) for name in CONTRAST)]) + " |")


def rates(table: pd.DataFrame, what: str) -> None:
    """False alarms and misses, and how large their rates may be."""
    lost = table["verdict"].isin(["fail", "refused"])
    for expected, wrong, words in (("use", lost, "false alarms"), ("refuse", ~lost, "misses")):
        asked = table["expected"] == expected
        if asked.any():
            count, total = int((wrong & asked).sum()), int(asked.sum())
            print(f"{what}: {words} {count} of {total}, at most {100 * at_most(count, total):.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, metavar="SCANS.tsv")
    parser.add_argument("--volumes", type=Path, help="npz with an array `volumes`")
    parser.add_argument("--min-slices", type=int, default=SETTINGS.min_slices, help="preprocessing.min_slices")
    parser.add_argument("--out", type=Path, default=Path("results/kinds_of_scans"))
    options = parser.parse_args()
    table = pd.read_csv(options.scans, sep="\t")
    found = measured([options.scans.parent / file for file in table["file"]], options.out, options.min_slices)
    for file, each in zip(table["file"], found, strict=True):
        values = ", ".join(f"{name} {each[name]:.3g}" for name in SHOWN if each.get(name) is not None)
        print(f"{file}: {each['verdict']}: {each['reason'] or ''} [{values}]")
    table = pd.concat([table, pd.DataFrame(found).reindex(columns=["verdict", "reason", *SHOWN])], axis=1)
    show(table)
    rates(table, "scans")
    if options.volumes:
        with np.load(options.volumes, allow_pickle=False) as archive:
            volumes = judged(archive["volumes"])
        volumes["expected"] = ["use" if kind.startswith("T1w") else "refuse" for kind in volumes["kind"]]
        show(volumes)
        rates(volumes, "volumes")


if __name__ == "__main__":
    main()
