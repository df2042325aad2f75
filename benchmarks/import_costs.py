"""What every Python process of a command spends on importing, beside all its CPU seconds.

    python benchmarks/import_costs.py snakemake --profile profiles/local --configfile config/small_networks.yaml ...

Each process that the command starts, and each that these start, is seen by way of a ``sitecustomize`` on PYTHONPATH:
CPU seconds of the imports (what an import starts belongs to it), of the process, and of its children that have ended.
Jobs of Snakemake are listed by rule. They are CPU seconds, so that a busy machine changes them little.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SEEN = """
import atexit, builtins, os, resource, sys, time

find, spent, inside = builtins.__import__, [0.0], [False]

def measured(*arguments, **named):
    if inside[0]:
        return find(*arguments, **named)
    inside[0], start = True, time.thread_time()
    try:
        return find(*arguments, **named)
    finally:
        inside[0] = False
        spent[0] += time.thread_time() - start

def write():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, children = (one.ru_utime + one.ru_stime for one in used)
    with open(os.environ["IMPORT_COSTS"], "a") as file:
        file.write(f"{os.path.basename(sys.argv[0])}\\t{spent[0]:.2f}\\t{own:.2f}\\t{children:.2f}\\n")

builtins.__import__ = measured
atexit.register(write)
"""
JOB = re.compile(r"tmp\w{8}\.(\w+)\.py")  # a script of Snakemake's


def main(command: list[str]) -> int:
    if not command:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(SEEN)
        costs = Path(folder) / "costs.tsv"
        paths = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        status = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths, "IMPORT_COSTS": str(costs)}).returncode
        rows = [line.split("\t") for line in costs.read_text().splitlines()] if costs.exists() else []
    print("| process | imports, CPU s | all of it | its children |\n| --- | ---: | ---: | ---: |")
    for name, *seconds in sorted(rows, key=lambda row: -float(row[1])):
        job = JOB.fullmatch(name)
        print(f"| `{job[1] if job else name}` | {' | '.join(seconds)} |")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
