import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldae.core.runtime import STOPPED, STOPPED_STATUS, THREAD_VARIABLES

signal.signal(signal.SIGINT, signal.default_int_handler)  # children inherit it where pytest runs in the background
SCRIPT = """
from ldae.core.runtime import running
from ldae.core.errors import Interrupted, UserError
with running({log!r}):
    {statement}
"""


def run(tmp_path, statement):
    code = SCRIPT.format(log=str(tmp_path / "logs" / "job.log"), statement=statement)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("statement", "status", "line"),
    [
        ("raise UserError('The scan is broken; remove it.')", 1, "Error: The scan is broken; remove it."),
        ("raise Interrupted('Saved at step 7.')", 75, "Saved at step 7."),
        ("pass", 0, ""),
    ],
)
def test_a_job_ends_with_its_sentence_and_status(tmp_path, statement, status, line):
    result = run(tmp_path, statement)
    assert result.returncode == status
    assert result.stderr.strip() == line
    assert (tmp_path / "logs" / "job.log").read_text().strip() == line


def test_an_unexpected_error_keeps_its_traceback_in_the_log(tmp_path):
    assert run(tmp_path, "1 / 0").returncode == 1
    assert "ZeroDivisionError" in (tmp_path / "logs" / "job.log").read_text()


def test_a_job_computes_with_one_thread_however_many_cores_it_was_given(tmp_path, monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "7")
    result = run(tmp_path, "import torch; print(torch.get_num_threads())")
    assert result.stdout.strip() == "1", result.stderr


def test_no_adapter_hands_its_number_of_cores_to_what_computes():
    """Those that work scan by scan hand it on as the number of processes."""
    scripts = Path(__file__).parents[2] / "workflow/scripts"
    for path in scripts.glob("*.py"):
        uses = re.findall(r"^.*snakemake\.threads.*$", path.read_text(), flags=re.MULTILINE)
        assert all(re.fullmatch(r" *(workers|processes)=snakemake\.threads,", use) for use in uses), path


CTRL_C = "import os, signal; interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)"


def test_ctrl_c_ends_a_job_in_one_sentence_and_a_second_one_disturbs_no_cleaning_up(tmp_path):
    statement = f"""{CTRL_C}
    try:
        interrupt()
    finally:
        interrupt()
        print("cleaned up")
    """
    result = run(tmp_path, statement)
    assert (result.returncode, result.stderr.strip(), result.stdout.strip()) == (STOPPED_STATUS, STOPPED, "cleaned up")


def test_ctrl_c_is_not_for_a_job_in_the_background(tmp_path):
    """``snakemake ... &`` in a script, or nohup: SIGINT is ignored from the start."""
    code = SCRIPT.format(log=str(tmp_path / "job.log"), statement=f"{CTRL_C}; interrupt(); print('done')")
    ignoring = f"trap '' INT; exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    result = subprocess.run(["sh", "-c", ignoring], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "done"), result.stderr


SHARD = """
import sys, time
from pathlib import Path
from ldae.core.runtime import running

def work(item):
    (Path(sys.argv[1]) / f"started-{item}").touch()
    time.sleep(600)

if __name__ == "__main__":
    with running(Path(sys.argv[1]) / "job.log"):
        from ldae.preprocessing.pool import run_isolated
        list(run_isolated(work, range(4), 2, 2))
"""
COMMAND = """
import sys
from pathlib import Path
from ldae import cli
from ldae.commands import retry

def work(options):
    for item in range(2):
        (Path(sys.argv[1]) / f"started-{item}").touch()
    import time; time.sleep(600)

retry.run = work
sys.exit(cli.main(["retry", "folder"]))
"""


@pytest.mark.parametrize(("script", "said"), [(SHARD, STOPPED), (COMMAND, f"ldae: {STOPPED}")], ids=["shard", "ldae"])
def test_ctrl_c_of_the_terminal_reaches_all_processes_and_one_of_them_speaks(tmp_path, script, said):
    path = tmp_path / "job.py"
    path.write_text(script)
    job = subprocess.Popen(
        [sys.executable, str(path), str(tmp_path)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while len(list(tmp_path.glob("started-*"))) < 2:
        assert job.poll() is None
        time.sleep(0.01)
    os.killpg(job.pid, signal.SIGINT)
    assert job.stderr.read().strip() == said  # until the last process has ended
    assert job.wait() == STOPPED_STATUS
