"""`ldae unlock` where there is no SLURM, and what it reads from squeue. The real SLURM is in tests/slurm."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ldae.cli import main
from ldae.commands.unlock import living_snakemakes, unfinished_jobs

SNAKEFILE = 'rule nothing:\n    output: "made.txt"\n    shell: "touch {output}"\n'


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A working directory as a killed Snakemake leaves it."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text(f"{tmp_path}/made.txt\n")
    return tmp_path


def answer(monkeypatch, folder: Path, text: str, status: int = 0) -> None:
    """A squeue that prints this."""
    binaries = folder / "bin"
    binaries.mkdir()
    (binaries / "answer").write_text(text)
    stream = 2 if status else 1
    (binaries / "squeue").write_text(f'#!/bin/sh\ncat "{binaries}/answer" >&{stream}\nexit {status}\n')
    (binaries / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")


def is_locked(folder: Path) -> bool:
    return bool(list((folder / ".snakemake").glob("locks/*.lock")))


def test_without_squeue_it_says_what_to_do_and_unlocks_nothing(locked, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(locked / "nowhere"))
    (locked / ".snakemake/slurm_logs").mkdir()
    assert main(["unlock", str(locked)]) == 1
    assert "where and when squeue answers" in capsys.readouterr().err
    assert is_locked(locked)


@pytest.fixture
def without_squeue(locked, monkeypatch) -> Path:
    """The rest of the machine's programs: Snakemake needs some of them."""
    (locked / "bin").mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "squeue":
            (locked / "bin" / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(locked / "bin"))
    return locked


def ran(folder: Path, command: str, started: datetime) -> None:
    """The log of a run of Snakemake."""
    path = folder / f".snakemake/log/{started:%Y-%m-%dT%H%M%S}.000000.snakemake.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"  Command: {command}\nJob stats:\njob  count\n---  -----\nall  1\ntotal  1\n\nExecute 1 jobs...\n"
    )


@pytest.mark.parametrize(
    ("command", "days", "unlocked"),
    [
        ("snakemake --profile profiles/local", 0, True),  # SLURM was used once, long before
        ("snakemake --profile profiles/mine", -2, False),  # jobs were submitted after the run had begun
        ("snakemake --profile profiles/slurm", 0, False),  # nothing submitted yet, perhaps
    ],
)
def test_without_squeue_a_run_of_this_machine_is_unlocked(without_squeue, capsys, command, days, unlocked):
    logs = without_squeue / ".snakemake/slurm_logs/rule_a"
    logs.mkdir(parents=True)
    yesterday = (datetime.now() - timedelta(days=1)).timestamp()
    for path in (logs, logs.parent):
        os.utime(path, (yesterday, yesterday))
    ran(without_squeue, command, datetime.now() + timedelta(days=days))
    assert main(["unlock", str(without_squeue)]) == (0 if unlocked else 1)
    assert is_locked(without_squeue) is not unlocked
    if not unlocked:
        assert "--without-slurm" in capsys.readouterr().err
        assert main(["unlock", str(without_squeue), "--without-slurm"]) == 0 and not is_locked(without_squeue)


@pytest.mark.parametrize("arguments", [[], ["--without-slurm"]])
def test_a_job_that_outlived_its_snakemake_is_named_and_nothing_is_unlocked(locked, monkeypatch, capsys, arguments):
    answer(monkeypatch, locked, "")
    code = "import sys; print(flush=True); sys.stdin.read()"
    job = [sys.executable, "-c", code, f"{locked}/.snakemake/scripts/tmpx.fit_probes.py"]
    with subprocess.Popen(job, cwd=locked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert main(["unlock", str(locked), *arguments]) == 1
        assert f"(`kill {process.pid}`)" in capsys.readouterr().err and is_locked(locked)
        process.stdin.close()
    assert main(["unlock", str(locked)]) == 0 and not is_locked(locked)


@pytest.mark.parametrize("by", ["folder", "file"])
def test_what_a_killed_job_has_left_behind_is_named_though_nothing_on_it_names_the_folder(locked, capsys, by):
    """A shell whose job was killed: it works in the folder, or writes into it from elsewhere."""
    words = "exec 3> x; " if by == "file" else ""
    shell = f"cd {locked if by == 'folder' else '/'}; {words}echo $$; read line".replace("> x", f"> {locked}/x")
    job = f"import subprocess; subprocess.Popen(['sh', '-c', {shell!r}]); import os; os._exit(0)"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", job], cwd="/", process_group=0, **streams) as process:
        left = process.stdout.readline().strip()
        process.wait()
        assert main(["unlock", str(locked), "--without-slurm"]) == 1
        assert f"(`kill {left}`)" in capsys.readouterr().err and is_locked(locked)
        process.stdin.close()
        process.stdout.read()  # until it ended
    assert main(["unlock", str(locked), "--without-slurm"]) == 0 and not is_locked(locked)


def test_a_run_that_never_saw_slurm_is_unlocked_without_squeue(without_squeue, capsys):
    assert main(["unlock", str(without_squeue)]) == 0
    assert "is unlocked" in capsys.readouterr().out and not is_locked(without_squeue)


def test_a_controller_that_does_not_answer_is_no_permission(locked, monkeypatch, capsys):
    answer(monkeypatch, locked, "slurm_load_jobs error: Unable to contact slurm controller", status=1)
    (locked / ".snakemake/slurm_logs").mkdir()
    assert main(["unlock", str(locked)]) == 1
    assert "Unable to contact slurm controller" in capsys.readouterr().err
    assert is_locked(locked)


def test_a_squeue_without_a_cluster_does_not_matter_where_nothing_was_submitted(locked, monkeypatch):
    """As on a machine where SLURM's programs are installed, and no more."""
    answer(monkeypatch, locked, "squeue: fatal: Could not establish a configuration source", status=1)
    assert main(["unlock", str(locked)]) == 0 and not is_locked(locked)


def test_a_pending_job_of_this_directory_is_listed_and_refused(locked, tmp_path_factory, monkeypatch, capsys):
    link = tmp_path_factory.mktemp("other") / "link"
    link.symlink_to(locked)
    answer(monkeypatch, locked, f"7|RUNNING|me|rule_a|/elsewhere\n8_[2-5]|PENDING|me|rule_b|{link}\n")
    assert [job.identifier for job in unfinished_jobs(locked)] == ["8_[2-5]"]
    assert main(["unlock", str(locked)]) == 1
    message = capsys.readouterr().err
    assert "8_[2-5]  PENDING  me  rule_b" in message and "scancel 8_[2-5]" in message and "rule_a" not in message
    assert is_locked(locked)


def test_jobs_of_other_directories_do_not_matter(locked, monkeypatch, capsys):
    answer(monkeypatch, locked, f"7|RUNNING|me|rule_a|{locked}-other\n")
    assert main(["unlock", str(locked)]) == 0
    assert "is unlocked" in capsys.readouterr().out
    assert not is_locked(locked)
    assert main(["unlock", str(locked)]) == 0
    assert "is not locked" in capsys.readouterr().out


def test_a_living_snakemake_is_not_unlocked(locked, monkeypatch, capsys):
    answer(monkeypatch, locked, "")
    sleeper = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "-m", "snakemake"]
    with subprocess.Popen(sleeper, cwd=locked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert living_snakemakes(locked) == [process.pid]
        assert main(["unlock", str(locked)]) == 1
        assert f"process {process.pid}" in capsys.readouterr().err and is_locked(locked)
        process.stdin.close()
    assert living_snakemakes(locked) == []
