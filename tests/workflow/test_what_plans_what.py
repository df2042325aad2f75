"""docs/reproducibility.md, row by row: what Snakemake plans over a finished run when something changed.

Dry runs over the shared smoke run; what follows from a rule is read from Snakemake's own graph of rules.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from chain import ROOT, SMOKE, Workflow

from ldae.core.closure import Code

PACKAGE = ROOT / "src/ldae"
PAGE = (ROOT / "docs/reproducibility.md").read_text()
CODE = Code()
RULES = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
TRAININGS = {rule for rule in re.findall(r"^ *rule (\w+):", RULES, flags=re.MULTILINE) if rule.startswith("train_")}
# Sampler, codes, probes, the templates of the report.
EDITED = ("ldae.diffusion.ddim", ".encode", ".linear_probes", "ldae.report")


@pytest.fixture(scope="module")
def follows(smoke: Workflow) -> dict[str, set[str]]:
    """Rule -> itself and every rule that is planned with it."""
    graph = smoke.run(*SMOKE, "--rulegraph", "--forceall").stdout
    names = dict(re.findall(r'(\d+)\[label = "([^"]+)"', graph))
    after: dict[str, set[str]] = {name: set() for name in names.values()}
    for start, end in re.findall(r"(\d+) -> (\d+)", graph):
        after[names[start]].add(names[end])
    assert len(after) > 60 and "all" in after["report_html"]

    def everything(rule: str) -> set[str]:
        return {rule}.union(*(everything(following) for following in after[rule]))

    return {rule: everything(rule) for rule in after}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which Snakemake reads instead of ours."""
    shutil.copytree(PACKAGE, tmp_path / "src/ldae", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    return tmp_path / "src/ldae"


@pytest.fixture
def moved(smoke: Workflow) -> Iterator[Workflow]:
    """The whole folder under another name."""
    folder = smoke.folder.rename(smoke.folder.with_name("moved"))
    yield Workflow(folder)
    folder.rename(smoke.folder)


def overlay(folder: Path, **content: object) -> tuple[str, ...]:
    (folder / "overlay.json").write_text(json.dumps(content))
    return (*SMOKE, str(folder / "overlay.json"))


def rules_that_reach(name: str, follows: dict[str, set[str]]) -> set[str]:
    """Rules of the run that have a digest of their code, and a module in it."""
    cheap = set(re.findall(r'code_digest\("(\w+)"\)', RULES)) & set(follows)
    return {rule for rule in cheap if name in CODE.closure(ROOT / f"workflow/scripts/{rule}.py")}


def test_what_the_codes_wait_for_goes_before_what_nobody_waits_for(follows):
    """With two cores the trainings start as soon as they can; baselines, tables and figures find their time beside."""
    preferred = {name for name in follows if re.search(rf"rule {name}:\n(?:(?!rule ).*\n)*? +priority: LONGEST", RULES)}
    waited_for = {name for name in follows["correct_bias_field"] if "encode_codes" in follows[name]}
    assert preferred == waited_for and "train_representation" in preferred


@pytest.mark.parametrize("ending", EDITED)
def test_a_changed_module_plans_the_rules_that_reach_it_and_what_follows(smoke, source, follows, ending):
    (name,) = [name for name in CODE.paths if name.endswith(ending)]
    path = source / CODE.paths[name].relative_to(PACKAGE)
    if name == "ldae.report":
        path = path.parent / "templates/report.html.j2"
    path.write_text(path.read_text() + ("<p>\n" if path.suffix == ".j2" else "EDITED = 1\n"))
    reached = rules_that_reach(name, follows)
    assert reached and set(smoke.planned(*SMOKE)) == set().union(*(follows[rule] for rule in reached))


def test_the_samplers_clamp_plans_codes_and_studies_and_no_training(smoke, source):
    """What a list of packages kept by hand did not see: a finished run had nothing to do."""
    path = source / "diffusion/ddim.py"
    text = path.read_text()
    assert text.count("z0.clamp(-clamp, clamp)") == 1
    path.write_text(text.replace("z0.clamp(-clamp, clamp)", "z0.clamp(-2 * clamp, 2 * clamp)"))
    planned = set(smoke.planned(*SMOKE))
    assert planned >= {"encode_codes", "encode_solver_codes", "eval_reconstruction", "eval_samples", "report_html"}
    assert not planned & (TRAININGS | {"encode_latents"})


def test_comments_docstrings_and_layout_plan_nothing(smoke, source):
    for path in source.rglob("*.py"):
        path.write_text(f'"""Other words."""\n\n{path.read_text()}\n# the end\n')
    assert smoke.planned(*SMOKE) == {}


def test_a_changed_adapter_plans_its_rule(smoke, follows):
    adapter = smoke.folder / "workflow/scripts/table_solvers.py"
    content = adapter.read_text()
    try:
        adapter.write_text(f"# a comment\n{content}")
        assert smoke.planned(*SMOKE) == {}
        adapter.write_text(f"{content}\n    pass\n")
        assert set(smoke.planned(*SMOKE)) == follows["table_solvers"]
    finally:
        adapter.write_text(content)


def readers_of(sections: str, follows: dict[str, set[str]]) -> set[str]:
    """Rules of the run with one of these sections among their parameters, or with the whole configuration, which they
    print: settings tables, report, card, scheme."""
    bodies = dict(re.findall(r"^ *rule (\w+):(.*?)(?=^ *rule |\Z)", RULES, flags=re.MULTILINE | re.DOTALL))
    reading = re.compile(rf"settings\.section\((|{sections})\)")
    return {rule for rule, body in bodies.items() if reading.search(body)} & set(follows)


def test_a_changed_key_plans_its_readers(smoke, tmp_path, follows):
    readers = readers_of('"evaluation"|"evaluation", "sampling"', follows)
    assert readers >= {"encode_codes", "eval_reconstruction", "fit_probes", "table_settings", "model_card"}
    planned = set(smoke.planned(*overlay(tmp_path, evaluation={"sampling": {"steps": 7}})))
    assert planned == set().union(*(follows[rule] for rule in readers))
    assert not planned & TRAININGS


@pytest.mark.parametrize("stage", ["autoencoder", "representation", "dae"])
def test_raised_steps_plan_that_training_and_what_follows(smoke, tmp_path, follows, stage):
    """It goes on from its last state; other trainings are planned where they build on it, and nothing before it."""
    readers = readers_of(f'"{stage}"', follows)
    assert readers & TRAININGS == {f"train_{stage}"}
    done = json.loads((smoke.folder / f"results/smoke/train/{stage}/model.json").read_text())["settings"]["training"]
    raised = {stage: {"training": {"steps": done["steps"] + done["validate_every"]}}}
    planned = set(smoke.planned(*overlay(tmp_path, **raised)))
    assert planned == set().union(*(follows[rule] for rule in readers))
    builds_on_it = {"autoencoder": {"train_diffusion", "train_representation"}}
    assert planned & TRAININGS == {f"train_{stage}"} | builds_on_it.get(stage, set())
    assert not planned & {"make_splits", "pack_volumes", "pack_volumes_dae"}


def test_a_reviewers_table_plans_the_quality_control_and_no_shard(smoke, tmp_path, follows):
    table = tmp_path / "qc_exclude.tsv"
    table.write_text("participant_id\tsession_id\treason\nsub-nobody\tses-M000\tmotion\n")
    planned = set(smoke.planned(*overlay(tmp_path, qc={"exclude": str(table)})))
    assert planned >= follows["qc_scans"] | {"qc_pages", "pack_volumes"}
    printing = planned - follows["qc_scans"]  # rules that print the whole configuration, and what follows
    assert not printing & {"build_manifest", "make_splits", "correct_bias_field", "extract_brain", "register_mni"}


def test_a_changed_seed_plans_everything(smoke, tmp_path, follows):
    assert set(smoke.planned(*overlay(tmp_path, seed=77))) == set(follows)


def test_a_changed_training_seed_plans_trainings_and_what_follows(smoke, tmp_path, follows):
    """Cohort, splits and volumes stay: what differs afterwards is the luck of the trainings."""
    planned = set(smoke.planned(*overlay(tmp_path, training_seed=77)))
    assert planned >= set().union(*(follows[rule] for rule in TRAININGS))
    assert not planned & {
        "make_phantom",
        "build_manifest",
        "make_splits",
        "register_mni",
        "pack_volumes",
        "pack_volumes_dae",
    }
    assert not set(smoke.planned(*overlay(tmp_path, training_seed=42))) & TRAININGS  # the seed that they had


def test_another_number_of_threads_plans_nothing(smoke):
    assert smoke.planned(*SMOKE, "--cores", "1", "--set-threads", "train_autoencoder=8", "encode_codes=4") == {}


def test_another_number_of_gpus_plans_nothing(smoke):
    """Neither of a training nor of a study that shares its work among them."""
    gpus = ("train_autoencoder:gpu=2", "eval_reconstruction:gpu=3", "eval_solvers:gpu=4", "eval_interpolation:gpu=2")
    assert smoke.planned(*SMOKE, "--set-resources", *gpus) == {}


@pytest.mark.slow
def test_studies_on_several_gpus_have_the_same_bytes(smoke):
    """Processes on the CPU here; nothing is left to do, and no piece is left."""
    studies = {
        "eval_reconstruction": "reconstruction",
        "eval_solvers": "solvers",
        "eval_interpolation": "interpolation",
    }
    folders = [smoke.folder / "results/smoke/evaluate" / name for name in studies.values()]
    before = [{name: (folder / name).read_bytes() for name in files_below(folder)} for folder in folders]
    done = smoke.run(
        *studies, *SMOKE, "--forcerun", *studies, "--set-resources", *(f"{rule}:gpu=3" for rule in studies)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in studies:
        assert "3 processes" in (smoke.folder / f"results/smoke/logs/{rule}.log").read_text()
    assert [{name: (folder / name).read_bytes() for name in files_below(folder)} for folder in folders] == before
    assert smoke.planned(*SMOKE) == {}


def test_another_version_of_a_dependency_plans_nothing_and_is_in_the_provenance(smoke, tmp_path, monkeypatch):
    name, other = "scikit-learn", "99.0"
    record = tmp_path / f"scikit_learn-{other}.dist-info/METADATA"
    record.parent.mkdir()
    record.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {other}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (provenance,) = [module for module in CODE.paths if module.endswith(".provenance")]
    program = f"from {provenance} import library_versions; print(library_versions()['{name}'])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert said == other != version(name)
    assert smoke.planned(*SMOKE) == {}


def test_a_moved_folder_plans_nothing(moved):
    assert moved.planned(*SMOKE) == {}


def test_deleted_stores_plan_nothing(smoke, tmp_path):
    """Their readers are finished; the page says how to make them again."""
    store = smoke.folder / "results/smoke/store"
    shutil.move(store, tmp_path / "store")
    try:
        assert smoke.planned(*SMOKE) == {}
    finally:
        shutil.move(tmp_path / "store", store)


def store_rules() -> list[str]:
    """The rules that the page asks for, in order, to make deleted stores again."""
    (line,) = re.findall(r"^for rule in (.*); do$", PAGE, flags=re.MULTILINE)
    return line.split()


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_deleted_stores_are_made_again_by_the_documented_command(smoke, tmp_path):
    """The same bytes, and nothing to do afterwards."""
    store, kept = smoke.folder / "results/smoke/store", tmp_path / "store"
    shutil.move(store, kept)
    for rule in store_rules():
        done = smoke.run(rule, *SMOKE)
        assert done.returncode == 0, done.stdout + done.stderr
    assert files_below(store) == files_below(kept)
    assert all((store / name).read_bytes() == (kept / name).read_bytes() for name in files_below(kept))
    assert smoke.planned(*SMOKE) == {}


@pytest.mark.slow
def test_touch_declares_a_finished_run_current(smoke, tmp_path, source):
    """In a copy: for an edit that is known to change no number."""
    folder = tmp_path / "run"
    shutil.copytree(smoke.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("raw", "locks"))
    shutil.copytree(smoke.folder / "results/smoke/raw", folder / "results/smoke/raw")
    copied = Workflow(folder)
    path = source / "diffusion/ddim.py"
    path.write_text(path.read_text() + "EDITED = 1\n")
    assert "encode_codes" in copied.planned(*SMOKE)
    before = {name: (folder / "results" / name).read_bytes() for name in files_below(folder / "results")}
    assert copied.run(*SMOKE, "--touch").returncode == 0
    assert copied.planned(*SMOKE) == {}
    assert {name: (folder / "results" / name).read_bytes() for name in before} == before


def test_every_row_of_the_page_names_its_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "`test_" in line]
    tests = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    table = [
        line for line in PAGE.split("## What plans what")[1].split("\n## ")[0].splitlines() if line.startswith("| ")
    ]
    assert len(rows) >= 15 and len(rows) == len(table) - 2, "a row without a test"
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named and set(named) <= tests, row
