"""``ldae run TARGET ...``: Snakemake, with a bar for each stage in place of its messages."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from datetime import datetime
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.names import GROUPS
from ldae.core.runtime import STOPPED, STOPPED_STATUS

SHIPPED = Path("config/config.yaml")  # the Snakefile reads it first, whatever else is given
LOGS = Path(".snakemake/log")  # Snakemake's own
VERBOSE = "VERBOSE"  # environment variable
LOOK_EVERY = 1.0  # seconds
LAST_LINES = 20  # of Snakemake's messages, shown when it ended before its first job


def add(commands) -> None:
    command = commands.add_parser(
        "run",
        usage="ldae run [TARGET ...] [--config FILE ...] [--profile DIR] [--times FILE] [-- SNAKEMAKE FLAGS]",
        help="run the workflow, or a part of it, with a bar for each stage",
        description="Prints the snakemake command that it runs, and shows how far each stage is and how long the rest "
        "will take; Snakemake's messages go to a file. VERBOSE=1 shows them instead. Where the output is no terminal "
        "there are no bars. Exit status: Snakemake's.",
        epilog="Examples: `ldae run --config config/mine.yaml`, `ldae run train_diffusion --config config/mine.yaml`, "
        "`ldae run --config config/mine.yaml -- --cores 8 -n`.",
    )
    command.add_argument("targets", nargs="*", metavar="TARGET", help="rules or files; default: everything")
    command.add_argument(
        "--config",
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="configuration files over config/config.yaml, each laid over the ones before it",
    )
    command.add_argument("--profile", default="profiles/local", metavar="DIR", help="default: profiles/local")
    command.add_argument(
        "--times", type=Path, metavar="FILE", help="how long rules took before (`ldae summary RESULTS --times FILE`)"
    )
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from rich.console import Console

    from ldae.config import load_config
    from ldae.report.run_progress import stages_of

    if not SHIPPED.is_file():
        raise UserError(f"{SHIPPED} is not here: call `ldae run` in the folder that holds the Snakefile.")
    given = [path for number, path in enumerate(options.config) if number or path != SHIPPED]
    if targets := [str(path) for path in given if str(path) in {*stages_of(Path("rules")), *GROUPS}]:
        raise UserError(f"{targets[0]} is a target, not a configuration: targets stand before --config.")
    config = load_config(SHIPPED, *given)  # a mistake in it is told before Snakemake starts
    command = snakemake(options.targets, given, options.profile, options.flags)
    print("+ " + " ".join(command), file=sys.stderr, flush=True)
    binaries = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    if os.environ.get(VERBOSE) or {"-n", "--dry-run", "--dryrun", "--list", "--lint"} & set(command):
        return subprocess.run(command, env=environment).returncode
    LOGS.mkdir(parents=True, exist_ok=True)
    messages = LOGS / f"{datetime.now():%Y-%m-%dT%H%M%S}.messages.log"
    console = Console(stderr=True)
    if not console.is_terminal:
        print(
            f"Snakemake's messages: {messages}; `ldae status {config.results_dir}` says how far it is.", file=sys.stderr
        )
    with messages.open("w", encoding="utf-8") as out:
        earlier = set(LOGS.glob("*.snakemake.log"))
        work = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        status = watch(work, earlier, config.results_dir, options.times, console)
    return end(status, messages, earlier, config.results_dir)


def snakemake(targets: list[str], configs: list[Path], profile: str, flags: list[str]) -> list[str]:
    """The command. Targets stand first: after ``--configfile`` each would be read as one more file."""
    command = ["snakemake", *targets, "--profile", profile]
    return [*command, *(["--configfile", *map(str, configs)] if configs else []), *flags]


def watch(work: subprocess.Popen, earlier: set[Path], results: Path, times: Path | None, console) -> int:
    """Wait for Snakemake, on a terminal with bars.

    Ctrl-C reaches Snakemake by itself, which ends its jobs; it is waited for. SIGTERM reaches this process alone, and
    would leave a Snakemake at work that nobody sees: it is passed on as the terminal passes Ctrl-C on.

    Args:
        earlier: logs of Snakemake that were there before it started.
        times: how long rules took in another run.

    Returns:
        Its exit status; that of a stopped program after Ctrl-C.
    """
    from rich.live import Live
    from rich.text import Text

    from ldae.report.run_progress import Watched, expected_seconds, stages_of
    from ldae.report.run_status import read_run

    stopped = False
    signal.signal(signal.SIGTERM, lambda *_: interrupt(work))
    expected, stage_of = expected_seconds(results, times), stages_of(Path("rules"))
    with Live(Text("planning ..."), console=console, transient=True, auto_refresh=False) as live:
        while (status := work.poll()) is None:
            try:
                if console.is_terminal and (log := new_log(earlier)) and (seen := read_run(log)):
                    live.update(Watched(seen, results, stage_of, expected).picture(), refresh=True)
                time.sleep(LOOK_EVERY)
            except KeyboardInterrupt:
                stopped = True
                live.update(Text("stopping: the jobs at work are ended ..."), refresh=True)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                work.wait()
    return STOPPED_STATUS if stopped else status


def interrupt(work: subprocess.Popen) -> None:
    """Ctrl-C for a command and all that it has started, and for this process.

    Raises:
        KeyboardInterrupt: always.
    """
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        everything = psutil.Process(work.pid)
        for process in [*everything.children(recursive=True), everything]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
    raise KeyboardInterrupt


def new_log(earlier: set[Path]) -> Path | None:
    """Snakemake's log of the run that was started after those of ``earlier``."""
    return max(set(LOGS.glob("*.snakemake.log")) - earlier, default=None)


def end(status: int, messages: Path, earlier: set[Path], results: Path) -> int:
    """Say why a run ended early: each failed job with its log, or Snakemake's last words before the first job."""
    from ldae.report.run_status import LOST, read_run, status_lines

    if status == STOPPED_STATUS:
        print(STOPPED, file=sys.stderr)
    elif status:
        log = new_log(earlier)
        if log is not None and read_run(log) is not None:
            failed = [line for line in status_lines(results, Path(), alive=False) if line.startswith(LOST)]
            print("\n".join(failed), file=sys.stderr)
        else:
            print("\n".join(messages.read_text(encoding="utf-8").splitlines()[-LAST_LINES:]), file=sys.stderr)
        print(f"All of Snakemake's messages: {messages}", file=sys.stderr)
    return status
