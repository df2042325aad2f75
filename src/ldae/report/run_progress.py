"""A run as one watches it: a bar for each stage, what is at work, and how long it will take.

Snakemake's newest log says which jobs were planned, started and ended (:mod:`ldae.report.run_status`); the stage of a
rule is the file of ``rules/`` that it stands in. What is left is counted in the seconds that jobs of the same rules
took before, here or on another machine, and these are scaled by how this run compares with them so far.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ldae.core.duration import duration
from ldae.core.errors import UserError
from ldae.core.files import read_tsv
from ldae.report.run_status import Run, jobs_of
from ldae.report.run_summary import rule_seconds

RULE = re.compile(r"^(?:rule|checkpoint) (\w+):", re.MULTILINE)
STAGES = ("ingest", "preprocess", "train", "baselines", "evaluate", "figures", "report")
OF_FILE = {
    "phantom": "ingest",
    "ingest": "ingest",
    "clinica": "ingest",
    "manifest": "ingest",
    "preprocess": "preprocess",
    "given_volumes": "preprocess",
    "train": "train",
    "encode": "train",
    "frozen": "train",
    "baselines": "baselines",
    "report": "report",
}
DRAWN = ("table_", "figure_")  # how a study's rules for the paper's pages begin; the others evaluate
ENOUGH = 0.02  # of the work that must be done before the rest is foretold
SHOWN = 3  # jobs at work that are shown with their last words


def stages_of(rules: Path) -> dict[str, str]:
    """Rule -> its stage, from the rule files of a folder; the rules of the Snakefile itself are in none."""
    found = {}
    for path in sorted(rules.glob("*.smk")):
        for name in RULE.findall(re.sub(r"^ +", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)):
            found[name] = OF_FILE.get(path.stem) or ("figures" if name.startswith(DRAWN) else "evaluate")
    return found


def expected_seconds(results: Path, times: Path | None) -> dict[str, float]:
    """Rule -> seconds of one of its jobs, as it took before.

    Args:
        results: whose benchmarks, where it has some, go before those of ``times``.
        times: what ``ldae summary RESULTS --times FILE`` wrote after another run.

    Raises:
        UserError: ``times`` is not such a table.
    """
    known: dict[str, float] = {}
    if times is not None:
        table = read_tsv(times)
        if missing := {"rule", "jobs", "seconds"} - set(table.columns):
            raise UserError(
                f"{times} lacks {', '.join(sorted(missing))}: write it with `ldae summary RESULTS --times`."
            )
        known = {str(row.rule): float(row.seconds) / int(row.jobs) for row in table.itertuples()}
    if (results / "benchmarks").is_dir():
        known |= {rule: seconds / jobs for rule, (jobs, seconds) in rule_seconds(results / "benchmarks").items()}
    return known


def seconds_left(run: Run, elapsed: float, expected: Mapping[str, float]) -> float | None:
    """Seconds until the end of a run; none: too little is done, or nothing is known about what is left.

    A rule that is not among the expected ones counts as the mean of those that are.

    Args:
        elapsed: seconds since its start.
        expected: rule -> seconds of one of its jobs.
    """
    if not expected or not set(run.left) & set(expected):
        return None
    mean = sum(expected.values()) / len(expected)
    work = sum(expected.get(rule, mean) * count for rule, count in run.planned.items())
    left = sum(expected.get(rule, mean) * count for rule, count in run.left.items())
    done = work - left
    return left * elapsed / done if done >= ENOUGH * work else None


@dataclass(frozen=True)
class Watched:
    """Where a run is.

    Attributes:
        run: what Snakemake's log says by now.
        results: its results folder, whose logs say what is at work.
        stage_of: rule -> stage.
        expected: rule -> seconds of one of its jobs.
    """

    run: Run
    results: Path
    stage_of: Mapping[str, str]
    expected: Mapping[str, float]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Stage -> (jobs that ended well, jobs planned), in the order of the chain; but no stage without a job."""
        found: dict[str, tuple[int, int]] = {}
        for stage in STAGES:
            planned = sum(count for rule, count in self.run.planned.items() if self.stage_of.get(rule) == stage)
            left = sum(count for rule, count in self.run.left.items() if self.stage_of.get(rule) == stage)
            if planned:
                found[stage] = (planned - left, planned)
        return found

    def at_work(self) -> list[tuple[str, str]]:
        """(job, last line of its log) of every job that has begun and not ended, the last that spoke last."""
        waiting = set(self.run.left) - self.run.failed
        jobs = [job for job in jobs_of(self.results) if job.rule in waiting and job.written >= self.run.started]
        return [(job.name, job.said) for job in jobs if not job.done]

    def picture(self, now: float | None = None) -> RenderableType:
        """For a terminal: a row for each stage, the time, and what is at work."""
        elapsed = (time.time() if now is None else now) - self.run.started
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=max(map(len, STAGES)))
        table.add_column(width=30)
        table.add_column(justify="right")
        for stage, (done, planned) in self.counts().items():
            style = "green" if done == planned else "default" if done else "dim"
            table.add_row(Text(stage, style), ProgressBar(planned, done), Text(f"{done} of {planned}", style))
        left = seconds_left(self.run, elapsed, self.expected)
        lines = [f"{duration(elapsed)} so far" + ("" if left is None else f", about {duration(left)} left")]
        lines += [f"{name}: {said}" if said else name for name, said in self.at_work()[:SHOWN]]
        return Group(table, *(Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in lines))
