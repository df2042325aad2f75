"""Which code a script runs: its import closure inside ``ldae``, and one digest of what that code does.

Snakemake sees a change of a script, not of the package behind it. A cheap rule takes the digest of its adapter's
closure as a parameter, so an edit of a module plans the rules that can reach it, and what follows from them.

Read as text, nothing is imported. What counts as an import of a module:

* ``import`` and ``from ... import`` anywhere in a file, inside functions too, of the module or of a name in it. With a
  module come the ``__init__`` of all packages around it;
* an attribute of an imported package that is a module (``config.load``);
* a string that is the full name of a module (``PackageLoader("ldae.report")``), or a pattern of such names, ``*`` for
  one part: :func:`import_all` is the one way to import modules whose names are not written out;
* what ``__getattr__`` of a package imports: for those who ask the package for a name that it does not define itself.

A file that is not Python belongs to the package in whose folder it lies. An import that cannot be followed is refused.
"""

import hashlib
import json
import re
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

import ldae
from ldae.core import source
from ldae.core.errors import UserError
from ldae.core.source import ROOT, Facts, Imports, examine

PACKAGE = Path(ldae.__file__).parent


def import_all(pattern: str) -> list[ModuleType]:
    """Import every module whose name matches, in the order of the names.

    Args:
        pattern: a literal such as ``"ldae.studies.*.record"``, because the closure is read from the text.
    """
    return [import_module(name) for name in matching(pattern, modules(PACKAGE))]


def modules(package: Path) -> dict[str, Path]:
    """Dotted name -> file of every module in the folder of ``ldae``, sorted."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join([ROOT, *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    return dict(sorted(found.items()))


def matching(pattern: str, names: dict[str, Path]) -> list[str]:
    """The names that a pattern means; a name without ``*`` means itself."""
    if "*" not in pattern:
        return [pattern] * (pattern in names)
    expression = re.compile(re.escape(pattern).replace(r"\*", r"\w+"))
    return [name for name in names if expression.fullmatch(name)]


class Code:
    """The package as text.

    Args:
        package: folder of ``ldae``.
        kept_in: file that keeps what was read, by content; without it everything is parsed (about two seconds).
    """

    def __init__(self, package: Path = PACKAGE, kept_in: Path | None = None):
        self.package, self.paths = package, modules(package)
        known, self.facts, kept = _load(kept_in), {}, {}
        self._scripts: dict[Path, Facts] = {}
        self._steps: dict[tuple[str, bool], list[tuple[str, bool]]] = {}
        for name, path in self.paths.items():
            content = path.read_bytes()
            around = name if path.name == "__init__.py" else name.rpartition(".")[0]
            key = hashlib.sha256(f"{FORMAT} {around}\n".encode() + content).hexdigest()
            self.facts[name] = kept[key] = known.get(key) or examine(content.decode("utf-8"), around)
        if kept_in is not None and kept.keys() - known.keys():
            _save(kept_in, kept)

    def digest(self, start: Path | str) -> str:
        """Of a script (a file outside the package) or a module (its dotted name), with all that it imports.

        Raises:
            UserError: there is no such module, or an import cannot be followed.
        """
        hasher = hashlib.sha256()
        if isinstance(start, Path):
            hasher.update(self._script(start).digest.encode())
        for name in self.closure(start):
            hasher.update(f"\n{name} {self.facts[name].digest} {self._data.get(name, '')}".encode())
        return hasher.hexdigest()[:16]

    def closure(self, start: Path | str) -> list[str]:
        """Names of the modules that a script or module runs, with itself, sorted."""
        if isinstance(start, Path):
            ahead = self._follow(start, self._script(start).always)
        elif start in self.paths:
            ahead = self._run_by(start)
        else:
            raise UserError(f"{start}: there is no such module.")
        reached = set()
        while ahead:
            step = ahead.pop()
            if step not in reached:
                reached.add(step)
                ahead += self._after(*step)
        return sorted({module for module, _ in reached})

    def _script(self, path: Path) -> Facts:
        if path not in self._scripts:
            self._scripts[path] = examine(path.read_text(encoding="utf-8"))
        return self._scripts[path]

    def _after(self, module: str, asked: bool) -> list[tuple[str, bool]]:
        if (module, asked) not in self._steps:
            facts = self.facts[module]
            self._steps[module, asked] = self._follow(self.paths[module], facts.asked if asked else facts.always)
        return self._steps[module, asked]

    def _follow(self, path: Path, imports: Imports) -> list[tuple[str, bool]]:
        """What the imports of a file run: names of modules, and whether it is their ``__getattr__`` that is asked."""
        if imports.unknown:
            raise UserError(
                f"{path}, line {imports.unknown}: this import cannot be followed, so no rule would know of a change "
                'behind it; write the name out, or import_all("ldae.package.*") of ldae.core.closure.'
            )
        named = [name for text in imports.strings for name in matching(text, self.paths)]
        return [step for name in [*imports.names, *named] for step in self._run_by(name)]

    def _run_by(self, name: str) -> list[tuple[str, bool]]:
        """An import of a dotted name runs the packages around it, the module, and perhaps its ``__getattr__``."""
        parts = name.split(".")
        found = [part for end in range(1, len(parts) + 1) if (part := ".".join(parts[:end])) in self.paths]
        steps = [(module, False) for module in found]
        if found and found[-1] != name:
            asked_for = name.removeprefix(f"{found[-1]}.").split(".")[0]
            steps += [(found[-1], True)] * (asked_for not in self.facts[found[-1]].defined)
        return steps

    @cached_property
    def _data(self) -> dict[str, str]:
        """Package -> digest of the files in its folder that are not Python."""
        owners = {path.parent: name for name, path in self.paths.items() if path.name == "__init__.py"}
        found: dict[str, list[tuple[str, str]]] = {}
        for path in sorted(self.package.rglob("*")):
            place = path.relative_to(self.package)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in place.parts)
            if path.is_file() and not hidden and path.suffix not in (".py", ".pyc") and not path.name.endswith("~"):
                owner = next(owners[folder] for folder in path.parents if folder in owners)
                found.setdefault(owner, []).append((place.as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()))
        return {name: hashlib.sha256(json.dumps(files).encode()).hexdigest() for name, files in found.items()}


def _load(path: Path | None) -> dict[str, Facts]:
    if path is None:
        return {}
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):  # none yet, or damaged: read anew
        return {key: _facts(**content) for key, content in json.loads(path.read_text(encoding="utf-8")).items()}
    return {}


def _facts(digest: str, always: dict, asked: dict, defined: list[str]) -> Facts:
    return Facts(digest, Imports(**always), Imports(**asked), defined)


def _save(path: Path, facts: dict[str, Facts]) -> None:
    from ldae.core.files import write_text  # here, because it brings pandas: the records of the studies are light

    with suppress(OSError):  # a folder that is not ours to write
        write_text(path, json.dumps({key: asdict(content) for key, content in facts.items()}))


FORMAT = " ".join(
    [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (__file__, source.__file__)]
    + [f"{sys.version_info.major}.{sys.version_info.minor}"]
)
