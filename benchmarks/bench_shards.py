"""Hundreds of scans through the shard machinery of the real workflow, killed at random moments, beside a quiet run.

    python benchmarks/bench_shards.py [--scans 300] [--kills 6] [--out results/bench_shards]

Phantoms at 4 mm, brain extraction by the template backend, two shards of one worker. Prints scans per second, whether
any scan was finished twice (rows of logs/*/*.scans.tsv), the memory of the first and the last scans, and whether the
volume store of the disturbed run has the digest of the quiet one. Finished phantoms and runs are kept.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import pandas as pd

from ldae.core.files import read_json, read_tsv, write_json, write_tsv
from ldae.core.keys import shard_of

ROOT = Path(__file__).resolve().parents[1]
RULES = ["correct_bias_field", "extract_brain", "register_mni", "qc_scans", "pack_volumes"]
OVERLAY = {
    "preprocessing": {
        "shards": 2,
        "max_quarantined_fraction": 0.2,
        "scans_per_worker": 25,
        "bias_field": {"shrink_factor": 4, "iterations": [20], "tolerance": 1e-3},
        "brain_extraction": {"backend": "template"},
    }
}


def make_phantoms(count: int, bids: Path, anatomy_file: Path) -> None:
    """One visit of ``count`` subjects, as NIfTI."""
    from ldae.phantom.anatomy import load_anatomy
    from ldae.phantom.population import draw_subject
    from ldae.phantom.scan import make_scan

    anatomy = load_anatomy(anatomy_file)
    for rid in range(1, count + 1):
        path = bids / name(rid) / "ses-M000" / "anat" / f"{name(rid)}_ses-M000_T1w.nii.gz"
        if not path.is_file():
            scan = make_scan(anatomy, draw_subject(7, rid), 0, "M000", 7, voxel_mm=4)
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(scan.image, scan.affine), path)


def name(rid: int) -> str:
    return f"sub-P{rid:04d}"


def prepare(folder: Path, bids: Path, count: int) -> Path:
    """A results folder as ingest leaves it; returns the configuration overlay."""
    results = folder / "results"
    for name in ("manifest", "logs"):
        (results / name).mkdir(parents=True, exist_ok=True)
    if not (results / "bids").exists():
        (results / "bids").symlink_to(bids.resolve())
    rows = [
        {
            "participant_id": name(rid),
            "session_id": "ses-M000",
            "months": 0,
            "age": 70.0,
            "sex": "F",
            "diagnosis": "CN",
            "mmse": 29,
            "cdr": 0.0,
            "field_strength": 3.0,
            "t1w": f"{name(rid)}/ses-M000/anat/{name(rid)}_ses-M000_T1w.nii.gz",
            "shard": shard_of(name(rid), 2),
            "status": "included",
        }
        for rid in range(1, count + 1)
    ]
    if not (results / "manifest/scans.tsv").is_file():
        write_tsv(results / "manifest/scans.tsv", pd.DataFrame(rows))
    write_json(folder / "overlay.json", OVERLAY | {"results_dir": str(results.resolve())})
    return folder / "overlay.json"


def snakemake(overlay: Path, *options: str) -> subprocess.Popen:
    store = read_json(overlay)["results_dir"] + "/store/volumes/store.json"
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--nolock", store]
    command += ["--configfile", "config/small_networks.yaml", "config/demo.yaml", str(overlay.resolve())]
    command += ["--allowed-rules", *RULES, *options]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    log = open(overlay.with_name("snakemake.log"), "a")  # noqa: SIM115
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())  # Snakemake starts its jobs from threads
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return children + [found for child in children for found in descendants(child)]


def run_quietly(overlay: Path) -> float:
    start = time.time()
    assert snakemake(overlay).wait() == 0, f"see {overlay.with_name('snakemake.log')}"
    return time.time() - start


def run_with_kills(overlay: Path, kills: int, seconds: float) -> dict[str, int]:
    """kill -9 of Snakemake or of one process below it, at random moments; an undisturbed run takes ``seconds``."""
    chance, done = random.Random(1), {"snakemake": 0, "below": 0}
    for number in range(kills):
        process = snakemake(overlay)
        time.sleep(chance.uniform(0.1, 1.2) * seconds / (kills + 1) + 5)
        below = descendants(process.pid)
        if process.poll() is not None:
            break
        if number % 2 and below:
            os.kill(chance.choice(below), signal.SIGKILL)
            process.wait()
            done["below"] += 1
        else:
            process.kill()
            process.wait()
            done["snakemake"] += 1
    for _ in range(3):
        if snakemake(overlay).wait() == 0:
            return done
    raise SystemExit(f"the disturbed run did not finish: see {overlay.with_name('snakemake.log')}")


def worked_on(results: Path) -> pd.DataFrame:
    """One row per scan and step that was really worked on."""
    tables = [read_tsv(path).assign(rule=path.parent.name) for path in sorted(results.glob("logs/*/*.scans.tsv"))]
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=300)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("results/bench_shards"))
    options = parser.parse_args()
    make_phantoms(options.scans, options.out / "bids", options.out / "anatomy.npz")
    quiet, killed = (prepare(options.out / run, options.out / "bids", options.scans) for run in ("quiet", "killed"))
    seconds = run_quietly(quiet)
    kills = run_with_kills(killed, options.kills, seconds)
    work = worked_on(quiet.parent / "results")
    again = worked_on(killed.parent / "results")
    twice = again[again["state"] == "done"].duplicated(["rule", "participant_id", "session_id"]).sum()
    digests = [read_json(run.parent / "results/store/volumes/store.json")["digest"] for run in (quiet, killed)]
    third = max(1, options.scans // 3)
    peaks = work.groupby("rule")["peak_mb"]
    facts = {
        "scans": options.scans,
        "scans_per_second_two_workers": options.scans / seconds,
        "cpu_seconds_per_scan": float(work["cpu_seconds"].sum() / options.scans),
        "peak_mb_first_of_each_step": float(peaks.apply(lambda mb: mb[:third].median()).max()),
        "peak_mb_last_of_each_step": float(peaks.apply(lambda mb: mb[-third:].median()).max()),
        "kills": kills,
        "finished_twice": int(twice),
        "same_store_digest": digests[0] == digests[1],
    }
    print(json.dumps(facts, indent=2))
    if twice or digests[0] != digests[1]:
        sys.exit(1)


if __name__ == "__main__":
    main()
