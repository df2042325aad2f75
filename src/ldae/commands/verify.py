"""``ldae verify RESULTS``."""

import shlex
from argparse import Namespace
from pathlib import Path

MOST_NAMED = 20  # files that no job has recorded


def add(commands) -> None:
    command = commands.add_parser(
        "verify",
        help="whether a results folder holds what was written there, also after it was copied",
        description="Reads every file that a job has recorded in RESULTS/checksums, and every store, and changes "
        "nothing. Exit status: 0, or 1 if something is missing or another one, or was written by no job.",
    )
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder, such as results/demo")
    command.add_argument("--repair", action="store_true", help="print the command that makes it again; it is not run")
    command.add_argument(
        "--config", type=Path, nargs="+", default=[], metavar="FILE", help="for that command: the run's --configfile"
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.cohort.identity import fault_of_memory
    from ldae.core import checksums
    from ldae.core.errors import UserError

    results = options.results
    if not (results / checksums.FOLDER).is_dir():
        raise UserError(
            f"{results} holds no {checksums.FOLDER}: it is no results folder, or was made by an earlier version, which "
            "recorded nothing; jobs that run from now on do."
        )
    found = list(checksums.problems(results))
    for problem in found:
        if problem.what in ("missing", "changed"):
            print(f"{problem.what}: {problem.name} (written by {problem.record.job})")
        else:
            print(f"changed: {problem.what}")
    known = {name for record in checksums.records(results) for name in record.files}
    if not known:
        raise UserError(
            f"{results / checksums.FOLDER} holds no record: nothing can be compared with what was written. Copy the "
            "folder again, with it."
        )
    without = checksums.unrecorded(results)
    for name in without[:MOST_NAMED]:
        print(
            f"not recorded: {name} (by no job: take it away, or run the workflow again if an earlier version wrote it)"
        )
    if len(without) > MOST_NAMED:
        print(f"not recorded: {len(without) - MOST_NAMED} more files")
    memory = fault_of_memory(results)
    if memory:
        print(f"changed: {memory}")
    if images := checksums.images(results):
        said = ", ".join(f"{count:,} below {part}" for part, count in images.items())
        print(f"not judged: images, of which no digest is kept ({said}); what was made from them is")
    if gone := checksums.deleted_stores(results):
        print(f"not judged: stores that are not there, as they may be: {', '.join(gone)}")
    if not found:
        print(f"{len(known)} files and their stores are what was written.")
        return int(bool(without or memory))
    print(f"{len(found)} of {len(known)} files are not what was written.")
    jobs = dict.fromkeys(problem.record.again(None if elsewhere(results) else results) for problem in found)
    if options.repair:
        files = f" --configfile {shlex.join(map(str, options.config))}" if options.config else ""
        print(f"snakemake --profile profiles/local{files} --forcerun {shlex.join(jobs)}")
    else:
        print(f"To be made again, with what follows: {', '.join(jobs)}; `--repair` prints the command.")
    return 1


def elsewhere(results: Path) -> bool:
    """Whether Snakemake may know the folder's files by other names: it was not named from the workflow's own folder."""
    return results.is_absolute() or ".." in results.parts
