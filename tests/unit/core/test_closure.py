"""The import closure of a script, and what changes its digest: on a small package, then on every rule of the real."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ldae.config import load_config
from ldae.config.cohort import Clinica
from ldae.core.closure import PACKAGE, Code, import_all, modules
from ldae.core.errors import UserError

ROOT = Path(__file__).parents[3]
SCRIPTS = {path.stem: path for path in sorted((ROOT / "workflow/scripts").glob("*.py"))}
RULE = re.compile(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", flags=re.MULTILINE | re.DOTALL)
FILES = {
    "__init__.py": "def __getattr__(name):\n    from ldae.lazy import LDAE\n    return LDAE\n",
    "lazy.py": "LDAE = 1\n",
    "alone.py": "X = 1\n",
    "a/__init__.py": '"""A."""\nfrom ldae.a.inner import Y\n',
    "a/inner.py": "Y = 1\n",
    "a/other.py": "from ldae.alone import X\n",
    "a/page.html.j2": "<p>\n",
    "a/deep/__init__.py": "",
    "a/deep/leaf.py": "def f():\n    from .. import other\n    return other\n",
    "studies/__init__.py": "",
    "studies/first/__init__.py": "",
    "studies/first/record.py": "STUDY = 1\n",
    "studies/second/__init__.py": "",
    "studies/second/record.py": "from ldae.alone import X\nSTUDY = X\n",
}
A = {"ldae", "ldae.a", "ldae.a.inner"}
RECORDS = {"ldae"} | {f"ldae.studies{name}" for name in ("", ".first", ".first.record", ".second", ".second.record")}
IMPORTS = {
    "import ldae.alone": {"ldae", "ldae.alone"},
    "from ldae.a import Y": A,
    "from ldae.a import other": A | {"ldae.a.other", "ldae.alone"},
    "import ldae.a\nldae.a.other.X": A | {"ldae.a.other", "ldae.alone"},
    "from ldae import a as b\nb.deep.leaf": A | {"ldae.a.deep", "ldae.a.deep.leaf", "ldae.a.other", "ldae.alone"},
    "def f():\n    from ldae.alone import X": {"ldae", "ldae.alone"},
    "from ldae.a.deep import leaf": A | {"ldae.a.deep", "ldae.a.deep.leaf", "ldae.a.other", "ldae.alone"},
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ldae.alone": set(),
    "from ldae import LDAE": {"ldae", "ldae.lazy"},
    "import ldae\nldae.LDAE.load(1)": {"ldae", "ldae.lazy"},
    "import ldae\nldae.__name__": {"ldae", "ldae.lazy"},  # it could be asked: more than needed does no harm
    'PackageLoader("ldae.a")': A,
    'import_module("ldae.alone")': {"ldae", "ldae.alone"},
    'command = [python, "-m", "ldae.alone"]': {"ldae", "ldae.alone"},
    'import_all("ldae.studies.*.record")': RECORDS | {"ldae.alone"},
    'logging.getLogger("ldae")': set(),
    "import os, torch\nldae = torch.load()\nldae.encode(1)": set(),
}
REFUSED = (
    "import_module(name)",
    "importlib.import_module(f'ldae.{name}')",
    "from ldae.a import *",
    "import_all(pattern)",
)
CHANGES = {
    "a/inner.py": "Y = 2\n",
    "a/page.html.j2": "<p>other\n",
    "a/__init__.py": '"""A."""\nfrom ldae.a.inner import Y\nZ = Y\n',
    "__init__.py": "W = 1\n",
    "a/new.html.j2": "new\n",
}
NO_CHANGES = {
    "a/inner.py": '"""Said now."""\n\nY = (\n    1  # one\n)\n"""A word on Y."""\n',
    "a/__init__.py": '"""Other words."""\n\nfrom ldae.a.inner import (\n    Y,\n)\n',
    "a/page.html.j2~": "an editor's copy",
    "a/.hidden": "an editor's",
    "alone.py": "X = 5\n",
    "a/other.py": "raise\n",
    "a/unused.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "ldae"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def script(folder: Path, content: str) -> Path:
    path = folder.parent / "script.py"
    path.write_text(content)
    return path


@pytest.mark.parametrize("content", IMPORTS)
def test_every_way_to_import_is_followed(package, content):
    assert set(Code(package).closure(script(package, content))) == IMPORTS[content]


@pytest.mark.parametrize("content", REFUSED)
def test_an_import_that_cannot_be_followed_is_refused(package, content):
    (package / "alone.py").write_text(content)
    assert Code(package).digest(script(package, "import ldae.a.inner"))
    with pytest.raises(UserError, match=r"alone\.py, line 1: this import cannot be followed"):
        Code(package).digest(script(package, "import ldae.alone"))


def test_an_unknown_module_is_one_sentence(package):
    with pytest.raises(UserError, match=r"ldae\.nothing: there is no such module"):
        Code(package).digest("ldae.nothing")


@pytest.mark.parametrize("name", CHANGES)
def test_code_and_the_files_of_its_packages_change_the_digest(package, name):
    path = script(package, "from ldae.a import Y")
    before = Code(package).digest(path)
    (package / name).write_text(CHANGES[name])
    assert Code(package).digest(path) != before


@pytest.mark.parametrize("name", NO_CHANGES)
def test_words_and_layout_and_what_is_not_imported_change_nothing(package, name):
    path = script(package, "from ldae.a import Y")
    before = Code(package).digest(path)
    (package / name).write_text(NO_CHANGES[name])
    assert Code(package).digest(path) == before


def test_the_script_itself_counts_and_a_new_module_of_a_pattern(package):
    path = script(package, 'RECORDS = import_all("ldae.studies.*.record")')
    before = Code(package).digest(path)
    path.write_text("# a comment\n" + path.read_text())
    assert Code(package).digest(path) == before
    path.write_text(path.read_text() + "\nRECORDS.pop()\n")
    assert (changed := Code(package).digest(path)) != before
    (package / "studies/third").mkdir()
    (package / "studies/third/record.py").write_text("STUDY = 3\n")
    assert Code(package).digest(path) != changed


def test_the_cache_is_by_content_and_never_needed(package, tmp_path):
    path, cache = script(package, "import ldae.a.deep.leaf"), tmp_path / "cache/code.json"
    before = Code(package, cache).digest(path)
    assert before == Code(package).digest(path) == Code(package, cache).digest(path)
    written = cache.stat()
    Code(package, cache)
    assert cache.stat() == written, "nothing new, nothing to write"

    inner, stat = package / "a/inner.py", (package / "a/inner.py").stat()
    inner.write_text("Y = 7\n")  # as long as before, and as old
    os.utime(inner, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert inner.stat().st_size == stat.st_size
    assert Code(package, cache).digest(path) == Code(package).digest(path) != before
    for damaged in ("", "[]", '{"key": {"digest": 1}}', '{"key": 1}'):
        cache.write_text(damaged)
        assert Code(package, cache).digest(path) == Code(package).digest(path)
    (tmp_path / "file").touch()
    assert Code(package, tmp_path / "file/code.json").digest(path) == Code(package).digest(path)


def test_the_same_text_in_another_package_imports_other_modules(package, tmp_path):
    """Relative imports: the cache must not take one for the other."""
    for folder in ("a", "studies"):
        (package / folder / "same.py").write_text("from . import near\n")
        (package / folder / "near.py").write_text("")
    for cache in (None, tmp_path / "code.json", tmp_path / "code.json"):
        code = Code(package, cache)
        assert "ldae.a.near" in code.closure("ldae.a.same")
        assert {"ldae.studies.near"} == set(code.closure("ldae.studies.same")) & {"ldae.a.near", "ldae.studies.near"}


def test_import_all_imports_what_its_pattern_means():
    assert [module.__name__ for module in import_all("ldae.core.closur*")] == ["ldae.core.closure"]


# The real package


def rules() -> dict[str, list[str]]:
    """Rule -> its text in every file that defines it."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for name, body in RULE.findall(path.read_text()):
            found.setdefault(name, []).append(body)
    return found


EXPENSIVE = {"convert_adni_to_bids", "convert_study", "correct_bias_field", "extract_brain", "register_mni"}
EXPENSIVE |= {name for name in rules() if name.startswith(("train_", "make_phantom"))}


@pytest.mark.parametrize("name", sorted(rules()))
def test_a_cheap_rule_has_the_digest_of_its_own_code_and_an_expensive_one_a_revision(name):
    for body in rules()[name]:
        digests = re.findall(r"code_digest\((.*?)\)", body)
        assert digests == ([] if name in EXPENSIVE else [f'"{name}"'])
        if name in EXPENSIVE:
            files = ("config", "small_networks", "demo")
            config = load_config(*(ROOT / f"config/{name}.yaml" for name in files))
            given = r" settings=settings\.(?:section\(|supervised\(|(?=phantom\.asked))(.*?)(?:\)|\.asked\(\))"
            (section,) = re.findall(given, body) or (["convert"] if "settings.conversion()" in body else [])
            for part in re.findall(r"\w+", section):
                config = getattr(config, part)
            kept = Clinica if name == "convert_study" else type(getattr(config, "training", config))
            assert "revision" in kept.model_fields


@pytest.fixture(scope="module")
def code() -> Code:
    return Code()


@pytest.fixture(scope="module")
def closures(code) -> dict[str, set[str]]:
    return {rule: set(code.closure(path)) for rule, path in SCRIPTS.items()}


def test_sampler_and_encoder_are_behind_every_rule_that_samples_or_reads_codes(code, closures):
    """The list by hand had left them out."""
    sampler = {name for name in code.paths if name.endswith((".diffusion.ddim", ".pipeline"))}
    assert len(sampler) == 2
    studies = (
        "reconstruction",
        "interpolation",
        "manipulation",
        "counterfactual",
        "forecasting",
        "variation",
        "reliability",
        "solvers",
        "samples",
        "efficiency",
    )
    for rule in ("encode_codes", "encode_solver_codes", *(f"eval_{study}" for study in studies)):
        assert sampler <= closures[rule], rule
    assert all("ldae.phantom.scan" in closures[f"eval_{name}"] for name in ("manipulation", "counterfactual"))


def test_every_file_of_the_package_that_is_not_python_counts(code, closures):
    assert {"ldae.report"} <= set(code._data)
    assert set(code._data) <= set().union(*closures.values())


SAMPLED = random.Random(0).sample(list(modules(PACKAGE)), 12)


def test_an_edit_changes_the_digest_of_exactly_the_rules_whose_closure_holds_it(code, closures, tmp_path):
    """A statement in sampled modules, for every rule; then words in all of them at once."""
    folder, cache = tmp_path / "ldae", tmp_path / "code.json"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = {rule: code.digest(path) for rule, path in SCRIPTS.items()}
    reached = 0
    for name in sorted({*SAMPLED, "ldae.diffusion.ddim", "ldae.config"}):
        path = folder / code.paths[name].relative_to(PACKAGE)
        content = path.read_text()
        path.write_text(content + "\nEDITED = 1\n")
        edited = Code(folder, cache)
        changed = {rule for rule, script in SCRIPTS.items() if edited.digest(script) != before[rule]}
        assert changed == {rule for rule, closure in closures.items() if name in closure}, name
        reached += len(changed)
        path.write_text(content)
    assert reached > 50
    for path in folder.rglob("*.py"):
        path.write_text(f'# A comment.\n"""Other words."""\n\n{path.read_text()}\n# end\n')
    words = Code(folder, cache)
    assert {rule: words.digest(path) for rule, path in SCRIPTS.items()} == before


@pytest.mark.parametrize("rule", ["make_splits", "encode_codes"])
def test_what_python_really_imports_is_in_the_closure(rule, closures):
    """The adapter's imports and those of its modules at import time, in a process of their own."""
    names = set(re.findall(r"^ *from (ldae[\w.]*) import", SCRIPTS[rule].read_text(), flags=re.MULTILINE))
    report = "print(*(name for name in sys.modules if name.split('.')[0] == 'ldae'))"
    program = f"import sys, {', '.join(sorted(names))}; {report}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert len(imported) > 5 and imported <= closures[rule]
