"""What the preflight costs on a cohort of ADNI's size: study tables of 10,340 scans, and their folders of
files of 256 bytes: names, sizes and the beginning of one file of each image are all that is read.

python benchmarks/bench_preflight.py    # one line of JSON; exit status 1 above the limit
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from ldae.config import Phantom
from ldae.phantom.loni_images import images_of
from ldae.phantom.loni_tables import write_todays_tables
from ldae.phantom.visit_schedule import plan_cohort

ADNI, VISITS, SEED = 10_340, 4, 5
FILES = 20  # in a folder; a series has 170, which take minutes to fabricate: --files 170
SLICE = bytes(128) + b"DICM" + bytes(124)  # as DICOM begins; with fewer bytes than a header has it were a lost slice
LIMIT = 20.0  # seconds, wall


def fabricate(folder: Path, scans: int, files: int) -> tuple[Path, Path]:
    """Tables of ``scans`` visits (a few more) with today's LONI names, and a folder of tiny files for every image."""
    group = -(-scans // VISITS // 3)
    settings = Phantom(subjects={"CN": group, "MCI": group, "AD": group}, visits=VISITS, extra_visit_fraction=0)
    plans = plan_cohort(settings, SEED)
    images = [image for plan in plans for visit in plan.visits for image in images_of(SEED, plan, visit)]
    for image in images:
        place = folder / "ADNI" / image.folder
        place.mkdir(parents=True)
        for number in range(files):
            file = os.open(place / image.file_name(number), os.O_CREAT | os.O_WRONLY)
            os.write(file, SLICE)
            os.close(file)
    write_todays_tables(folder / "clinical", plans, images, SEED)
    return folder / "ADNI", folder / "clinical"


def bench_preflight(folder: Path, scans: int, files: int) -> dict[str, float]:
    """Wall and CPU seconds of the preflight on a fabricated download."""
    from ldae.adni.preflight import preflight

    images, tables = fabricate(folder, scans, files)
    wall, cpu = time.perf_counter(), time.process_time()
    findings = preflight(images, tables)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"preflight_s": round(wall, 1), "preflight_cpu_s": round(cpu, 1), "findings": len(findings)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=ADNI)
    parser.add_argument("--files", type=int, default=FILES)
    options = parser.parse_args()
    scans, files = options.scans, options.files
    with tempfile.TemporaryDirectory() as folder:
        result = {"scans": scans} | bench_preflight(Path(folder), scans, files)
    print(json.dumps(result))
    return int(result["preflight_s"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
