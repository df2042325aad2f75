"""The Makefile: `make setup` where the registry cannot be reached, and what `make all` hands on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:9/simple"  # the port for discarding; nobody listens


def outside_make(*also):
    """The environment as it is outside of `make test`, whose options and level a second make would take over."""
    left_out = ("MAKE", "MFLAGS", "GNUMAKEFLAGS", "CORES", "CONFIG", "GPUS", *also)
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def test_an_unreachable_registry_is_told_with_what_to_set(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    variables = {"PIP_INDEX_URL": CLOSED, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PYTHON": sys.executable}
    environment = outside_make("PIP_", "UV_") | variables
    done = subprocess.run(["make", "setup"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "No matching distribution found for uv" in said  # pip's own reason
    assert "Behind a proxy, set HTTPS_PROXY" in said and "PIP_INDEX_URL" in said
    assert not (tmp_path / ".venv/.ready").exists()


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ((), "ldae run"),
        (
            ("CONFIG=config/mine.yaml", "CORES=8", "GPUS=2"),
            "ldae run --config config/mine.yaml -- --cores 8 --resources gpu=2",
        ),
        (("GPUS=0",), "LDAE_DEVICE=cpu .venv/bin/ldae run -- --resources gpu=0"),
    ],
)
def test_make_all_hands_on_cores_and_gpus(variables, command):
    said = subprocess.run(
        ["make", "-n", "all", *variables], cwd=ROOT, env=outside_make(), capture_output=True, text=True, check=True
    )
    assert " ".join(said.stdout.replace("\\\n", " ").split()).endswith(command)
