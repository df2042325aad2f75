"""One file of Python as text: what it imports from ``ldae``, and a digest of what it does.

Comments, docstrings, layout and what only a type checker reads (``if TYPE_CHECKING``) count for nothing.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = "ldae"
IMPORT_ALL = "import_all"  # ldae.core.closure.import_all, the one way to import modules by a pattern
IMPORTERS = ("import_module", "__import__", IMPORT_ALL)
NAMES = re.compile(rf"{ROOT}(\.(\w+|\*))+")  # of modules, or a pattern of them
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Imports:
    """What a piece of code imports from ``ldae``.

    Attributes:
        names: dotted names of modules, or of names in them.
        strings: strings that may be the name of a module, or a pattern of such names.
        unknown: line of an import whose target is not written out, 0 where there is none.
    """

    names: list[str]
    strings: list[str]
    unknown: int


@dataclass(frozen=True)
class Facts:
    """What one file says.

    Attributes:
        digest: of its code.
        always: what it imports, inside functions too.
        asked: what its ``__getattr__`` imports, when a module is asked for a name that it does not define.
        defined: the names that it defines, sorted.
    """

    digest: str
    always: Imports
    asked: Imports
    defined: list[str]


def examine(source: str, package: str = "") -> Facts:
    """Read one file.

    Args:
        package: dotted name of the package against which its relative imports are resolved.
    """
    tree = _Code().visit(ast.parse(source))
    asked = [node for node in tree.body if isinstance(node, SCOPES) and node.name == "__getattr__"]
    always = [node for node in tree.body if node not in asked]
    return Facts(
        digest=hashlib.sha256(json.dumps(_plain(tree)).encode()).hexdigest(),
        always=_imports(always, package),
        asked=_imports(asked, package),
        defined=sorted(set(_defined(tree.body))),
    )


class _Code(ast.NodeTransformer):
    """Drops bare strings, docstrings among them, and what stands below ``if TYPE_CHECKING``."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        bare = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if bare else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        self.generic_visit(node)
        return node.orelse or None if ast.unparse(node.test).endswith("TYPE_CHECKING") else node


def _plain(node: object) -> object:
    """A syntax tree as lists, without positions and empty fields: those differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if name != "kind")
        return [type(node).__name__, *([name, value] for name, value in fields if value not in (None, []))]
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node if node is None or isinstance(node, str) else f"{type(node).__name__} {node!r}"


def _imports(statements: list[ast.stmt], package: str) -> Imports:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    names, local = set(), {}  # local: name in this file -> dotted name of what it was imported from
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            local |= {alias.asname or ROOT: alias.name if alias.asname else ROOT for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found = {alias.asname or alias.name: f"{_origin(node, package)}.{alias.name}" for alias in node.names}
            names |= set(found.values())
            local |= found
    local = {short: name for short, name in local.items() if _ours(name)}
    names |= {name for node in nodes if (name := _attribute(node, local))}
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    excused = {node for definition in nodes if _is_import_all(definition) for node in ast.walk(definition)}
    unknown = [node.lineno for node in nodes if node not in excused and _unknown(node, package)]
    return Imports(
        names=sorted(name for name in names if _ours(name)),
        strings=sorted(text for text in strings if NAMES.fullmatch(text)),
        unknown=min(unknown, default=0),
    )


def _ours(name: str) -> bool:
    return name == ROOT or name.startswith(f"{ROOT}.")


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The module that ``from ... import`` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _attribute(node: ast.AST, local: dict[str, str]) -> str:
    """The dotted name of ``name.a.b``, where ``name`` was imported from ``ldae``; otherwise empty."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if parts and isinstance(node, ast.Name) and node.id in local:
        return ".".join([local[node.id], *reversed(parts)])
    return ""


def _unknown(node: ast.AST, package: str) -> bool:
    """Whether it imports a module whose name is not written out, or all names of one of ours."""
    if isinstance(node, ast.ImportFrom):
        return node.names[0].name == "*" and _ours(_origin(node, package))
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in IMPORTERS and not (node.args and isinstance(node.args[0], ast.Constant))


def _is_import_all(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == IMPORT_ALL


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements bind, but for those inside functions and classes."""
    for node in body:
        if isinstance(node, SCOPES):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        else:
            parts = [getattr(node, name, []) for name in ("body", "orelse", "finalbody", "handlers", "cases")]
            inner = [child for part in parts for child in part]
            yield from _defined(inner)
            ahead = [child for child in ast.iter_child_nodes(node) if child not in inner]
            names = (name for child in ahead for name in ast.walk(child) if isinstance(name, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store))
