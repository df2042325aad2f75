"""What the evaluations that need no GPU cost by the number of scans: processor seconds and peak memory, each in a
process of its own, with the settings of config/config.yaml.

    python benchmarks/cohort_size.py [--scans 1292 2585 5170 10340] [--rules fit_probes ...] [--out results/cohort_size]
    python benchmarks/cohort_size.py --table    # of what is there, nothing is run

The cohort is fabricated: five visits a subject, codes and latents of the paper's size (768 numbers; 3 x 16 x 20 x 16)
in which AD and age can be read, small volumes. The exponent is the slope of log seconds on log scans. What was
measured is kept; delete the folder to measure again.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ldae.core.runtime import limit_threads

limit_threads(1)  # what the rules have

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from ldae.cohort.splits import make_splits  # noqa: E402
from ldae.config import Config, load_config  # noqa: E402
from ldae.core.files import read_json, read_tsv, write_json, write_tsv  # noqa: E402
from ldae.core.keys import KEY, KEY_TYPES  # noqa: E402
from ldae.core.lineage import CODES  # noqa: E402
from ldae.core.store import open_store, write_store  # noqa: E402
from ldae.studies.common.feature_sets import voxel_gram  # noqa: E402
from ldae.studies.common.inputs import Inputs, read_inputs  # noqa: E402
from ldae.studies.common.paper_tables import to_markdown  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
VISITS, SPACING_MM, SHAPE, WIDTH, LATENT = 5, 6.0, (28, 32, 28), 768, (2, 3, 16, 20, 16)
GIB = 2**30


def fabricate(out: Path, scans: int) -> None:
    """Manifest, splits, models' names and stores of a cohort of so many scans; written once."""
    if (out / "manifest/splits.tsv").is_file():
        return
    rng = np.random.default_rng(0)
    subjects = -(-scans // VISITS)
    diagnosis = rng.choice(["CN", "MCI", "AD"], subjects, p=[0.4, 0.4, 0.2])
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-ADNI{number // 60 % 900:03d}S{number:05d}" for number in range(subjects)],
            "sex": rng.choice(["M", "F"], subjects),
            "diagnosis": diagnosis,
            "field_strength": rng.choice([1.5, 3.0], subjects),
            "study_phase": rng.choice(["ADNI1", "ADNI2", "ADNI3"], subjects),
            "age": rng.normal(72, 7, subjects).round(1),
            "determinant": rng.normal(1.3, 0.1, subjects).round(4),
        }
    )
    table = table.loc[table.index.repeat(VISITS)].head(scans).reset_index(drop=True)
    table["months"] = table.groupby("participant_id").cumcount() * 12
    table["session_id"] = table["months"].map("ses-M{:03d}".format)
    table["age"] = table["age"] + table["months"] / 12
    table["mmse"] = table["diagnosis"].map({"CN": 29, "MCI": 27, "AD": 23}) - rng.integers(0, 3, len(table))
    manifest = table.assign(cdr=np.nan, age_from="scan", site="941", shard=0, status="included", reason=None)
    write_tsv(out / "manifest/scans.tsv", manifest)
    index = table[[*KEY, "months", "age", "sex", "diagnosis", "mmse", "field_strength", "determinant"]]
    index = index.sort_values(KEY, ignore_index=True)
    ill = index["diagnosis"].map({"CN": 0.0, "MCI": 0.5, "AD": 1.0}).to_numpy()
    aged = ((index["age"] - 72) / 7).to_numpy()

    def drawn(shape: tuple[int, ...], seed: int) -> Iterator[np.ndarray]:
        own = np.random.default_rng(seed)
        directions = own.normal(size=(2, *shape)).astype(np.float32) / 8
        for k in range(len(index)):
            yield own.normal(size=shape).astype(np.float32) + ill[k] * directions[0] + aged[k] * directions[1]

    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = [-82, -113, -78]
    store, train = out / "store", out / "train"
    volumes = ((40 * volume + 110).clip(0, 255).astype(np.uint8) for volume in drawn(SHAPE, 1))
    place = {"affine": affine.tolist(), "spacing_mm": SPACING_MM, "centre_mm": [0.0, -17.0, 5.0], "transform": "affine"}
    write_store(store / "volumes", volumes, index, "uint8", **place)
    known = open_store(store / "volumes").scans
    write_json(train / "autoencoder/model.json", {"digest": "autoencoder"})
    write_store(store / "latents", drawn(LATENT, 2), index, scans=known, autoencoder="autoencoder", scale_factor=1.0)
    for number, (name, stage) in enumerate(CODES.items()):
        write_json(train / stage / "model.json", {"digest": stage})
        maker = {"untrained": stage} if name == "y_sem_untrained" else {"model": stage}
        own = index.assign(prediction=ill if name == "supervised_ad" else index["age"])
        write_store(store / "codes" / name, drawn((WIDTH,), 3 + number), own, scans=known, **maker)
    splits = load_config(ROOT / "config/config.yaml").splits
    write_tsv(out / "manifest/splits.tsv", make_splits(manifest, splits, seed=0))


def opened(out: Path) -> Inputs:
    return read_inputs(out / "store", out / "manifest/splits.tsv", manifest=out / "manifest/scans.tsv")


def fit_probes(out: Path, config: Config) -> None:
    from ldae.studies.probes.measure import run_probes

    run_probes(opened(out), config.evaluation, config.seed, out / "evaluate/probes", config.method)


def eval_probe_checks(out: Path, config: Config) -> None:
    from ldae.studies.probes.checks import run_probe_checks

    probes, checks = out / "evaluate/probes/predictions.tsv", out / "evaluate/probe_checks"
    run_probe_checks(opened(out), probes, config.evaluation, config.seed, checks, config.method)


def eval_arena(out: Path, config: Config) -> None:
    from ldae.studies.arena.measure import run_arena
    from ldae.studies.arena.tasks import NAMES

    manifest = read_tsv(out / "manifest/scans.tsv", dtype=KEY_TYPES | NAMES)
    run_arena(opened(out), manifest, config.arena, config.evaluation, config.seed, out / "evaluate/arena")


def audit_leakage(out: Path, config: Config) -> None:
    from ldae.core.scans import read_splits
    from ldae.studies.audit.measure import run_audit
    from ldae.studies.probes.measure import fitted_on_codes

    inputs = opened(out)
    refit = partial(fitted_on_codes, seed=config.seed, method=config.method)
    kept = read_json(out / "evaluate/probes/fitted.json")
    gram = voxel_gram(inputs, config.evaluation.batch)
    run_audit(
        inputs,
        read_splits(out / "manifest/splits.tsv"),
        None,
        gram,
        kept,
        refit,
        {},
        config.seed,
        out / "evaluate/audit",
    )


def nearest_scans(out: Path, config: Config) -> None:
    """The part of eval_samples that holds the latents of all training scans."""
    from ldae.studies.samples.measure import neighbour_table

    inputs = opened(out)
    latents, training = open_store(out / "store/latents"), inputs.rows("train")
    samples = np.random.default_rng(0).normal(size=(config.evaluation.samples, *LATENT[1:])).astype(np.float32)
    names = {"ldae": [f"sample {number}" for number in range(len(samples))]}
    neighbour_table(inputs, latents, training, names, {"ldae": {"z": samples}})


def tables_and_figures(out: Path, config: Config) -> None:
    """Table 7 and the arena's, the figures of both, Figure 5."""
    from ldae.studies.arena.figure import figure_arena
    from ldae.studies.arena.table import arena_table
    from ldae.studies.probes.figure import figure_confounds, figure_label_efficiency, figure_probes
    from ldae.studies.probes.figure_lda import figure_5_lda
    from ldae.studies.probes.table import probe_table

    evaluate, figures = out / "evaluate", out / "figures"
    figures.mkdir(exist_ok=True)
    probe_table(evaluate), arena_table(evaluate)
    figure_probes(evaluate / "probes/summary.tsv", figures / "probes")
    figure_5_lda(evaluate / "probes/lda.tsv", figures / "lda")
    figure_arena(evaluate / "arena/ranks.tsv", figures / "arena")
    figure_label_efficiency(evaluate / "probe_checks/label_efficiency.tsv", figures / "labels")
    figure_confounds(evaluate / "probe_checks/confounds.tsv", figures / "confounds")


RULES: dict[str, Callable[[Path, Config], None]] = {
    function.__name__: function
    for function in (fit_probes, eval_probe_checks, eval_arena, audit_leakage, nearest_scans, tables_and_figures)
}


def measure(name: str, out: Path) -> None:
    """One of them in this process; seconds, peak memory and exit into ``<name>.json``."""
    config = load_config(ROOT / "config/config.yaml")
    before = time.process_time()
    RULES[name](out, config)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    write_json(out / f"{name}.json", {"cpu_s": time.process_time() - before, "peak_gib": peak})


def granted(name: str) -> float | None:
    """GiB that the SLURM profile gives the rule at the first attempt; none of a part of a rule."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    given = profile["set-resources"].get(name, {}).get("mem_mb")
    return int(str(given).split()[0]) / 1024 if given else None


def table(out: Path) -> pd.DataFrame:
    """One row per rule: seconds and memory at each size, the exponents, and what the profile grants."""
    sizes = sorted(int(folder.name) for folder in out.iterdir() if folder.name.isdigit())
    rows = []
    for name in RULES:
        found = {size: read_json(path) for size in sizes if (path := out / str(size) / f"{name}.json").is_file()}
        if not found:
            continue
        row: dict[str, object] = {"rule": name}
        for size, numbers in found.items():
            row[f"CPU-s at {size:,}"] = f"{numbers['cpu_s']:.0f}"
        for what, label in (("cpu_s", "exponent of seconds"), ("peak_gib", "exponent of memory")):
            logs = np.log([[size, numbers[what]] for size, numbers in found.items()])
            row[label] = f"{np.polyfit(*logs.T, 1)[0]:.2f}" if len(found) > 1 else "n/a"
        row["peak GiB"] = f"{found[max(found)]['peak_gib']:.1f}"
        row["granted GiB"] = f"{given:.1f}" if (given := granted(name)) else "n/a"
        rows.append(row)
    return pd.DataFrame(rows).fillna("n/a")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", nargs="*", type=int, default=[1292, 2585, 5170, 10340])
    parser.add_argument("--rules", nargs="*", choices=list(RULES), default=list(RULES))
    parser.add_argument("--out", type=Path, default=ROOT / "results/cohort_size")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("RULE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one[0], Path(given.one[1]))
        return
    for scans in [] if given.table else sorted(given.scans):
        folder = given.out / str(scans)
        fabricate(folder, scans)
        for name in given.rules:
            if (folder / f"{name}.json").is_file():
                continue
            print(f"{scans:,} scans: {name}", file=sys.stderr, flush=True)
            done = subprocess.run([sys.executable, __file__, "--one", name, str(folder)], env=os.environ)
            if done.returncode:
                sys.exit(f"{name} ended with {done.returncode}")
    shown = table(given.out)
    print(to_markdown(shown, [place > 0 for place in range(shown.shape[1])]), end="")


if __name__ == "__main__":
    main()
