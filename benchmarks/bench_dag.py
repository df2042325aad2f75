"""What it costs to plan the whole workflow: jobs, CPU seconds and memory of `snakemake -n` by number of scans.

The paper's configuration on a fabricated manifest. Planning reads no table, so the number of scans counts only through
the number of shards, which grows with it here (52 scans a shard, as 10,340 scans in 200 shards).

    python benchmarks/bench_dag.py            # 1,000, 10,340 and 100,000 scans; the last line is JSON
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ADNI = 10_340  # scans of the paper
LIMITS = {"jobs": 1500, "user_s": 6.0, "rss_mb": 300}  # at the paper's size
SCANS_PER_SHARD, SHARDS_PER_CONVERSION = 52, 4
SCANS_PER_SUBJECT = 5


def fabricate(folder: Path, scans: int) -> None:
    """A copy of the workflow with a raw tree and a manifest of that many scans, nothing done yet."""
    for part in ("Snakefile", "rules", "workflow", "config", "envs", "profiles"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    for raw in ("data/ADNI/002_S_0001", "data/clinical", "results/manifest"):
        (folder / raw).mkdir(parents=True)
    shards = max(1, round(scans / SCANS_PER_SHARD))
    if scans == ADNI:
        overlay = {}  # the paper's own numbers of shards
    else:
        overlay = {"preprocessing": {"shards": shards}, "convert": {"shards": max(1, shards // SHARDS_PER_CONVERSION)}}
    (folder / "size.json").write_text(json.dumps(overlay))
    known = {"source": "adni", "path": str((folder / "data/ADNI").resolve()), "images": []}
    (folder / "results/cohort.json").write_text(json.dumps(known))
    with open(folder / "results/manifest/scans.tsv", "w") as table:
        table.write("participant_id\tsession_id\tshard\tstatus\tt1w\n")
        for scan in range(scans):
            subject, session = f"sub-ADNI{scan // SCANS_PER_SUBJECT:07d}", f"ses-M{scan % SCANS_PER_SUBJECT * 6:03d}"
            image = f"{subject}/{session}/anat/{subject}_{session}_T1w.nii.gz"
            table.write(f"{subject}\t{session}\t{scan // SCANS_PER_SUBJECT % shards}\tincluded\t{image}\n")


def plan(folder: Path) -> dict[str, float]:
    """Jobs, user seconds and peak memory (MB) of one dry run."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--configfile", "size.json"]
    command += ["--dry-run", "--quiet", "rules"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with open(folder / "plan.txt", "w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(text)
    total = int(re.search(r"^total +(\d+)$", text, flags=re.MULTILINE)[1])
    return {"jobs": total, "user_s": round(usage.ru_utime, 2), "rss_mb": round(usage.ru_maxrss / 1024)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, nargs="+", default=[1_000, ADNI, 100_000])
    sizes = sorted({*parser.parse_args().scans, ADNI})
    rows = []
    with tempfile.TemporaryDirectory() as folder:  # a first run, not counted, compiles Snakemake's modules
        fabricate(Path(folder), SCANS_PER_SHARD)
        plan(Path(folder))
    for scans in sizes:
        with tempfile.TemporaryDirectory() as folder:
            fabricate(Path(folder), scans)
            rows.append({"scans": scans} | plan(Path(folder)))
        print(" ".join(f"{name}={value:,}" for name, value in rows[-1].items()), flush=True)
    result = next(row for row in rows if row["scans"] == ADNI)
    broken = [f"{name} {result[name]} > {limit}" for name, limit in LIMITS.items() if result[name] > limit]
    if len(rows) > 1:  # exponent of the growth: 1 is linear
        first, last = rows[0], rows[-1]
        ratio = math.log(last["scans"] / first["scans"])
        for name in ("user_s", "rss_mb"):
            result[f"{name}_exponent"] = round(math.log(last[name] / first[name]) / ratio, 2)
            if result[f"{name}_exponent"] > 1:
                broken.append(f"{name} grows faster than the number of scans")
    for sentence in broken:
        print(f"bench-dag: {sentence}", file=sys.stderr)
    print(json.dumps(result))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
