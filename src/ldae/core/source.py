"""One file of Python as text: what it imports from ``ldae``, and a digest of what it does.

Comments, docstrings, layout and what only a type checker reads (``if TYPE_CHECKING``) count for nothing.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ROOT = "ldae"
IMPORT_ALL = "import_all"  # ldae.core.closure.import_all, the one way to import modules by a pattern
IMPORTERS = ("import_module", "__import__", IMPORT_ALL)
NAMES = re.compile(rf"{ROOT}(\.(\w+|\*))+")  # of modules, or a pattern of them
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # of statements
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
    tree = _code(ast.parse(source))
    asked: list[ast.stmt] = [n for n in tree.body if isinstance(n, SCOPES) and n.name == "__getattr__"]
    always = [node for node in tree.body if node not in asked]
    return Facts(
        digest=hashlib.sha256(repr(_plain(tree)).encode()).hexdigest(),
        always=_imports(always, package),
        asked=_imports(asked, package),
        defined=sorted(set(_defined(tree.body))),
    )


def _code(node: Any) -> Any:
    """Without bare strings (docstrings among them) and what stands below ``if TYPE_CHECKING``, at any depth."""
    for name in BLOCKS:
        block = getattr(node, name, None)
        if isinstance(block, list):
            setattr(node, name, [_code(inner) for statement in block for inner in _kept(statement)])
    return node


def _kept(statement: ast.stmt) -> list[ast.stmt]:
    if isinstance(statement, ast.Expr):
        bare = isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
        return [] if bare else [statement]
    if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
        return statement.orelse
    return [statement]


def _plain(node: object) -> object:
    """A syntax tree as lists, without positions and empty fields: those differ between versions of Python."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    parts: list[object] = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if name not in ("ctx", "kind") and value is not None and value != []:
            parts += [name, _plain(value)]
    return parts


def _imports(statements: list[ast.stmt], package: str) -> Imports:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    names: set[str] = set()
    local: dict[str, str] = {}  # name in this file -> dotted name of what it was imported from
    strings: set[str] = set()
    attributes: list[ast.Attribute] = []
    unknown: list[ast.expr | ast.stmt] = []
    excused: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Attribute):
            attributes.append(node)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and NAMES.fullmatch(node.value):
                strings.add(node.value)
        elif isinstance(node, ast.Import):
            ours = [alias for alias in node.names if _ours(alias.name)]
            names |= {alias.name for alias in ours}
            local |= {alias.asname or ROOT: alias.name if alias.asname else ROOT for alias in ours}
        elif isinstance(node, ast.ImportFrom):
            found = {alias.asname or alias.name: f"{_origin(node, package)}.{alias.name}" for alias in node.names}
            names |= set(found.values())
            local |= found
            unknown += [node] * ("*" in found and _ours(found["*"]))
        elif isinstance(node, ast.Call):
            unknown += [node] * _is_computed(node)
        elif isinstance(node, ast.FunctionDef) and node.name == IMPORT_ALL:
            excused |= set(ast.walk(node))
    local = {short: name for short, name in local.items() if _ours(name)}
    names |= {name for node in attributes if (name := _attribute(node, local))}
    return Imports(
        names=sorted(name for name in names if _ours(name)),
        strings=sorted(strings),
        unknown=min((node.lineno for node in unknown if node not in excused), default=0),
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


def _is_computed(call: ast.Call) -> bool:
    """Whether it imports a module whose name is not written out."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in IMPORTERS and not (call.args and isinstance(call.args[0], ast.Constant))


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements bind, but for those inside functions and classes."""
    for node in body:
        if isinstance(node, SCOPES):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        else:
            parts = [getattr(node, name, []) for name in BLOCKS]
            inner = [child for part in parts for child in part]
            yield from _defined(inner)
            ahead = [child for child in ast.iter_child_nodes(node) if child not in inner]
            names = (name for child in ahead for name in ast.walk(child) if isinstance(name, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store))
