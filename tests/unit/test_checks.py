"""`make check`, pre-commit and continuous integration run the same tools; versions and citations agree."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from ldae import __version__

ROOT = Path(__file__).parents[2]


def recipe(target: str) -> list[str]:
    """Commands of a target of the Makefile, without the folder of the tools."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return [line.strip().removeprefix("$(BIN)/") for line in found[1].splitlines()]


def test_pre_commit_runs_the_tools_of_make_check():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in hooks.values()}
    commands = {re.sub(r"( \.| Snakefile rules| Dockerfile)$", "", line) for line in recipe("check")}
    assert entries == commands | {"make lint-workflow"}
    assert len(recipe("lint-workflow")) == 1


def test_continuous_integration_of_others_calls_ours():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert [step["run"] for step in jobs["ci"]["steps"] if "run" in step] == ["bash .ci/run"]
    assert "make check" in (ROOT / ".ci/run").read_text()


def test_one_version_everywhere():
    said = subprocess.run([sys.executable, "-m", "ldae.cli", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"ldae {__version__}\n"
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def adapter(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "workflow/run_adapter.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_an_adapter_runs_by_hand(tmp_path):
    overlay = tmp_path / "here.yaml"
    overlay.write_text(f"results_dir: {tmp_path}/results\n")
    ran = adapter("figure_1_method", "--config", "config/small_networks.yaml", "config/demo.yaml", str(overlay))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "results/paper/figures/figure_1_method.svg").stat().st_size > 1000


def test_an_adapter_says_what_it_lacks(tmp_path):
    assert "no rule with an adapter" in adapter("figure_0").stderr
    assert "needs shard=" in adapter("register_mni").stderr
    assert "nowhere.yaml is missing" in adapter("fit_probes", "--config", "nowhere.yaml").stderr
    overlay = tmp_path / "here.yaml"
    overlay.write_text(f"results_dir: {tmp_path}/results\n")
    assert "is missing; make it first" in adapter("figure_5_lda", "--config", str(overlay)).stderr
