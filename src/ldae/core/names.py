"""The name that somebody may have meant who wrote another one."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import PurePath

GROUPS = ("all", "ingest", "preprocess", "train", "evaluate", "figures")  # rules of the Snakefile that collect others


def nearest(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Of these names those most like one that is none of them, the likest first; upper and lower case are alike."""
    by_small = {known.casefold(): known for known in names}
    return [by_small[found] for found in get_close_matches(name.casefold(), by_small, n=most, cutoff=0.65)]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``, did you mean test_fraction?`` or the like; empty where nothing is near."""
    found = nearest(name, names)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def target_problems(
    targets: Iterable[str],
    rules: dict[str, bool],
    groups: Iterable[str],
    files: Collection[str] = (),
    unmade: Collection[str] = (),
) -> list[str]:
    """What Snakemake would say of targets in words that only it understands, a sentence each.

    Args:
        targets: as given on the command line: names of rules, or files.
        rules: name -> whether it stands for many jobs (its output has wildcards).
        groups: the rules that only collect others.
        files: that rules write, those of shards left out.
        unmade: those targets that no rule writes.
    """
    listed, found = ", ".join(groups), []
    for target in targets:
        if rules.get(target):
            found.append(
                f"{target} is done in shards, so its name alone is no target: `--until {target}` runs all of them and "
                f"nothing after it, or give a group target that holds it ({listed})."
            )
        elif target not in rules and "/" not in target and "." not in target:
            found.append(
                f"{target} is no target{did_you_mean(target, rules) or '.'} Targets are {listed}, the other rules "
                "(`snakemake --list`), and the paths of results."
            )
        elif target not in rules and target in unmade:
            given = PurePath(target).suffix in {".yaml", ".yml"}
            found.append(
                f"{target} is a configuration, not a target: it stands after --configfile (of `ldae run`: --config)."
                if given
                else f"{target} is written by no rule{did_you_mean(target, files) or '.'} docs/outputs.md lists what a "
                "run writes."
            )
    return found
