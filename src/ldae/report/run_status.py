"""How far a run is: what is done, at work, failed and left, from its logs, its benchmarks and Snakemake's own log.

Nothing is planned and nothing is asked of Snakemake, so it takes no time and can be called while a run is going on. A
rule writes its log from the start and its benchmark when it has ended well; a log without a younger benchmark is a job
that is at work, or that failed.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from ldae.core.duration import duration
from ldae.core.errors import UserError
from ldae.core.names import did_you_mean
from ldae.report.run_summary import rule_seconds

PROGRESS = re.compile(r"^(\d+) of (\d+) steps \(\d+%\) done$", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$", re.MULTILINE)
FAILED = re.compile(r"^Error in (?:local)?rule (\w+):|/scripts/tmp\w*\.(\w+)\.py' (?:died|returned)", re.MULTILINE)
STATS = re.compile(r"^Job stats:\n.*\n-+  -+\n((?:\w+ +\d+\n)+)", re.MULTILINE)
COMMAND = re.compile(r"^  Command: (.+)$", re.MULTILINE)
LOST, DOUBTFUL = "not finished: ", "at work, or failed: "
LONGEST = 3  # rules whose time is told


@dataclass(frozen=True)
class Job:
    """A job whose log is there.

    Attributes:
        name: of its rule and shard, as its log is called: ``train_diffusion``, ``register_mni/0``.
        done: its benchmark is there, and not older than its log.
        said: the last line of its log that is not empty.
        written: when something was written to it, in seconds since 1970.
    """

    name: str
    log: Path
    done: bool
    said: str
    written: float

    @property
    def rule(self) -> str:
        """Without the shard."""
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Run:
    """What Snakemake's newest log in a folder says.

    Attributes:
        command: that was given.
        started: when, in seconds since 1970.
        done, steps: jobs that ended well, and all that were planned; 0 before the first one.
        left: rule -> jobs of it that have not ended well.
        failed: rules with a job that failed.
        planned: rule -> jobs of it that were planned.
    """

    command: str
    started: float
    done: int = 0
    steps: int = 0
    left: Counter[str] = field(default_factory=Counter)
    failed: frozenset[str] = frozenset()
    planned: Counter[str] = field(default_factory=Counter)


def jobs_of(results: Path) -> list[Job]:
    """Every job that has written a log, the last one last."""
    found = []
    logs = sorted((results / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
    for log in logs:
        name = log.relative_to(results / "logs").with_suffix("").as_posix()
        benchmark, written = results / "benchmarks" / f"{name}.tsv", log.stat().st_mtime
        done = benchmark.is_file() and benchmark.stat().st_mtime >= written
        found.append(Job(name, log, done, last_line(log), written))
    return found


def last_line(path: Path) -> str:
    """The last line of a log that holds something."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def newest_run(folder: Path) -> Run | None:
    """The newest run of Snakemake in a folder that did something, dry runs and unlocking aside; none: there is none.

    Args:
        folder: from which Snakemake was called; its logs are in ``.snakemake/log``.
    """
    for path in sorted((folder / ".snakemake/log").glob("*.snakemake.log"), reverse=True):
        if (run := read_run(path)) is not None:
            return run
    return None


def read_run(path: Path) -> Run | None:
    """What a log of Snakemake says; none: it has started no job yet, or was a dry run.

    Args:
        path: ``.snakemake/log/<time of the start>.snakemake.log``.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    command, stats = COMMAND.search(text), STATS.search(text)
    if stats is None or "Execute " not in text:
        return None
    planned: Counter[str] = Counter()
    for line in stats[1].splitlines():
        name, count = line.split()
        planned[name] += int(count)
    planned.pop("total", None)
    ended, progress = Counter(FINISHED.findall(text)), PROGRESS.findall(text)
    done, steps = map(int, progress[-1]) if progress else (0, planned.total())
    failed = frozenset(one or other for one, other in FAILED.findall(text))
    started = datetime.strptime(path.name.split(".")[0], "%Y-%m-%dT%H%M%S").timestamp()
    return Run(command[1] if command else "snakemake", started, done, steps, planned - ended, failed, planned)


def written_to(command: str, folder: Path) -> Path | None:
    """The results folder of a Snakemake command, as the configuration files say that it names; none: they do not say.

    Args:
        folder: from which it was called.
    """
    from ldae.config import layered

    words = command.split()
    if "--configfile" not in words or "--config" in words:
        return None
    files = takewhile(lambda word: not word.startswith("-"), words[words.index("--configfile") + 1 :])
    try:
        given = layered(*(folder / file for file in files)).get("results_dir")
    except UserError:
        return None
    return None if given is None else folder / str(given)


def status_lines(results: Path, folder: Path, alive: bool) -> Iterator[str]:
    """What there is to say, line by line.

    Args:
        folder: from which Snakemake is called.
        alive: whether a Snakemake works in it.

    Raises:
        UserError: it is no results folder.
    """
    if not results.is_dir():
        beside = [str(path) for path in results.parent.glob("*/") if (path / "logs").is_dir()]
        near = did_you_mean(str(results), beside) or ": give the results_dir of a run, such as results/demo."
        raise UserError(f"{results} does not exist{near}")
    if not (results / "logs").is_dir():
        raise UserError(f"{results} holds no logs: give the results_dir of a run, such as results/demo.")
    jobs, run = jobs_of(results), newest_run(folder)
    if run is not None and (other := written_to(run.command, folder)) and other.resolve() != results.resolve():
        yield f"run: the newest one writes to another folder, {other}: {run.command}"
        run = None
    elif run is not None:
        state = "is at work" if alive else "has ended"
        yield f"run: {state}, {run.done} of {run.steps} steps done: {run.command}"
    elif not alive:
        yield f"run: no log of Snakemake's is in {folder / '.snakemake/log'}"
    times = rule_seconds(results / "benchmarks") if (results / "benchmarks").is_dir() else {}
    longest = ", ".join(f"{rule} {duration(seconds)}" for rule, (_, seconds) in list(times.items())[:LONGEST])
    total = duration(sum(seconds for _, seconds in times.values()))
    yield f"done: {sum(job.done for job in jobs)} jobs, {total} of work" + (f"; longest: {longest}" if longest else "")
    unfinished = [job for job in jobs if not job.done]
    shards = Counter(job.rule for job in unfinished)
    for job in unfinished:
        words = f"last word {duration(max(time.time() - job.written, 0))} ago{f': {job.said}' if job.said else ''}"
        failed = run is not None and job.rule in run.failed
        if failed and alive and shards[job.rule] > 1:  # Snakemake's log names the rule, not the shard
            yield f"{DOUBTFUL}{job.name} ({job.log}), {words}"
        elif run is not None and alive and not failed:
            if job.written >= run.started:  # else it is of an earlier run, and among those that are left
                yield f"at work: {job.name}, {words}"
        else:
            yield f"{LOST}{job.name} ({job.log}), {words}"
    if run is not None and run.left:
        names = ", ".join(f"{rule} ({count})" if count > 1 else rule for rule, count in run.left.items())
        yield f"left: {run.left.total()} jobs, those at work included: {names}"
    elif run is not None and not unfinished:
        yield f"left: nothing; the report is {results / 'paper/report.html'}"
