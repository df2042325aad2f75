"""The repository keeps its own promises: one adapter per rule, pinned and derived environments, a light start."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ldae.studies.registry import STUDIES

ROOT = Path(__file__).parents[2]


def rules() -> set[str]:
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    return set(re.findall(r"^ *rule (\w+):", text, flags=re.MULTILINE))


def test_every_rule_has_its_adapter_and_every_adapter_its_rule():
    assert {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")} == rules()


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=lambda path: path.stem)
def test_adapters_are_thin(path):
    assert len(path.read_text().splitlines()) <= 50


CHAIN = {"common", "phantom", "ingest", "manifest", "preprocess", "given_volumes", "train", "encode", "baselines"}
CHAIN |= {"qc_pages"}


def test_adapters_get_folders():
    """Not the parent of a file whose siblings are then read by name.

    Up to the trainings a folder stays the parent of its one file: a new parameter there would train anew.
    """
    for path in (ROOT / "rules").glob("*.smk"):
        named = set(re.findall(r"^ *rule (\w+):", path.read_text(), flags=re.MULTILINE))
        for rule in named:
            adapter = (ROOT / f"workflow/scripts/{rule}.py").read_text()
            assert ".parents" not in adapter and (path.stem in CHAIN or ".parent" not in adapter), rule


def test_every_rule_file_is_of_the_chain_or_of_a_study():
    chain = set(re.findall(r'include: "rules/(\w+)\.smk"', (ROOT / "Snakefile").read_text()))
    assert {path.stem for path in (ROOT / "rules").glob("*.smk")} == chain | {study.name for study in STUDIES}


def test_every_rule_names_log_benchmark_and_environment():
    for path in (ROOT / "rules").glob("*.smk"):
        text = path.read_text()
        count = len(re.findall(r"^ *rule \w+:", text, flags=re.MULTILINE))
        for directive in ("log:", "benchmark:", "conda:", "script:"):
            assert len(re.findall(rf"^ +{directive}$", text, flags=re.MULTILINE)) == count, (path.name, directive)


NAMED = re.compile(
    r"(?<![\w/.-])(?:benchmarks|config|docs|envs|profiles|rules|src|tests|workflow)/[\w/.-]*\w(?![\w*{])"
)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout of git")
def test_files_that_the_pages_name_are_in_the_repository():
    """Not only in the folder of whoever wrote the page: what git ignores reaches nobody."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    known = {*listed, *(str(folder) for path in listed for folder in Path(path).parents), "config/mine.yaml"}  # yours
    pages = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")), *(ROOT / "docs").glob("*.md")]
    named = {(page.name, path) for page in pages for path in NAMED.findall(page.read_text())}
    assert len(named) > 50 and not {(page, path) for page, path in named if path not in known}


def test_environments_are_in_step_with_the_lock():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "envs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, content in generate.generate().items():
        assert (ROOT / "envs" / name).read_text() == content, f"run `make lock`: envs/{name} is stale"


def test_lock_file_has_pins_and_no_addresses():
    for name in ("requirements.lock", "docs/site/requirements.lock"):
        text = (ROOT / name).read_text()
        pins = text.replace(" \\\n", " ").splitlines()
        assert "://" not in text and len(pins) > 20
        assert all(re.fullmatch(r"[\w.-]+==\S+( ; [^#]*?)?( +--hash=sha256:[0-9a-f]{64})+", pin) for pin in pins)


def test_package_imports_without_a_gpu_and_without_torch():
    code = "import ldae.config, ldae.core.store, ldae.core.runtime, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_help_waits_for_no_heavy_library():
    """`ldae --help` in a tenth of a second: pandas alone would take four."""
    code = (
        "import sys\nfrom ldae.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "preprocess" in done.stdout and "ldae" in loaded
    assert not loaded & {"numpy", "pandas", "torch", "matplotlib", "pydantic", "snakemake", "yaml", "jinja2"}
