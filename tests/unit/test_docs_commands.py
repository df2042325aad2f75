"""Every command line that README and the documents show can be typed: targets, options, files and rules exist."""

import re
import shlex
from pathlib import Path

import pytest

from ldae.cli import parser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").glob("*.yaml")]
)
FENCE = re.compile(r"^```(?:sh|bash|console|)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:snakemake|ldae|make) [^`]+)`")
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    for name in re.findall(r"^ *rule (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
}
THEIRS = {"results", "toy", "eval_toy"}  # examples of a page that makes them
VALUES = {"--profile", "--cores", "--touch", "--set-resources", "--set-threads", "--forcerun", "-R", "-j", "--until"}


def commands() -> list[tuple[str, str]]:
    """(page, command line) of snakemake, ldae and make, comments and prompts taken away."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        if page.suffix == ".yaml":  # said in its head
            lines = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
        for line in [*lines, *INLINE.findall(text)]:
            for part in re.split(r"&&|\|\||[|;]|<<", line.split(" #")[0]):
                words = part.strip().removeprefix("$ ").replace(".venv/bin/", "")
                if re.match(r"(snakemake|ldae|make) \S", words):
                    found.append((page.name, words))
    return found


COMMANDS = commands()


def test_the_pages_show_commands() -> None:
    for tool, least in (("make", 20), ("snakemake", 15), ("ldae", 40)):
        assert sum(words.startswith(tool + " ") for _, words in COMMANDS) >= least, tool


@pytest.mark.parametrize(("page", "words"), [each for each in COMMANDS if each[1].startswith("make ")])
def test_make_has_the_target(page: str, words: str) -> None:
    targets = [word for word in shlex.split(words)[1:] if "=" not in word and not word.startswith("-")]
    assert set(targets[:1]) <= TARGETS, f"{page}: {words}"


@pytest.mark.parametrize(("page", "words"), [each for each in COMMANDS if each[1].startswith("snakemake ")])
def test_snakemake_is_given_what_it_takes(page: str, words: str) -> None:
    """What follows ``--configfile`` are configuration files, and every target is a rule or a file of the results: a
    target behind the files would be read as one of them."""
    place, rest = None, shlex.split(words.replace("…", "").replace("...", ""))[1:]
    for word in rest:
        if word.startswith("-"):
            place = word.split("=")[0]
            continue
        if place == "--configfile":
            assert word.endswith((".yaml", ".yml")), f"{page}: {words}: {word} is read as a configuration file"
            if word.startswith(("config/", "profiles/")) and not word.endswith("mine.yaml"):
                assert (ROOT / word).is_file(), f"{page}: {words}"
            continue
        if place in VALUES:
            if place == "--profile":
                assert (ROOT / word).is_dir(), f"{page}: {words}"
            place = None
            continue
        known = word in RULES or word.split("/")[0] in THEIRS or word in THEIRS or word.isupper() or "$" in word
        assert known or "=" in word, f"{page}: {words}: no rule {word}"


def options_of(command: str) -> set[str]:
    actions = parser()._subparsers._group_actions[0].choices[command]._actions
    return {option for action in actions for option in action.option_strings}


@pytest.mark.parametrize(("page", "words"), [each for each in COMMANDS if each[1].startswith("ldae ")])
def test_ldae_has_the_command_and_its_options(page: str, words: str) -> None:
    command = words.split()[1]
    if command in ("--version", "--help"):
        return
    known = parser()._subparsers._group_actions[0].choices
    assert command in known, f"{page}: {words}"
    given = {word.split("=")[0].rstrip("].,)") for word in re.findall(r"(?<![\w-])--[\w-]+", words)}
    assert given <= options_of(command), f"{page}: {words}: {sorted(given - options_of(command))}"
