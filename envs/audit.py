"""Known weaknesses of the packages in requirements.lock, from a committed list: `make audit`, without a network.

    python envs/audit.py                    compare requirements.lock with envs/advisories.tsv
    python envs/audit.py --refresh CLONE    write the list anew from a clone of github.com/pypa/advisory-database

The list holds the advisories for packages that the lock names, whatever their version, and no other. Its rows say where
each is from; rows of another source than the database (put in by hand) are kept when it is written anew. A list is as
good as its date, which the command prints.
"""

import argparse
import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
LOCK, LIST = ROOT / "requirements.lock", ROOT / "envs/advisories.tsv"
DATABASE = "pypa/advisory-database"
COLUMNS = ["package", "introduced", "fixed", "last", "advisory", "aliases", "source", "what"]
WORDS = 110  # letters of what an advisory says


def locked(text: str) -> dict[str, Version]:
    """Package -> version of a lock."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in found}


def rows_of(advisory: dict, commit: str) -> Iterator[dict[str, str]]:
    """A row for each range of versions, below ``fixed`` or up to ``last``; both are empty where no version mends it."""
    if "withdrawn" in advisory:
        return
    said = " ".join(advisory.get("summary", advisory.get("details", "")).split())
    common = {"advisory": advisory["id"], "aliases": " ".join(advisory.get("aliases", [])), "what": said[:WORDS]}
    for affected in advisory["affected"]:
        name = re.sub(r"[-_.]+", "-", affected["package"]["name"]).lower()
        common |= {"package": name, "source": commit, "fixed": "", "last": ""}
        known = [ranges for ranges in affected.get("ranges", []) if ranges["type"] == "ECOSYSTEM"]
        for ranges in known:
            introduced = "0"
            for event in ranges["events"]:
                introduced = event.get("introduced", introduced)
                if "fixed" in event:
                    yield common | {"introduced": introduced, "fixed": event["fixed"]}
                elif "last_affected" in event:
                    yield common | {"introduced": introduced, "last": event["last_affected"]}
            if "introduced" in ranges["events"][-1]:
                yield common | {"introduced": introduced}
        for version in [] if known else affected.get("versions", []):
            yield common | {"introduced": version, "last": version}


def refresh(clone: Path) -> None:
    """Write the list from the newest commit of a clone (bare, or with its files)."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", clone, *words], capture_output=True, text=True, check=True).stdout

    commit = git("log", "-1", "--format=%h of %cs").strip()
    names, rows = locked(LOCK.read_text()), []
    for path in git("ls-tree", "-r", "--name-only", "HEAD", "vulns").split():
        if path.split("/")[1] in names:
            rows += rows_of(yaml.safe_load(git("show", f"HEAD:{path}")), f"{DATABASE} {commit}")
    rows += [row for row in read() if not row["source"].startswith(DATABASE)] if LIST.is_file() else []
    rows.sort(key=lambda row: [row.get(name) or "" for name in COLUMNS])
    with LIST.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read() -> list[dict[str, str]]:
    """Rows of the list."""
    with LIST.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def hits(names: dict[str, Version], rows: list[dict[str, str]]) -> list[str]:
    """One sentence for each advisory that a locked version falls under."""
    found = []
    for row in rows:
        version, last = names.get(row["package"]), row.get("last")
        if version is None or version < parsed(row["introduced"]) or (row["fixed"] and version >= parsed(row["fixed"])):
            continue
        if last and version > parsed(last):
            continue
        cure = f"take {row['fixed']} or later" if row["fixed"] else "no version mends it"
        names_of_it = f"{row['advisory']} {row['aliases']}".strip()
        found.append(f"{row['package']} {version} falls under {names_of_it}: {cure}. {row['what']}")
    return found


def parsed(version: str) -> Version:
    """A version of an advisory; one that is none counts as before all others."""
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refresh", type=Path, metavar="CLONE", help=f"a clone of github.com/{DATABASE}")
    options = parser.parse_args()
    if options.refresh:
        refresh(options.refresh)
    names, rows = locked(LOCK.read_text()), read()
    found = hits(names, rows)
    print(*found, sep="\n", end="\n" if found else "")
    sources = ", ".join(sorted({row["source"] for row in rows}))
    print(f"{len(names)} packages, {len(rows)} advisories ({sources}): {len(found)} of them for a locked version.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
