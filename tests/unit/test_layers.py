"""Who may import whom, stated once: the layers of ``src/ldae``, its studies, and where the heavy libraries may be."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ldae.core.closure import Code, matching

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

LAYERS = (  # each imports itself and those above it; those on one line do not know each other
    ("core",),
    ("config",),
    ("phantom", "adni", "cohort", "preprocessing"),
    ("networks",),
    ("diffusion",),
    ("inference",),
    ("training", "studies"),
    ("report",),
    ("commands", "cli"),
)
TORCH = {"networks", "diffusion", "inference", "training", "studies"}
HEAVY = {  # library -> where it may be imported; but for torch inside functions alone, since each costs seconds
    "torch": TORCH | {"core.keyed", "preprocessing.extraction.deepbet"},
    "monai": {"networks"},
    "timm": {"networks"},
    "lpips": {"networks", "training.memory"},
    "lifelines": {"studies.conversion.cox"},
    "ants": {"preprocessing"},
    "deepbet": {"preprocessing.extraction.deepbet"},
    "clinica": {"adni"},
    "generative": set(),
    "nilearn": set(),
    "snakemake": set(),
}


@dataclass(frozen=True)
class Import:
    """``module`` imports ``target``; ``at_once``: not inside a function, and not for type checkers alone."""

    module: str
    target: str
    at_once: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


def imports(module: str) -> Iterator[Import]:
    """Every import of a module, wherever it stands in it."""

    def walk(node: ast.AST, at_once: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(module, alias.name, at_once) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module}: relative imports hide their layer"
                for alias in child.names:
                    inside = f"{child.module}.{alias.name}"
                    yield Import(module, inside if inside in MODULES else str(child.module), at_once)
            else:
                deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
                    isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                )
                yield from walk(child, at_once and not deferred)

    yield from walk(MODULES[module], True)


IMPORTS = [found for module in MODULES for found in imports(module)]
OURS = [found for found in IMPORTS if found.target.split(".")[0] == "ldae"]


def below(name: str, places: set[str]) -> bool:
    """Whether a module lies in one of the places (packages or modules below ldae)."""
    inside = name.removeprefix("ldae.")
    return any(inside == place or inside.startswith(f"{place}.") for place in places)


def layer(module: str) -> str | None:
    """The layer of a module; none for ``ldae`` itself, which holds no code."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def test_every_module_is_in_a_layer():
    assert {layer(module) for module in MODULES} - {None} == set(RANK)


def test_imports_point_up_the_list():
    wrong = [
        f"{found.module} -> {found.target}"
        for found in OURS
        if (here := layer(found.module)) and (there := layer(found.target)) and here != there
        if RANK[there] >= RANK[here]
    ]
    assert not wrong


def test_no_other_way_leads_down_the_list():
    """``import_module("ldae.x")``, ``import_all``, ``__import__`` and attributes of ``ldae`` count as imports do."""
    code = Code()
    wrong = [
        f"{module} -> {target}"
        for module, facts in code.facts.items()
        for imports in (facts.always, facts.asked)
        for name in (*imports.names, *imports.strings)
        for target in matching(name, code.paths)
        if (here := layer(module)) and (there := layer(target)) and here != there
        if RANK[there] >= RANK[here]
    ]
    assert not wrong


def test_a_study_imports_of_the_studies_only_what_they_share():
    wrong = [
        f"{found.module} -> {found.target}"
        for found in OURS
        if found.module.startswith("ldae.studies.") and found.target.startswith("ldae.studies.")
        if found.module.split(".")[2] != (there := found.target.split(".")[2])
        if there != "common"
    ]
    assert not wrong


def test_no_circle():
    """Every module can be imported after those that it imports: function-level imports count, too."""
    waiting = {module: {found.target for found in OURS if found.module == module} - {module} for module in MODULES}
    while free := [module for module, targets in waiting.items() if not targets & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert not waiting, f"in or above a circle: {sorted(waiting)}"


@pytest.mark.parametrize("library", sorted(HEAVY))
def test_a_heavy_library_stays_in_its_rooms(library):
    found = [found for found in IMPORTS if found.target.split(".")[0] == library]
    assert not {each.module for each in found if not below(each.module, HEAVY[library])}
    rooms = TORCH if library == "torch" else set()
    assert not {each.module for each in found if each.at_once and not below(each.module, rooms)}


def test_the_reader_of_imports_sees_them_all():
    code = "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    from c import d\nwith e:\n    import e\n"
    MODULES["ldae.made_up"] = ast.parse(code)
    try:
        assert {(each.target, each.at_once) for each in imports("ldae.made_up")} == {
            *(("a", True), ("b", False), ("c", False), ("e", True))
        }
    finally:
        del MODULES["ldae.made_up"]
