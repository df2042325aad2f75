"""What the first steps cost on a cohort of ADNI's size: study tables of 10,340 scans and empty image folders.

``make bench-ingest``; one part alone: ``python benchmarks/bench_ingest.py preflight --scans 10340``.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ldae.config import Phantom
from ldae.phantom.images import images_of
from ldae.phantom.schedule import plan_cohort
from ldae.phantom.tables import write_todays_tables

VISITS = 4
SEED = 5


def fabricate(folder: Path, scans: int) -> tuple[Path, Path]:
    """Tables of ``scans`` visits (a few more) with today's LONI names, and an empty folder for every image."""
    group = -(-scans // VISITS // 3)
    settings = Phantom(subjects={"CN": group, "MCI": group, "AD": group}, visits=VISITS, extra_visit_fraction=0)
    plans = plan_cohort(settings, SEED)
    images = [image for plan in plans for visit in plan.visits for image in images_of(SEED, plan, visit)]
    for image in images:
        (folder / "ADNI" / image.folder).mkdir(parents=True)
    write_todays_tables(folder / "clinical", plans, images, SEED)
    return folder / "ADNI", folder / "clinical"


def preflight(scans: int) -> tuple[float, str]:
    """Seconds of ``ldae preflight`` on a fabricated download, and what it said."""
    from ldae.adni.preflight import preflight as check

    with tempfile.TemporaryDirectory() as folder:
        images, tables = fabricate(Path(folder), scans)
        start = time.perf_counter()
        findings = check(images, tables)
        return time.perf_counter() - start, f"{len(findings)} findings"


PARTS: dict[str, Callable[[int], tuple[float, str]]] = {"preflight": preflight}
LIMITS = {"preflight": 20.0}  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    parser.add_argument("--scans", type=int, default=10_340)
    options = parser.parse_args()
    slow = False
    for name in options.parts or PARTS:
        seconds, remark = PARTS[name](options.scans)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {options.scans} scans, {seconds:.1f} s (limit {LIMITS[name]:.0f} s), {memory:.0f} MB, {remark}")
        slow |= seconds > LIMITS[name]
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
