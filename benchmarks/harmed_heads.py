"""Heads as they are and harmed in known ways: what `uneven`, `jump`, `folded` and `bias_range` say, through the chain.

    python benchmarks/harmed_heads.py [FILE ...] [--phantoms 3] [--voxel-mm 3] [--qc FILE.tsv ...] [--harms NAME ...]
        [--out results/harmed_heads]

Files are T1-weighted whole heads of your own; phantoms are made here, with full nuisance. Every copy goes through N4 as
config/config.yaml has it (a harm may say otherwise), deepbet's first stage and an affine at 2 mm. --qc: tables of
quality control (qc.tsv of a finished run, such as the demo's), whose scans count as they are. A metric outside its
limit is a false alarm on a scan as it is, and what is asked for on a harmed one; rates have their one-sided 95 %
limits. What is measured is kept below --out; remove the folder after a change of the code. 4 CPU-seconds a copy of a
phantom of 3 mm, 30 of a head of 1 mm.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from bench_preprocess import GRID  # noqa: E402
from kinds_of_scans import at_most, span  # noqa: E402
from study_phantoms import make_phantom  # noqa: E402

from ldae.config import BiasField, BrainExtraction, Preprocessing, Registration  # noqa: E402
from ldae.core.files import read_json, read_tsv, write_json  # noqa: E402
from ldae.phantom.anatomy import load_anatomy  # noqa: E402
from ldae.preprocessing.bias_field import quick_head_mask  # noqa: E402
from ldae.preprocessing.derivatives import ScanFiles  # noqa: E402
from ldae.preprocessing.one_scan import preprocess_scan  # noqa: E402
from ldae.preprocessing.pool import run_isolated  # noqa: E402
from ldae.preprocessing.quality import LIMITS, inside  # noqa: E402
from ldae.preprocessing.reading import read_scan  # noqa: E402

SETTINGS = Preprocessing(
    shards=1,
    brain_extraction=BrainExtraction(second_stage=False),
    registration=Registration(transform="affine", resolution_mm=2.0),
    conform=GRID,
)
HARDLY = BiasField(fit="own", shrink_factor=6, iterations=[5], tolerance=1e-3)  # leaves nearly all of a field
METRICS = ("uneven", "bias_range", "jump", "folded")
AS_IT_IS = "as it is"
Change = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Harm:
    """What is done to a head, and by which metric it should show.

    Attributes:
        change: (data, brain, zooms in mm) -> data; axes to the right, to the front and upwards.
        n4: of the chain.
    """

    metric: str
    change: Change
    n4: BiasField = SETTINGS.bias_field


def field(data: np.ndarray, _: np.ndarray, zooms: np.ndarray, axis: int, fold: float) -> np.ndarray:
    """Signal that falls from one end of the head to the other to 1 / ``fold``, evenly on a log scale."""
    first, last = ends(quick_head_mask(data, zooms), axis)
    place = np.clip((np.arange(data.shape[axis]) - first) / (last - first), 0, 1) - 0.5
    return data * np.exp(np.log(fold) * place).reshape(along(axis)).astype(np.float32)


def lost(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray, axis: int, mm: float, away_mm: float) -> np.ndarray:
    """Slices missing around a place so far from the brain's middle, the others pushed together."""
    count, start = thick(brain, zooms, axis, mm, away_mm)
    return np.delete(data, slice(start, start + count), axis)


def emptied(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray, axis: int, mm: float) -> np.ndarray:
    """Slices through the brain without signal."""
    count, start = thick(brain, zooms, axis, mm, 15.0)
    result = data.copy()
    np.moveaxis(result, axis, 0)[start : start + count] = 0
    return result


def turned_round(data: np.ndarray, brain: np.ndarray, zooms: np.ndarray, axis: int, mm: float) -> np.ndarray:
    """The border runs through the brain, so far from its end; what lies beyond is at the opposite border."""
    return np.roll(data, -ends(brain, axis)[0] - round(mm / zooms[axis]), axis)


def folded(data: np.ndarray, _: np.ndarray, zooms: np.ndarray, axis: int, mm: float) -> np.ndarray:
    """A field of view that is so much smaller than the head, whose end lies over its beginning."""
    first, last = ends(quick_head_mask(data, zooms), axis)
    size = last + 1 - first - round(mm / zooms[axis])
    lines = np.moveaxis(data, axis, 0)
    result, over = lines[first : first + size].copy(), lines[first + size : last + 1]
    result[: len(over)] += over
    return np.moveaxis(result, 0, axis)


def thick(brain: np.ndarray, zooms: np.ndarray, axis: int, mm: float, away_mm: float) -> tuple[int, int]:
    """How many slices, and the first of them."""
    count, middle = max(1, round(mm / zooms[axis])), np.argwhere(brain)[:, axis].mean()
    return count, round(middle + away_mm / zooms[axis] - count / 2)


def ends(mask: np.ndarray, axis: int) -> tuple[int, int]:
    filled = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
    return int(filled[0]), int(filled[-1])


def along(axis: int) -> tuple[int, ...]:
    return tuple(-1 if axis == other else 1 for other in range(3))


AXES = ("left to right", "back to front", "bottom to top")
HARMS: dict[str, Harm] = {}
for _axis, _name in enumerate(AXES):
    HARMS |= {
        f"a field of five to one, {_name}": Harm("uneven", partial(field, axis=_axis, fold=5)),
        f"the same, which N4 hardly touched, {_name}": Harm("uneven", partial(field, axis=_axis, fold=5), HARDLY),
        f"12 mm of slices lost beside the middle, {_name}": Harm("jump", partial(lost, axis=_axis, mm=12, away_mm=20)),
        f"6 mm of slices empty, {_name}": Harm("jump", partial(emptied, axis=_axis, mm=6)),
    }
HARMS["12 mm of slices lost at the midline"] = Harm("jump", partial(lost, axis=0, mm=12, away_mm=0))
for _axis in (0, 1):
    HARMS |= {
        f"turned round by a border 25 mm inside the brain, {AXES[_axis]}": Harm(
            "folded", partial(turned_round, axis=_axis, mm=25)
        ),
        f"a field of view of 45 mm less, folded over, {AXES[_axis]}": Harm(
            "folded", partial(folded, axis=_axis, mm=45)
        ),
    }


def judged(job: tuple[Path, Path, BiasField]) -> dict:
    """The row of quality control of one copy."""
    scan, folder, n4 = job
    return preprocess_scan(scan, ScanFiles(folder, "sub-1", "ses-M000"), SETTINGS.model_copy(update={"bias_field": n4}))


def folder_of(out: Path, head: str, harm: str) -> Path:
    return out / head.replace(" ", "_") / re.sub(r"\W+", "_", harm)


def measure(image: nib.Nifti1Image, folder: Path, n4: BiasField) -> dict:
    """Verdict, reason and metrics of one copy; what is known is read."""
    known, scan = folder / "record.json", folder / "scan.nii.gz"
    if not known.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(image, scan)
        ((_, outcome),) = run_isolated(judged, [(scan, folder, n4)], 1, 1, [], [folder])
        row = {"qc": "refused", "qc_reason": outcome.reason} if outcome.reason else outcome.value
        write_json(known, {name: row.get(name) for name in ("qc", "qc_reason", *METRICS)})
        print(folder.parent.name, "|", folder.name, "|", read_json(known), flush=True)
    return read_json(known)


def measure_head(name: str, image: nib.Nifti1Image, harms: list[str], out: Path) -> list[dict]:
    """One head as it is and harmed; a row for each copy."""
    straight = nib.as_closest_canonical(image)
    data, zooms = straight.get_fdata(dtype=np.float32), np.linalg.norm(straight.affine[:3, :3], axis=0)
    plain = measure(straight, folder_of(out, name, AS_IT_IS), SETTINGS.bias_field)
    rows = [{"head": name, "harm": AS_IT_IS} | plain]
    mask = ScanFiles(folder_of(out, name, AS_IT_IS), "sub-1", "ses-M000").mask
    if not mask.is_file():
        print(f"{name} is refused as it is ({plain['qc_reason']}), and is not harmed")
        return rows
    brain = np.asanyarray(nib.load(mask).dataobj) > 0.5
    for harm in harms:
        copy = nib.Nifti1Image(HARMS[harm].change(data, brain, zooms), straight.affine)
        rows.append({"head": name, "harm": harm} | measure(copy, folder_of(out, name, harm), HARMS[harm].n4))
    return rows


def outside(values: pd.Series, metric: str) -> int:
    """How many are outside the limits of a warning; what could not be measured is not."""
    _, low, high, _ = LIMITS[metric]
    return int(sum(not inside(value, low, high) for value in values.dropna().astype(float)))


def report(table: pd.DataFrame) -> None:
    """Two tables: scans as they are, and harms, if there are any."""
    plain, harmed = table[table["harm"] == AS_IT_IS], table[table["harm"] != AS_IT_IS]
    print("\n| as they are | scans measured | range | outside the limit | at most |\n" + "|---" * 5 + "|")
    for metric in METRICS:
        values, count = plain[metric].astype(float), outside(plain[metric], metric)
        known = int(values.notna().sum())
        if known:
            print(f"| `{metric}` | {known} | {span(values)} | {count} | {100 * at_most(count, known):.1f} % |")
    print(
        "\n| harm | metric | copies | range | outside its limit | pass | warn | fail | refused |\n" + "|---" * 9 + "|"
    )
    for harm, part in harmed.groupby("harm", sort=False):
        metric = HARMS[str(harm)].metric
        cells = [f"`{metric}`", len(part), span(part[metric].astype(float)), outside(part[metric], metric)]
        cells += [int((part["qc"] == verdict).sum()) for verdict in ("pass", "warn", "fail", "refused")]
        print(f"| {harm} | " + " | ".join(map(str, cells)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--phantoms", type=int, default=3, help="so many phantoms as well")
    parser.add_argument("--voxel-mm", type=float, default=3.0, help="of the phantoms")
    parser.add_argument("--qc", type=Path, nargs="+", default=[], metavar="FILE.tsv", help="scans as they are, judged")
    parser.add_argument("--harms", nargs="*", choices=HARMS, default=list(HARMS), metavar="NAME", help="none: no copy")
    parser.add_argument("--out", type=Path, default=Path("results/harmed_heads"))
    options = parser.parse_args()
    rows = []
    for path in options.scans:
        rows += measure_head(path.name.split(".")[0], read_scan(path), options.harms, options.out)
    for rid in range(1, options.phantoms + 1):
        made = make_phantom(load_anatomy(options.out / "anatomy.npz"), rid, options.voxel_mm, 0, "M000").image
        rows += measure_head(f"phantom {rid} of {options.voxel_mm:g} mm", made, options.harms, options.out)
    table = pd.DataFrame(rows)
    for path in options.qc:
        found = read_tsv(path)
        table = pd.concat([table, found[found["qc"].notna()].reindex(columns=METRICS).assign(harm=AS_IT_IS)])
    report(table)


if __name__ == "__main__":
    main()
