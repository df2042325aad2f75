"""Every public function, class and method of ``src/ldae`` says in three words or more what it does."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
COMMAND = {"add", "run"}  # of a command: the docstring of its module is the help that a person reads


def undocumented(node: ast.AST, name: str, exempt: set[str] = frozenset()) -> Iterator[str]:
    """Names of the public definitions below a module or class that have no docstring; nested functions are private."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If | ast.Try | ast.With):
            yield from undocumented(child, name, exempt)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if child.name.startswith("_") or child.name in exempt:
            continue
        if len((ast.get_docstring(child) or "").split()) < 3:
            yield f"{name}.{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{name}.{child.name}")


def test_everything_public_has_a_docstring():
    missing = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        exempt = COMMAND if name.startswith("ldae.commands.") else set()
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree):
            missing.append(name)
        missing += undocumented(tree, name, exempt)
    assert not missing, "without a docstring: " + ", ".join(missing)


def test_the_reader_finds_what_has_none():
    code = """
def f(): "Does it all."
def e(): "Does e."
def g():
    def nested(): pass
def _private(): pass
class A:
    "What it is."
    def __len__(self): return 0
    def m(self): pass
class B:
    def n(self): "Does it all."
if True:
    def h(): pass
"""
    assert list(undocumented(ast.parse(code), "x")) == ["x.e", "x.g", "x.A.m", "x.B", "x.h"]
    assert list(undocumented(ast.parse("def run(): pass\nclass C:\n    def run(self): pass"), "x", {"run"})) == [
        "x.C",
        "x.C.run",
    ]
