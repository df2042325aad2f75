"""All studies: every ``studies/<name>/record.py``, checked against each other. There is no other list of studies."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

from ldae.core.closure import import_all
from ldae.core.errors import UserError
from ldae.studies.common.study import Card, Figure, FinishedTable, Headline, Study, Table

if TYPE_CHECKING:
    from ldae.config import Config

Need = tuple["Callable[[Config], bool]", str]
NEEDS: dict[str, Need] = {  # what a study may need -> whether a configuration has it, and why not
    "diagnosis": (
        lambda config: config.manifest.require_diagnosis,
        "the diagnosis of the scans need not be known (manifest.require_diagnosis: false)",
    ),
    "training": (
        lambda config: config.model is None,
        "the model is frozen, and its training scans stay where it was trained",
    ),
    "truth": (lambda config: config.phantom is not None, "the truth is known of phantoms alone"),
}

FOLDERS = ("tables", "timings")  # of tables, below ``paper``
TAKEN = {"headline", "run", "flow", "differences", "provenance"}  # sections that the report has by itself


def checked(studies: Iterable[Study], folders: Iterable[str]) -> tuple[Study, ...]:
    """The studies in their order.

    Args:
        studies: by the name of their folder, in any order.
        folders: names of the folders of studies.

    Raises:
        UserError: a folder has no record, what is listed is no tuple, two studies claim the same order, figure, table,
            section or key of the headline, a table is shown that no study writes, a name or folder is impossible, or a
            need is unknown.
    """
    ordered = tuple(sorted(studies, key=lambda study: study.order))
    without = sorted(set(folders) - {study.name for study in ordered})
    if without:
        raise UserError(f"studies/{without[0]} has no record.py with a STUDY of this name; every study has one.")
    for study in ordered:
        _check_tuples(study)
    claims = {
        "order": [str(study.order) for study in ordered],
        "figure": [figure.name for figure in figures(ordered)],
        "table": [table.name for table in tables(ordered)],
        "section": [section.anchor for study in ordered for section in study.sections],
        "headline key": [number.key for number in headline(ordered)],
        "order of a card": [str(card.order) for study in ordered for card in study.cards],
    }
    for kind, names in claims.items():
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise UserError(f"studies/*/record.py: the {kind} {twice[0]} is given twice; each is given once.")
    for study in ordered:
        _check(study, set(claims["table"]))
    return ordered


def _check_tuples(study: Study) -> None:
    """``shows=(Estimates(...))`` lacks a comma and is no tuple; so for everything that a record lists."""
    lists = {name: getattr(study, name) for name in ("sections", "tables", "headline", "cards")}
    if isinstance(study.sections, tuple):
        lists |= {f"what section {section.anchor} shows": section.shows for section in study.sections}
    for name, listed in lists.items():
        if not isinstance(listed, tuple):
            raise UserError(f"studies/{study.name}/record.py: {name} must be a tuple; mind the comma of `(one,)`.")


def _check(study: Study, written: set[str]) -> None:
    """What a record says must be possible on its own, and its finished tables must be among those written."""
    place = f"studies/{study.name}/record.py"
    for item in study.shows:
        if isinstance(item, FinishedTable) and item.name not in written:
            raise UserError(f"{place} shows the table {item.name}, which no study has among its tables.")
    for figure in study.figures:
        if not re.fullmatch(r"figure_[a-z0-9_]+", figure.name):
            raise UserError(f"{place}: a figure is called figure_<lower_case_words>, not {figure.name!r}.")
    for table in study.tables:
        if table.folder not in FOLDERS or (table.public and table.folder != "tables"):
            raise UserError(
                f"{place}: the table {table.name} in the folder {table.folder!r}; a table is in 'tables', or in "
                "'timings' and not public."
            )
    for section in study.sections:
        if section.anchor in TAKEN:
            raise UserError(f"{place}: the report has a section {section.anchor!r} of its own; choose another anchor.")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", section.anchor):
            raise UserError(f"{place}: the anchor {section.anchor!r} of a section is not lower_case_words.")
    unknown = sorted(study.needs - NEEDS.keys())
    if unknown:
        raise UserError(f"{place} needs {unknown[0]!r}; what can be needed is {', '.join(sorted(NEEDS))}.")


def figures(studies: Iterable[Study]) -> list[Figure]:
    """Every figure, in the order of the report."""
    return [figure for study in studies for figure in study.figures]


def tables(studies: Iterable[Study]) -> list[Table]:
    """Every table that is written below ``paper``."""
    return [table for study in studies for table in study.tables]


def headline(studies: Iterable[Study]) -> list[Headline]:
    """Every number of headline.json."""
    return [number for study in studies for number in study.headline]


def cards(studies: Iterable[Study]) -> list[Card]:
    """The numbers at the head of the report, in their order."""
    return sorted((card for study in studies for card in study.cards), key=lambda card: card.order)


def public(items: Sequence[Figure] | Sequence[Table]) -> tuple[str, ...]:
    """Names of those figures or tables that may leave the machine."""
    return tuple(item.name for item in items if item.public)


def missing(study: Study, config: "Config") -> str | None:
    """Why a study cannot be run with this configuration; None where it can."""
    reasons = [reason for need, (known, reason) in NEEDS.items() if need in study.needs and not known(config)]
    return "; ".join(reasons) or None


def runnable(config: "Config") -> tuple[Study, ...]:
    """The studies that can be run with this configuration, in their order: their rule files are included."""
    return tuple(study for study in STUDIES if missing(study, config) is None)


def require_rules(folder: Path) -> None:
    """Every study has its rule file.

    Raises:
        UserError: ``<folder>/<name>.smk`` of a study is missing.
    """
    for study in STUDIES:
        if not (folder / f"{study.name}.smk").is_file():
            raise UserError(f"{folder / study.name}.smk is missing: the rules of the study {study.name} stand there.")


def _found() -> tuple[Study, ...]:
    studies = []
    try:
        modules = import_all("ldae.studies.*.record")
    except (ImportError, NameError, TypeError, ValueError) as error:
        place = _innermost(error)
        raise UserError(f"{place} cannot be read: {type(error).__name__}: {error}.") from error
    for module in modules:
        folder = module.__name__.split(".")[2]
        study = getattr(module, "STUDY", None)
        if not isinstance(study, Study) or study.name != folder:
            raise UserError(f"studies/{folder}/record.py: its STUDY must be a Study with the name {folder!r}.")
        studies.append(study)
    folders = [path.parent.name for path in Path(__file__).parent.glob("*/*.py")]
    return checked(studies, set(folders) - {"common"})


def _innermost(error: Exception) -> str:
    """File and line of ours where an error arose, below ``src/ldae``."""
    package = Path(__file__).parents[1]
    frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(package)]
    return f"{Path(frames[-1].filename).relative_to(package)}, line {frames[-1].lineno}"


STUDIES = _found()
