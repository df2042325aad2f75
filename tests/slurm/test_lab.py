"""The lab itself: it never skips, and nothing of it outlives its test."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import lab
import pytest
from lab import marked_processes, wait_for

START = "import sys; from lab import Lab; lab = Lab(); print(lab.folder, flush=True); sys.stdin.read()"


def test_where_slurm_is_missing_and_cannot_be_installed_the_tests_fail(monkeypatch):
    monkeypatch.setattr(lab, "SEARCH", "/nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RuntimeError, match="as root, `apt-get install slurmctld"):
        lab.install()


def test_a_test_that_is_killed_leaves_no_daemon_no_job_and_no_folder():
    here = Path(__file__).parent
    command = [sys.executable, "-c", START]
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip())
        sbatch = [folder / "bin/sbatch", "--comment=rule_sleep", "--output=/dev/null", "--wrap=srun sleep 600"]
        subprocess.run(sbatch, check=True, stdout=subprocess.DEVNULL, env=os.environ | {lab.MARK: str(folder)})
        daemons_and_job = 5 + 3  # munged, slurmctld, three slurmd; the job's steps and sleep
        wait_for(lambda: len(marked_processes(folder)) >= daemons_and_job, "the job does not run", 60)
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not folder.exists() and not marked_processes(folder), "something is left", 60)
