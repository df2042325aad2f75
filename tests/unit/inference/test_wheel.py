"""A wheel of the repository in an environment of its own, with nothing else of it: `ldae apply` runs there."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from ldae.core.files import read_tsv

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
UV = str(Path(sys.executable).with_name("uv"))


def run(*command: str | Path, cwd: Path) -> str:
    """What a command says, in an environment without PYTHONPATH."""
    surroundings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """The wheel, and the libraries of the environment that runs the tests. Their folder is named by a .pth file; those
    inside it, such as the one that leads to this repository, are not read then."""
    folder = tmp_path_factory.mktemp("elsewhere") / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    run(UV, "pip", "install", "--quiet", "--no-deps", "--python", folder / "bin/python", wheel, cwd=folder.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def test_everything_that_is_no_code_is_in_the_wheel(wheel):
    """Templates of pages and cards, styles: every file below src/ldae."""
    ours = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/ldae").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as packed:
        assert ours <= set(packed.namelist())
    assert {"ldae/report/templates/applied.html.j2", "ldae/report/templates/report.css"} <= ours


def test_a_scan_is_answered_there(environment, exported, model, raw, scan, tmp_path):
    python = environment / "bin/python"
    where = run(python, "-c", "import ldae, sys; print(ldae.__file__, *sys.path, sep='\\n')", cwd=tmp_path).splitlines()
    assert Path(where[0]).is_relative_to(environment)
    assert not [line for line in where if line and Path(line).resolve().is_relative_to(ROOT / "src")]
    run(environment / "bin/ldae", "apply", exported, raw, "--out", tmp_path / "out", cwd=tmp_path)
    (row,) = read_tsv(tmp_path / "out/predictions.tsv", dtype=str).to_dict("records")
    said = model.predict(model.encode(scan, stochastic=False))
    assert (row["age"], row["probability_ad"]) == (f"{said.age:.6g}", f"{said.probability_ad:.6g}")
    page = (tmp_path / "out/sub-20_ses-M000.html").read_text()
    assert "not a scan" in page or "no scans" in page
    assert "verify" in run(environment / "bin/ldae", "--help", cwd=tmp_path)
