import os
import subprocess
import sys

import pytest

from ldae.runtime import limit_threads

SCRIPT = """
from ldae.runtime import running
from ldae.errors import Interrupted, UserError
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


def test_threads_reach_torch(monkeypatch):
    for name in list(os.environ):
        if name.endswith("_THREADS"):
            monkeypatch.delenv(name)
    limit_threads(1)
    counted = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.get_num_threads())"], capture_output=True, text=True
    )
    assert counted.stdout.strip() == "1"
