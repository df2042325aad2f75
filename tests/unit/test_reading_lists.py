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
    "ldae.studies.probes.features",
    "ldae.studies.common.inputs",
)
STARTS = ("ldae.studies.probes.table.probe_table", "ldae.studies.probes.measure.run_probes")
ELSEWHERE = {  # not of this cell
    "ldae.studies.probes.record.PUBLISHED": "the paper's number, beside the cell",
    "ldae.studies.probes.paper_protocol.paper_probes": "the column of the paper's protocol",
    "ldae.studies.probes.discriminant_plane.lda_projection": "Figure 5",
    "ldae.studies.probes.features.measured_volumes": "the rows of tissue and region volumes",
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
