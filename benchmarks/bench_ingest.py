"""What the way in costs at the paper's size, on fabricated names and tables.

``manifest``: the BIDS dataset and the status tables of a conversion, read by pybids and joined, once as ``source:
adni`` and once as ``source: bids``. An image is a NIfTI file of eight voxels, each different, since equal ones would be
duplicates.

    python benchmarks/bench_ingest.py             # everything; the last line is JSON
    python benchmarks/bench_ingest.py manifest    # one part
"""

import argparse
import gzip
import hashlib
import json
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import nibabel as nib
import numpy as np

ADNI, SCANS_PER_SUBJECT, STATUS_TABLES = 10_340, 5, 50
LIMITS = {"manifest_adni_s": 30.0, "manifest_bids_s": 30.0}  # wall


def fabricate_bids(root: Path, scans: int) -> list[dict]:
    """A BIDS dataset as the conversion leaves it; returns the rows of its status tables."""
    rows, people = [], ["participant_id\tsex\tage_bl"]
    header = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes()
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "fabricated", "BIDSVersion": "1.10.0"}')
    for first in range(0, scans, SCANS_PER_SUBJECT):
        subject = f"sub-ADNI{first // SCANS_PER_SUBJECT:07d}"
        people.append(f"{subject}\tF\t70.0")
        visits = ["session_id\texamination_date\tage\tdiagnosis\tMMSE\tcdr_global"]
        for visit in range(min(SCANS_PER_SUBJECT, scans - first)):
            session, day = f"ses-M{12 * visit:03d}", date(2010 + visit, 1, 4) + timedelta(days=visit)
            visits.append(f"{session}\t{date(2010 + visit, 1, 1)}\t{70 + visit}.0\tCN\t29\t0.0")
            path = f"{subject}/{session}/anat/{subject}_{session}_T1w.nii.gz"
            content = gzip.compress(header + path.encode(), compresslevel=1)
            (root / path).parent.mkdir(parents=True)
            (root / path).write_bytes(content)
            facts = {"image_id": str(first + visit), "scan_date": str(day), "field_strength": 3.0}
            (root / subject / session / f"{subject}_{session}_scans.tsv").write_text(
                "filename\tacq_time\timage_id\tfield_strength\n"
                f"anat/{Path(path).name}\t{day}T00:00:00\t{facts['image_id']}\t3.0\n"
            )
            row = {"participant_id": subject, "session_id": session, "path": path, "size": len(content)}
            row |= {"sha256": hashlib.sha256(content).hexdigest(), "state": "done", "reason": "n/a"}
            rows.append(row | facts)
        (root / subject / f"{subject}_sessions.tsv").write_text("\n".join(visits) + "\n")
    (root / "participants.tsv").write_text("\n".join(people) + "\n")
    return rows


def bench_manifest(folder: Path, scans: int) -> dict[str, float]:
    """Wall and CPU seconds from the dataset to scans.tsv."""
    import pandas as pd

    from ldae.cohort.manifest import read_source, write_manifest
    from ldae.config import Manifest
    from ldae.core.files import read_tsv, write_tsv

    rows = fabricate_bids(folder / "bids", scans)
    statuses = [folder / "status" / f"{number}.tsv" for number in range(STATUS_TABLES)]
    for number, path in enumerate(statuses):
        own = [row for row in rows if int(row["participant_id"][-7:]) % STATUS_TABLES == number]
        write_tsv(path, pd.DataFrame(own, columns=list(rows[0])))
    result, tables = {}, []
    for source, dataset in (("adni", folder / "bids"), ("bids", {"path": folder / "bids"})):
        out, wall, cpu = folder / source, time.perf_counter(), time.process_time()
        table = read_source(source, dataset, statuses)
        write_manifest(table, source, Manifest(), 200, out / "scans.tsv", out / "exclusions.tsv")
        result[f"manifest_{source}_s"] = round(time.perf_counter() - wall, 1)
        result[f"manifest_{source}_cpu_s"] = round(time.process_time() - cpu, 1)
        tables.append((out / "scans.tsv").read_bytes())
    included = (read_tsv(folder / "adni/scans.tsv")["status"] == "included").sum()
    if included != scans or tables[0] != tables[1]:
        sys.exit(f"bench-ingest: {included} of {scans} scans included; equal tables: {tables[0] == tables[1]}")
    return result


PARTS = {"manifest": bench_manifest}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--scans", type=int, default=ADNI)
    options = parser.parse_args()
    result = {"scans": options.scans}
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            measured = PARTS[part](Path(folder), options.scans)
        print(" ".join(f"{name}={value:,}" for name, value in measured.items()), flush=True)
        result |= measured
    broken = [f"{name} {result[name]} > {limit}" for name, limit in LIMITS.items() if result.get(name, 0) > limit]
    for sentence in broken:
        print(f"bench-ingest: {sentence}", file=sys.stderr)
    print(json.dumps(result))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
