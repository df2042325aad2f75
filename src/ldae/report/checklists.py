"""Reporting guidelines filled in from a run: TRIPOD+AI and CLAIM, item by item.

What a run knows is answered from its configuration and its outputs. What only the authors of a paper can know, such as
approval, funding or whom a cohort represents, is left open and says so: nothing is guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ldae.config import Config
from ldae.core.files import write_text
from ldae.studies.common.study import ReportSources
from ldae.studies.registry import runnable

ITEMS = Path(__file__).with_name("checklists.yaml")
PARTS = {"train": "training", "validation": "validation", "test": "testing"}
OPEN = "**open**"


@dataclass(frozen=True)
class Item:
    """An item of a guideline.

    Attributes:
        number: the guideline's own.
        asks: what it asks for, in our words.
        answer: what the run says; none where it cannot know.
        authors: what has to be added by hand, or none.
    """

    number: str
    asks: str
    answer: str | None
    authors: str | None

    @property
    def whole(self) -> bool:
        """Nothing has to be added."""
        return self.answer is not None and self.authors is None

    @property
    def words(self) -> str:
        """The answer, and what is left to the authors."""
        left = f"{OPEN}: {self.authors}." if self.authors else "" if self.answer else OPEN
        return " ".join(part for part in (self.answer, left) if part)


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(ITEMS.read_text(encoding="utf-8"))
    return content


def facts(config: Config, sources: ReportSources) -> tuple[dict[str, str], set[str]]:
    """The words that answers may hold, and the conditions under which a part of an answer is said."""
    fewest = 0 if config.phantom is not None else config.public_subjects
    dealt = {words: sources.split_subjects.get(part, 0) for part, words in PARTS.items()}
    parts = [f"{n if n >= fewest else f'fewer than {fewest}'} for {part}" for part, n in dealt.items() if n]
    starts = _starts(config, sources)
    words = {
        "dimension": str(config.representation.dimension),
        "seed": str(config.seed_of_trainings),
        "subjects": f"subjects: {', '.join(parts)}" if parts else "their number stands in the report",
        "starts": f", apart from {'; '.join(starts)}" if starts else "",
        "taken": "; ".join(starts),
        "imported": ", ".join(sources.imported),
    }
    studies = {study.name for study in runnable(config)}
    own, labelled = config.model is None, config.manifest.require_diagnosis
    true = {
        "own" if own else "frozen",
        "phantom" if config.phantom is not None else "people",
        "diagnosis" if labelled else "unlabelled",
        "given" if config.source == "csv" else "preprocessed",
        "calibration" if "calibration" in studies else "uncalibrated",
        "reliability" if "reliability" in studies else "unreliable",
        "conversion" if "conversion" in studies else "unconverted",
        "imported" if sources.imported else "trained",
        "started" if starts else "random",
        "baselines" if config.baselines else "alone",
        "held_out"
        if config.splits.hold_out
        else "stratified"
        if config.splits.protocol == "stratified"
        else "shuffled",
        "compared" if sources.external is not None else "uncompared",
    }
    return words, true


def _starts(config: Config, sources: ReportSources) -> list[str]:
    """What did not start at random, in words: by whose weights it started."""
    stages = [name for name in config.trained if name not in sources.imported]
    earlier = [name for name in stages if getattr(config, name).training.init_from is not None]
    found = [f"published weights of {', '.join(sources.imported)}"] if sources.imported else []
    found += [f"weights of earlier models, which the report names, of {', '.join(earlier)}"] if earlier else []
    if "autoencoder" in stages and config.autoencoder.pretrained is not None:
        found.append("given weights of the autoencoder")
    if "representation" in stages and config.representation.backbone_weights is not None:
        found.append("ImageNet weights of the semantic encoder's backbone")
    return found


def checklists(config: Config, sources: ReportSources) -> dict[str, list[Item]]:
    """Every guideline by its name, with what this run answers."""
    words, true = facts(config, sources)

    def answer(key: str | None) -> str | None:
        parts: Iterable[dict[str, Any]] = _content()["answers"][key] if key else []
        said = [part["say"].format(**words) for part in parts if true.issuperset(part.get("when", []))]
        return " ".join(said) or None

    return {
        name: [
            Item(str(item["item"]), item["asks"], answer(item.get("answer")), item.get("authors"))
            for item in guideline["items"]
        ]
        for name, guideline in _content()["guidelines"].items()
    }


def write_checklists(path: Path, config: Config, sources: ReportSources) -> None:
    """CHECKLIST.md: a list for each guideline."""
    text = ["# Reporting checklists", ""]
    text += ["What this run answers by itself, and what is open: only the authors of a paper can know it.", ""]
    if config.phantom is not None:
        text += ["The cohort is synthetic. What is said of participants is said of phantoms.", ""]
    for name, items in checklists(config, sources).items():
        whole, none = sum(item.whole for item in items), sum(item.answer is None for item in items)
        text += [f"## {name}", "", f"{_content()['guidelines'][name]['cite']}. Items in our words.", ""]
        text += [f"Of {len(items)} items {whole} are answered, {len(items) - whole - none} in part, {none} open.", ""]
        text += [f"- **{item.number}** *{item.asks}*: {item.words}" for item in items]
        text += [""]
    write_text(path, "\n".join(text))
