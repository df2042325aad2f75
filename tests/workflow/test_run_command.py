"""``ldae run``: the command it prints, bars on a terminal, silence elsewhere, and the reason where a job fails."""

import contextlib
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from chain import SMOKE, Workflow

LDAE = str(Path(sys.executable).parent / "ldae")
CONFIGS = SMOKE[1:]
TARGET = "figure_1_method"  # needs no other job


def on_a_terminal(workflow: Workflow, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit status and everything that was written, of a call whose output is a terminal."""
    screen, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"} | variables
    work = subprocess.Popen([LDAE, *arguments], cwd=workflow.folder, env=environment, stdout=terminal, stderr=terminal)
    os.close(terminal)
    written = b""
    while True:
        try:
            piece = os.read(screen, 65536)
        except OSError:  # the other end is closed: it has ended
            break
        if not piece:
            break
        written += piece
    os.close(screen)
    return work.wait(), written.decode()


@pytest.fixture
def figure(workflow) -> Path:
    return workflow.folder / "results/smoke/paper/figures/figure_1_method.svg"


def test_bars_on_a_terminal_and_the_messages_in_a_file(workflow, figure):
    status, screen = on_a_terminal(workflow, "run", TARGET, "--config", *CONFIGS)
    assert status == 0 and figure.is_file()
    assert f"+ snakemake {TARGET} --profile profiles/local --configfile {' '.join(CONFIGS)}" in screen
    assert "figures" in screen and "of 1" in screen and " so far" in screen
    assert "Job stats" not in screen and "Finished jobid" not in screen
    (messages,) = (workflow.folder / ".snakemake/log").glob("*.messages.log")
    assert "Finished jobid" in messages.read_text()


def test_nothing_moves_where_there_is_no_terminal_and_a_failed_job_is_named(workflow, figure):
    script = workflow.folder / f"workflow/scripts/{TARGET}.py"
    script.write_text(script.read_text() + '\nraise ValueError("planted")\n')
    done = subprocess.run(
        [LDAE, "run", TARGET, "--config", *CONFIGS], cwd=workflow.folder, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    command, where, failed, messages = done.stderr.splitlines()
    assert command.startswith("+ snakemake ") and where.startswith("Snakemake's messages: .snakemake/log/")
    assert failed.startswith(f"not finished: {TARGET} (results/smoke/logs/{TARGET}.log)")
    assert "planted" in (workflow.folder / messages.removeprefix("All of Snakemake's messages: ")).read_text()


def command_of(process: psutil.Process) -> str:
    """What it was started with; nothing of one that ended since the list of children was made."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def has_ended(process: psutil.Process) -> bool:
    """Gone, or a zombie whose adopter (process 1 of a container) has not collected it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def test_asked_to_end_it_ends_snakemake_and_its_job_too(workflow, figure):
    script = workflow.folder / f"workflow/scripts/{TARGET}.py"
    script.write_text("import time\n" + script.read_text() + "\ntime.sleep(600)\n")
    work = subprocess.Popen(
        [LDAE, "run", TARGET, "--config", *CONFIGS], cwd=workflow.folder, stderr=subprocess.PIPE, text=True
    )
    started = psutil.Process(work.pid)
    while not (jobs := [one for one in started.children(recursive=True) if f".{TARGET}.py" in command_of(one)]):
        assert work.poll() is None
        time.sleep(0.05)
    work.terminate()
    assert work.wait() == 130 and "the same command does the rest" in work.stderr.read()
    assert all(map(has_ended, jobs))
    assert not list((workflow.folder / ".snakemake/locks").glob("*.lock"))


def test_a_target_that_is_none_is_told_in_snakemakes_last_words(workflow):
    done = subprocess.run(
        [LDAE, "run", "figure_1_metod", "--config", *CONFIGS], cwd=workflow.folder, capture_output=True, text=True
    )
    assert done.returncode == 1 and "did you mean figure_1_method" in done.stderr


@pytest.mark.slow
def test_verbose_brings_snakemakes_messages_back(workflow, figure):
    status, screen = on_a_terminal(workflow, "run", TARGET, "--config", *CONFIGS, VERBOSE="1")
    assert status == 0 and figure.is_file()
    assert "Job stats" in screen and " so far" not in screen
