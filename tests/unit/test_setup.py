"""`make setup` where the package registry cannot be reached says why, and what to set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:9/simple"  # the port for discarding; nobody listens


def test_an_unreachable_registry_is_told_with_what_to_set(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    variables = {"PIP_INDEX_URL": CLOSED, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PYTHON": sys.executable}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "MAKE"))}
    done = subprocess.run(
        ["make", "setup"], cwd=tmp_path, env=environment | variables, capture_output=True, text=True, timeout=120
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "No matching distribution found for uv" in said  # pip's own reason
    assert "Behind a proxy, set HTTPS_PROXY" in said and "PIP_INDEX_URL" in said
    assert not (tmp_path / ".venv/.ready").exists()
