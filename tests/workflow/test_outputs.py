"""No rule writes outside ``results_dir``, whatever shipped files are laid over each other."""

import itertools
from pathlib import Path

import pytest
import yaml
from chain import ROOT, copy_workflow
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from ldae.config import merge, parse_config
from ldae.core.errors import UserError
from ldae.studies.registry import STUDIES, figures, tables

PAPER = ROOT / "config/config.yaml"
OVERLAYS = sorted(path for path in (ROOT / "config").glob("*.yaml") if path != PAPER)
STACKS = [(), *((path,) for path in OVERLAYS), *itertools.permutations(OVERLAYS, 2)]
DEMO = (ROOT / "config/small_networks.yaml", ROOT / "config/demo.yaml")
STACKS += [(*DEMO, ROOT / f"config/{last}.yaml") for last in ("smoke", "study")]


def content_of(stack: tuple[Path, ...]) -> dict:
    content: dict = {}
    for path in (PAPER, *stack):
        content = merge(content, yaml.safe_load(path.read_text()))
    return content


def valid_stacks() -> dict[str, tuple[Path, ...]]:
    """One of the valid stacks for every set of keys that can make a difference to where rules write."""
    stacks = {}
    for stack in STACKS:
        try:
            settings = parse_config(content_of(stack))
        except UserError:
            continue
        places = settings.model_dump(mode="json", include={"results_dir", "source", "raw", "bids", "csv", "manifest"})
        stacks.setdefault(repr((places, settings.phantom is None)), stack)
    return stacks


VALID = valid_stacks()


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """The workflow beside the datasets that the examples read."""
    workflow = copy_workflow(tmp_path_factory.mktemp("outputs"))
    for settings in (content_of((path,)).get("bids") or {} for path in OVERLAYS):
        names = [f"{settings['path']}/dataset_description.json"] if "path" in settings else []
        for name in (*names, *(settings[key] for key in ("visits", "participants") if settings.get(key))):
            (workflow.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (workflow.folder / name).write_text("{}")
    (workflow.folder / "results/demo/logs").mkdir()
    (workflow.folder / "results/demo/logs/merge_bids.log").touch()  # the demo made its dataset
    for settings in filter(None, (content_of((path,)).get("csv") for path in OVERLAYS)):
        table = workflow.folder / settings["path"]
        table.parent.mkdir(parents=True)
        table.write_text("subject,path\nsub-1,1.nii.gz\n")
    return workflow


def rules_of(folder: Path, stack: tuple[Path, ...]) -> list:
    """The rules that Snakemake itself makes of the Snakefile under a stack of configuration files."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=list(stack)),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        return list(workflow._workflow.rules)


def test_every_figure_and_table_of_the_paper_is_in_a_record(workflow, monkeypatch):
    """What no record has would never be planned, and nobody would miss it."""
    monkeypatch.chdir(workflow.folder)
    written = {Path(path) for rule in rules_of(workflow.folder, (*DEMO,)) for path in rule.output}
    made = {(path.parent.name, path.stem) for path in written if path.parent.parent.name == "paper"}
    records = {("figures", figure.name) for figure in figures(STUDIES)}
    assert made == records | {(table.folder, table.name) for table in tables(STUDIES)}


def test_the_shipped_files_are_many():
    assert len(OVERLAYS) >= 10 and {len(stack) for stack in VALID.values()} >= {0, 1, 2}


@pytest.mark.parametrize("stack", VALID.values(), ids=lambda stack: "+".join(path.stem for path in stack) or "paper")
def test_no_rule_writes_outside_its_results(workflow, stack, monkeypatch):
    monkeypatch.chdir(workflow.folder)
    results = Path(content_of(stack)["results_dir"]).resolve()
    rules = rules_of(workflow.folder, stack)
    written = [(rule.name, str(path)) for rule in rules for path in (*rule.output, *rule.log, rule.benchmark) if path]
    assert len(rules) > 40 and len(written) > 100
    assert [(rule, path) for rule, path in written if not Path(path).resolve().is_relative_to(results)] == []
