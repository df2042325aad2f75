"""``ldae unlock [FOLDER]``: unlocks a folder whose Snakemake was killed, once nothing writes into it any more.

Snakemake that is killed (``kill -9``, a login node that restarts) leaves its lock and its SLURM jobs behind. Unlocked
and run again at once, it submits every unfinished job a second time, onto the same outputs as the first.
"""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from ldae.core.errors import UserError

SQUEUE = ("squeue", "--noheader", "--format=%i|%T|%u|%k|%Z")
NO_SQUEUE = (
    "{trouble}, so SLURM jobs that still write into {folder} cannot be seen; nothing was unlocked. Since jobs were "
    "submitted from here (there is {logs}), call `ldae unlock` again where and when squeue answers, or with "
    "--without-slurm if you know that none is left, as in a copy of the folder."
)
JOB_SCRIPT = ".snakemake/scripts/"  # in the command line of a job that runs on this machine
SLURM_LOGS = Path(".snakemake/slurm_logs")  # of the executor plugin: there once a job has been submitted


def add(commands) -> None:
    command = commands.add_parser(
        "unlock",
        help="unlock a working directory after Snakemake was killed, if none of its SLURM jobs is left",
        description="Exit status: 0 unlocked (or was not locked), 1 jobs are left (listed) or cannot be seen.",
    )
    command.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="FOLDER", help="default: this one")
    command.add_argument("--without-slurm", action="store_true", help="I know that none of its SLURM jobs is left")
    command.add_argument("--snakefile", type=Path, metavar="FILE", help="default: FOLDER/Snakefile")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    folder = options.folder.resolve()
    print(unlock(folder, options.snakefile or folder / "Snakefile", options.without_slurm))
    return 0


class Job(NamedTuple):
    """A SLURM job that is not finished, and the working directory it was submitted from."""

    identifier: str
    state: str
    user: str
    comment: str
    folder: str

    def __str__(self) -> str:
        return f"{self.identifier}  {self.state}  {self.user}  {self.comment}"


def unlock(folder: Path, snakefile: Path, without_slurm: bool = False) -> str:
    """Remove Snakemake's lock when no SLURM job, no Snakemake and no job of the folder is left.

    Args:
        without_slurm: squeue is not asked.

    Returns:
        One sentence: what was done.

    Raises:
        UserError: jobs are still pending or running (they are listed), a Snakemake or a job of it is alive, or neither
            can be known.
    """
    jobs = [] if without_slurm else unfinished_jobs(folder)
    if jobs:
        identifiers = " ".join(job.identifier for job in jobs)
        raise UserError(
            f"{folder} stays locked: {len(jobs)} SLURM job(s) submitted from it are not finished, and a second run "
            "would submit them again onto the same files.\n  "
            + "\n  ".join(map(str, jobs))
            + f"\nWait until they end, or cancel them (`scancel {identifiers}`); then call `ldae unlock` again."
        )
    alive = living_snakemakes(folder)
    if alive:
        raise UserError(
            f"{folder} stays locked: Snakemake is running in it (process {', '.join(map(str, alive))}); "
            "wait until it ends or stop it with Ctrl-C."
        )
    if orphans := living_jobs(folder):
        raise UserError(
            f"{folder} stays locked: jobs of a Snakemake that was killed are still at work in it (process "
            f"{', '.join(map(str, orphans))}); wait until they end or stop them (`kill {' '.join(map(str, orphans))}`)."
        )
    if not any((folder / ".snakemake/locks").glob("*.lock")):
        return f"{folder} is not locked."
    command = [sys.executable, "-m", "snakemake", "--unlock", "--directory", str(folder), "--snakefile", str(snakefile)]
    done = subprocess.run([*command, "--cores", "1"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`snakemake --unlock` failed: {done.stderr.strip() or done.stdout.strip()}")
    return f"{folder} is unlocked: none of its jobs is left. The same command as before continues the run."


def unfinished_jobs(folder: Path) -> list[Job]:
    """Jobs of any user, pending, running or ending, that were submitted from the folder.

    Raises:
        UserError: squeue is not there or does not answer, although jobs were submitted from the folder.
    """
    try:
        done = subprocess.run(SQUEUE, capture_output=True, text=True, timeout=60)
        trouble = f"squeue failed ({done.stderr.strip()})" if done.returncode else None
    except FileNotFoundError:
        trouble = "squeue is not on this machine"
    except subprocess.TimeoutExpired:
        trouble = "squeue gave no answer within 60 seconds"
    if trouble is not None:  # also where SLURM's programs are installed and no cluster is set up
        if not (folder / SLURM_LOGS).exists() or ran_here(folder):
            return []
        raise UserError(NO_SQUEUE.format(trouble=trouble, folder=folder, logs=folder / SLURM_LOGS))
    jobs = (Job(*line.split("|", 4)) for line in done.stdout.splitlines() if line.count("|") >= 4)
    return [job for job in jobs if _same(job.folder, folder)]


def ran_here(folder: Path) -> bool:
    """Whether the newest run of Snakemake in the folder submitted nothing to SLURM: all traces of that are older."""
    from ldae.report.run_status import newest_run

    run = newest_run(folder)
    if run is None or "slurm" in run.command:
        return False
    logs = folder / SLURM_LOGS
    return all(path.stat().st_mtime < run.started for path in [logs, *logs.rglob("*")])


def living_snakemakes(folder: Path) -> list[int]:
    """Processes of this machine that run Snakemake in the folder (as far as this user may see them)."""
    return _living(folder, lambda word: Path(word).name == "snakemake")


def living_jobs(folder: Path) -> list[int]:
    """Processes of this machine that run a job of the folder's, whose Snakemake may be gone, or were started by one."""
    return sorted({*_living(folder, lambda word: JOB_SCRIPT in word), *leftovers(folder)})


def leftovers(folder: Path) -> list[int]:
    """Processes that a job has left behind, whose own command line does not name it (a shell, a tool).

    They work in the folder, or hold a file in it open, and the head of their process group (Snakemake, or the job) is
    gone: what somebody starts in a terminal heads a group of its own.
    """
    here, root, found = os.getpid(), folder.resolve(), []
    for process in psutil.process_iter():
        try:
            head = os.getpgid(process.pid)
            if head in (process.pid, os.getpgid(here)) or (
                psutil.pid_exists(head) and psutil.Process(head).status() != psutil.STATUS_ZOMBIE
            ):
                continue
            places = [process.cwd(), *(opened.path for opened in process.open_files())]
            if any(Path(place).is_relative_to(root) for place in places):
                found.append(process.pid)
        except (OSError, psutil.Error):  # ended meanwhile, or another user's
            continue
    return found


def _living(folder: Path, meant: Callable[[str], bool]) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if any(meant(os.fsdecode(word)) for word in words) and _same(process / "cwd", folder):
                found.append(int(process.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return sorted(found)


def _same(path: str | Path, folder: Path) -> bool:
    """One directory, however it is spelled (links, mounts)."""
    try:
        return Path(path).samefile(folder)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(folder)
