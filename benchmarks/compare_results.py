"""Are two results folders the same, byte by byte? Every table, figure, model and store is compared.

    python benchmarks/compare_results.py BEFORE AFTER [BEFORE AFTER ...]

Left out is what measures the machine: logs, benchmarks, scratch, times, hardware, provenance, digests of measured
tables, what a training keeps while it runs or has set aside, and in the sidecars of preprocessing the seconds and
memory of each scan. Differences are listed, one a line; the exit status is 1 if there are any.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

MEASURED = (
    "logs/*",
    "benchmarks/*",
    "scratch/*",
    "train/*/checkpoints/*",
    "train/*/replaced/*",
    "evaluate/efficiency/*",
    "checksums/*_efficiency.sha256",
    "paper/timings/*",
    "paper/provenance.json",
    "*/.tmp-*",
)
SIDECARS = "derivatives/*.json"  # compared without this section
SPENT = "spent"
BLOCK = 1 << 20


def compared(folder: Path) -> set[str]:
    """Relative paths of every file that does not measure the machine."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not any(fnmatch(name, pattern) for pattern in MEASURED)}


def first_difference(one: Path, other: Path) -> int | None:
    """Offset of the first byte that differs; none: the files are equal."""
    offset = 0
    with open(one, "rb") as left, open(other, "rb") as right:
        while True:
            a, b = left.read(BLOCK), right.read(BLOCK)
            if a != b:
                pairs = zip(a, b, strict=False)
                return offset + next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
            if not a:
                return None
            offset += len(a)


def same_but_for_time(one: Path, other: Path) -> bool:
    """Whether two sidecars differ in what their scan cost at most."""
    both = [json.loads(path.read_text(encoding="utf-8")) for path in (one, other)]
    for content in both:
        content.pop(SPENT, None)
    return both[0] == both[1]


def where(path: Path, offset: int) -> str:
    """The place of a byte as a person looks it up: the line of a text, the byte of anything else."""
    with open(path, "rb") as handle:
        start = handle.read(offset)
    return f"byte {offset}" if b"\0" in start else f"line {start.count(bytes([10])) + 1}"


def differences(before: Path, after: Path) -> Iterator[str]:
    """One sentence per file that is missing or not the same."""
    old, new = compared(before), compared(after)
    for name in sorted(old | new):
        if name not in new:
            yield f"{name}: only in {before}"
        elif name not in old:
            yield f"{name}: only in {after}"
        elif (offset := first_difference(before / name, after / name)) is not None:
            if fnmatch(name, SIDECARS) and same_but_for_time(before / name, after / name):
                continue
            yield f"{name}: differs at {where(before / name, offset)}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="BEFORE AFTER")
    folders = parser.parse_args(arguments).folders
    if len(folders) % 2 or not all(folder.is_dir() for folder in folders):
        parser.error("give pairs of results folders that exist")
    status = 0
    for before, after in zip(folders[::2], folders[1::2], strict=True):
        found = list(differences(before, after))
        print(*found, sep="\n", end="\n" if found else "")
        print(
            f"{before} and {after}: {len(found)} differences, {len(compared(before) & compared(after))} files compared"
        )
        status |= bool(found) or not compared(before)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
