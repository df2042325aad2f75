"""What `make demo` says at the end: headline numbers, wall time by rule, where the report is."""

from pathlib import Path
from typing import Any

from pandas import DataFrame
from rich.console import Console
from rich.table import Table

from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_tsv


def rule_seconds(benchmarks: Path) -> dict[str, tuple[int, float]]:
    """Rule -> (jobs, wall seconds summed over its jobs), longest first, from Snakemake's benchmark tables."""
    times: dict[str, tuple[int, float]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        jobs, seconds = times.get(rule, (0, 0.0))
        times[rule] = (jobs + 1, seconds + float(read_tsv(path)["s"].iloc[0]))
    return dict(sorted(times.items(), key=lambda item: -item[1][1]))


def write_times(results: Path, path: Path) -> None:
    """Rule, jobs and wall seconds of a finished run, by which `ldae run --times` foretells how long another takes."""
    times = rule_seconds(results / "benchmarks")
    rows = [(rule, jobs, round(seconds, 1)) for rule, (jobs, seconds) in sorted(times.items())]
    write_tsv(path, DataFrame(rows, columns=["rule", "jobs", "seconds"]))


def headline_table(headline: dict[str, Any]) -> Table:
    """headline.json for the terminal: three decimals, and the reason where there is no number."""
    table = Table(title="Headline numbers", title_justify="left")
    for column in ("metric", "value", "95 % interval", "subjects"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, item in headline.items():
        if not isinstance(item, dict):
            table.add_row(name, str(item), "", "")
        elif item["value"] is None:
            table.add_row(name, "n/a", item["reason"], "")
        else:
            has_interval = item.get("low") is not None
            interval = f"{item['low']:.3f} to {item['high']:.3f}" if has_interval else "n/a"
            table.add_row(name, f"{item['value']:.3f}", interval, str(item.get("n_subjects", "")))
    return table


def time_table(times: dict[str, tuple[int, float]]) -> Table:
    """Rule, jobs and seconds for the terminal, in the order given."""
    table = Table(title="Wall time by rule (the jobs that made the files now there)", title_justify="left")
    for column in ("rule", "jobs", "seconds"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for rule, (jobs, seconds) in times.items():
        table.add_row(rule, str(jobs), f"{seconds:.1f}")
    return table


def print_summary(results: Path, seconds: float | None = None) -> None:
    """Print the summary of a finished run.

    Raises:
        UserError: the run has no headline.json yet.
    """
    path = results / "paper" / "headline.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: the run in {results} has not finished; run its make target again.")
    console = Console(width=None if Console().is_terminal else 120)
    console.print(headline_table(read_json(path)))
    console.print(time_table(rule_seconds(results / "benchmarks")))
    if seconds is not None:
        console.print(f"This run took {seconds / 60:.1f} minutes.")
    console.print(f"Report: {results / 'paper' / 'report.html'}", soft_wrap=True)
