"""A reader that goes away, such as ``head``, ends a command without a traceback."""

import os
import subprocess
import sys


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(tmp_path):
    for name in ("raw", "clinical"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "ldae.cli", "preflight", str(tmp_path / "raw"), str(tmp_path / "clinical")]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""
    whole = subprocess.run(command, capture_output=True, text=True)
    assert "not ready" in whole.stdout and whole.stderr == ""
