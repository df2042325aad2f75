"""docs/contributing, followed word by word in a copy of the repository: files written, changes made, commands run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chain import PARTS, ROOT, SMOKE, Workflow

PAGES = ROOT / "docs/contributing"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
SHORT = ("brain-extraction.md", "cohort.md", "sampler.md", "network.md")
NAMED = re.compile(r"# ([\w/.-]+\.\w+)\n")


def follow(folder: Path, page: str) -> str:
    """Do what a page says; what its commands printed.

    A fence of Python or YAML begins with the path of a new file; a ``diff`` changes files; ``sh`` is run.
    """
    said = ""
    for language, content in FENCE.findall((PAGES / page).read_text()):
        if language == "sh":
            said += run(folder, "bash", "-e", "-c", content)
        elif language == "diff":
            subprocess.run(["patch", "-p1"], cwd=folder, input=content, text=True, check=True)
        else:
            path = folder / NAMED.match(content)[1]
            assert not path.exists(), f"{page}: {path} is no new file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content.split("\n", 1)[1])
    return said


def run(folder: Path, *command: str) -> str:
    """A command in the copy, with its package and the programs of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # every process would compile the copy anew
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for part in (*PARTS, "src", "tests", "pyproject.toml"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)
    return tmp_path


REPORT = """
import sys
from pathlib import Path
import pandas as pd
from ldae.config import load_config
from ldae.report.estimates import assemble_headline
from ldae.report.html import report_html
from ldae.report.public import bundle_public
from ldae.core.files import write_json, write_tsv
from ldae.studies.common.study import ReportSources

results, paper = Path(sys.argv[1]), Path(sys.argv[1]) / "paper"
config = load_config(*map(Path, sys.argv[2:]))
headline = assemble_headline(results / "evaluate", 16 * "0", "phantom")
write_json(paper / "headline.json", headline)
(paper / "MODEL_CARD.md").write_text("A card.")
columns = ["diagnosis", "subjects", "scans", "age_mean", "age_sd", "female_percent"]
table_1, manifest = paper / "tables/cohort.tsv", results / "manifest"
write_tsv(table_1, pd.DataFrame([("CN", 3, 6, 72.3, 8.0, 50.0)], columns=columns))
sources = ReportSources(
    paper / "figures", results / "evaluate", table_1, manifest / "exclusions.tsv", paper / "tables", {}
)
report_html(paper / "report.html", sources, config)
bundle_public(results / "public", paper, sources, config, [])
"""
RESULTS = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/unit/studies")
from result_files import write_results
from ldae.cohort.identity import take_for_the_same
from ldae.config import load_config
write_results(Path(sys.argv[1]))
take_for_the_same(load_config(*map(Path, sys.argv[2:])))
"""


@pytest.mark.slow
def test_a_study_is_one_folder_and_one_rule_file(repository):
    """The toy is planned, runs, and is in report, headline and public bundle; no existing line was changed."""
    said = follow(repository, "study.md")
    assert {"eval_toy", "table_toy", "figure_toy"} <= set(re.findall(r"^(\w+) +1$", said, flags=re.MULTILINE))
    follow(repository, "figure.md")
    results, config = "results/smoke", SMOKE[1:]
    run(repository, sys.executable, "-c", RESULTS, results, "config/config.yaml", *config)
    paper = f"{results}/paper"
    wanted = [f"{paper}/figures/figure_toy.svg", f"{paper}/figures/figure_toy_scans.svg", f"{paper}/tables/toy.tsv"]
    own = ["eval_toy", "table_toy", "figure_toy", "figure_toy_scans"]
    run(repository, "snakemake", "--profile", "profiles/local", *wanted, *SMOKE, "--allowed-rules", *own)
    run(repository, sys.executable, "-c", REPORT, results, "config/config.yaml", *config)
    page = (repository / paper / "report.html").read_text()
    assert "Age by diagnosis" in page and "Age of every scan" in page
    headline = json.loads((repository / paper / "headline.json").read_text())
    assert 70 < headline["toy_age_ad"]["value"] < 80
    public = {path.stem for path in (repository / results / "public").rglob("*") if path.is_file()}
    assert {"figure_toy", "toy"} <= public and "figure_toy_scans" not in public


@pytest.mark.parametrize("page", SHORT)
def test_the_page_says_what_to_do(page, repository):
    assert " passed" in follow(repository, page)


@pytest.mark.slow
def test_whoever_follows_every_page_passes_the_checks(repository):
    """What a newcomer runs before a commit, with all pages followed at once."""
    for part in ("docs", "benchmarks", "Makefile", "README.md", "CONTRIBUTING.md", "requirements.lock"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, repository / part)
    for page in ("study.md", "figure.md", *SHORT):
        follow(repository, page)
    run(repository, sys.executable, "docs/generate.py")
    for check in ("ruff check .", "ruff format --check .", "mypy", "snakefmt --check Snakefile rules"):
        run(repository, *check.split())
    tests = ["tests/unit/report", "tests/unit/studies/test_figures.py", "tests/unit/studies/test_registry.py"]
    tests += [f"tests/unit/test_{name}.py" for name in ("docstrings", "layers", "reading_lists", "repository")]
    run(repository, sys.executable, "-m", "pytest", "-n0", "-q", *tests)


def test_every_page_is_followed_and_linked():
    listed = set(re.findall(r"\(docs/contributing/([\w-]+\.md)\)", (ROOT / "CONTRIBUTING.md").read_text()))
    followed = {"study.md", "figure.md", *SHORT}
    assert listed == {path.name for path in PAGES.glob("*.md")} == followed


def test_the_study_changes_no_existing_file():
    languages = {language for language, _ in FENCE.findall((PAGES / "study.md").read_text())}
    assert languages == {"python", "sh"}


def test_refused_where_the_rule_file_is_missing(workflow: Workflow):
    (workflow.folder / "rules/efficiency.smk").unlink()
    result = workflow.run(*SMOKE, "--dry-run")
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert re.search(r"^Error: .*rules/efficiency.smk is missing", result.stderr, flags=re.MULTILINE)
