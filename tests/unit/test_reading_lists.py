"""What somebody reads who asks where a number comes from: few files, and every name in them leads to one of these.

From the functions that make a cell, every name in their bodies is followed to where it is defined, and on from there.
What does not make this cell is stated, and why.
"""

import ast
from pathlib import Path

import pytest

from ldae.core.closure import PACKAGE, Code, modules

ROOT = Path(__file__).parents[2]
PATHS = modules(PACKAGE)
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}

TABLE_7 = (  # a cell of y_sem, cross-validated or on the test subjects: in this order
    "ldae.studies.probes.table",
    "ldae.studies.common.paper_tables",
    "ldae.studies.probes.estimates",
    "ldae.studies.common.statistics",
    "ldae.studies.probes.measure",
    "ldae.studies.common.linear_probes",
    "ldae.studies.common.feature_sets",
    "ldae.studies.common.inputs",
)
STARTS = ("ldae.studies.probes.table.probe_table", "ldae.studies.probes.measure.run_probes")
ELSEWHERE = {  # not of this cell
    "ldae.studies.probes.record.PUBLISHED": "the paper's number, beside the cell",
    "ldae.studies.probes.paper_protocol.paper_probes": "the column of the paper's protocol",
    "ldae.studies.probes.discriminant_plane.lda_projection": "Figure 5",
    "ldae.studies.common.feature_sets.measured_volumes": "the rows of tissue and region volumes",
    "ldae.inference.probe.sigmoid": "the column of probabilities",
    "ldae.inference.probe.Probe": "the fitted probe as data: standardise, weigh, add",
    **{
        f"ldae.studies.common.scales.{name}": "the textbook interval of each kind of number (docs/statistics.md)"
        for name in ("Amount", "Correlation", "Difference", "OnScale", "Ranks", "Share", "like", "on")
    },
    "ldae.studies.common.frozen.NO_BASELINE": "why a rival that was not trained has no number",
    "ldae.studies.common.anatomy.Grid": "where voxels lie, for those who measure volumes",
}
ADAPTERS = ("fit_probes", "table_probes")
EVERYWHERE = ("ldae.core.", "ldae.config")  # what everything stands on: files, stores, keys, settings


def defined(module: str) -> dict[str, ast.AST]:
    """Names that a module defines at its top."""
    found: dict[str, ast.AST] = {}
    for node in TREES[module].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {x.id: node for target in targets for x in ast.walk(target) if isinstance(x, ast.Name)}
    return found


def imported(module: str) -> dict[str, str]:
    """Names that a module takes from others of ours -> their full names; not those for type checkers alone."""
    found = {}
    checked = [node for node in TREES[module].body if isinstance(node, ast.If)]
    skipped = {id(child) for node in checked for child in ast.walk(node)}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and str(node.module).startswith("ldae"):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def read_for(starts: tuple[str, ...], elsewhere: set[str]) -> set[str]:
    """Modules that define what these functions name, and what that names, and so on."""
    ahead, seen = list(starts), set()
    while ahead:
        full = ahead.pop()
        if full in seen or full in elsewhere or full.startswith(EVERYWHERE):
            continue
        seen.add(full)
        module, _, name = full.rpartition(".")
        own, taken = defined(module), imported(module)
        names = {node.id for node in ast.walk(own[name]) if isinstance(node, ast.Name)} - {name}
        ahead += [f"{module}.{each}" for each in names if each in own] + [
            taken[each] for each in names if each in taken
        ]
    return {full.rpartition(".")[0] for full in seen}


def test_a_cell_of_table_7_takes_at_most_eight_files():
    assert len(TABLE_7) <= 8
    assert read_for(STARTS, set(ELSEWHERE)) == set(TABLE_7)


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_what_is_read_elsewhere_is_met_on_the_way(name):
    assert name.rpartition(".")[0] in read_for(STARTS, set(ELSEWHERE) - {name})


def test_what_is_read_is_what_runs():
    code = Code()
    closures = [
        code.closure(path) for adapter in ADAPTERS for path in (ROOT / "workflow/scripts").rglob(f"{adapter}.py")
    ]
    assert len(closures) == len(ADAPTERS)
    assert set(TABLE_7) <= set().union(*closures)


STEP = (  # a step of stage 3, from the loop to the gradients
    "ldae.training.loop",
    "ldae.training.trainer",
    "ldae.core.keyed",
    "ldae.training.stages.stage",
    "ldae.training.stages.representation",
    "ldae.inference.readers",
    "ldae.diffusion.schedule",
    "ldae.networks.semantic_encoder",
    "ldae.networks.gradient_estimator",
    "ldae.networks.unet",
)
AROUND = {"ldae.training.loop"}  # it leads to the step; what happens in it is in the others
METHODS = (  # what it calls by objects, which no name leads to
    "ldae.training.trainer.Trainer.advance",
    "ldae.training.stages.representation.RepresentationStage.backward",
    "ldae.inference.readers.Volumes.__getitem__",
    "ldae.inference.readers.Latents.draw",
    "ldae.diffusion.schedule.Schedule.add_noise",
    "ldae.diffusion.schedule.Schedule.loss_weight",
    "ldae.networks.semantic_encoder.SemanticEncoder.forward",
    "ldae.networks.semantic_encoder.SlicePooling.forward",
    "ldae.networks.gradient_estimator.GradientEstimator.forward",
    "ldae.networks.gradient_estimator.ShiftBranch.forward",
    "ldae.networks.unet.UNet.features",
    "ldae.networks.unet.UNet.noise",
    "ldae.networks.unet.UpPath.forward",
)
BESIDE = {  # named in the step, and no more than its name says
    "ldae.inference.device.precision_context": "autocast",
    "ldae.networks.autoencoder.reparameterise": "mean + spread times noise",
    "ldae.networks.rewrites.turned": "the axes of imported networks",
    "ldae.networks.blocks.timestep_embedding": "sines and cosines of t",
    "ldae.training.safety.checkpoint.Statistics": "put back after a step that is left out",
}


def named_in(full: str) -> set[str]:
    """Full names of ours in the body of a function or method; ``self.name`` is a method of the same class."""
    module = full
    while module not in TREES:
        module = module.rpartition(".")[0]
    name, _, method = full.removeprefix(f"{module}.").partition(".")
    own, taken, node = defined(module), imported(module), defined(module)[name]
    found = set()
    if method:
        assert isinstance(node, ast.ClassDef)
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        node = methods[method]
        called = [x.attr for x in ast.walk(node) if isinstance(x, ast.Attribute) and ast.unparse(x.value) == "self"]
        found = {f"{module}.{name}.{each}" for each in called if each in methods}
    names = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)} - {name}
    return found | {f"{module}.{each}" for each in names if each in own} | {taken[n] for n in names if n in taken}


def read_in(methods: tuple[str, ...], beside: set[str]) -> set[str]:
    """Modules of these methods and of the functions that they name, and so on; classes are met, not entered."""
    ahead, seen = list(methods), set()
    while ahead:
        full = ahead.pop()
        module, _, name = full.rpartition(".")
        if full in seen or full in beside or (full.startswith(EVERYWHERE) and module not in STEP):
            continue
        seen.add(full)
        if module not in TREES or isinstance(defined(module)[name], ast.FunctionDef):
            ahead += named_in(full)
    owners = {full.rpartition(".")[0] for full in seen}
    return {each if each in TREES else each.rpartition(".")[0] for each in owners}


def test_a_step_of_stage_3_takes_at_most_ten_files():
    assert len(STEP) <= 10
    assert read_in(METHODS, set(BESIDE)) == set(STEP) - AROUND


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_what_stands_beside_the_step_is_named_in_it(name):
    assert name.rpartition(".")[0] in read_in(METHODS, set(BESIDE) - {name})


def test_a_step_runs_what_is_read():
    assert set(STEP) <= set(Code().closure("ldae.training.run"))
