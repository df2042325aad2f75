"""Numbers that rest on few subjects do not leave the machine: a mean over one subject is that subject.

In the public bundle every estimate of fewer subjects than ``public_subjects`` is left out, wherever it stands: in the
long tables behind figures and report, in the paper's tables, in headline.json and the model card. Figures are drawn
again from the tables that are left.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.core.closure import import_all
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json, write_text, write_tsv
from ldae.report.model_card import estimate_words
from ldae.studies.common.paper_tables import write_table
from ldae.studies.probes.reading import CHANCE
from ldae.studies.registry import STUDIES
from ldae.studies.registry import figures as figures_of

ESTIMATE = ("value", "low", "high", *CHANCE, "n_rows", "redrawn", "n_replicates")  # beside n_subjects
OWN_COUNT = re.compile(r"\(n = (\d+)\)")
COUNTS = re.compile(r"subjects(_\w+)?|\w+_subjects")
OF_OTHERS = re.compile(r"paper_\w+|n_\w+|\w*train\w*|\w+_published|model_\w+")  # not this cohort's test subjects
NUMBER = re.compile(r"[<≥]?\s*[-+−]?\d")


def few(fewest: int) -> str:
    """Why a number is left out."""
    return f"fewer than {fewest} subjects"


def without_few(estimates: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """A long table of estimates, without the numbers of those of fewer subjects; their rows say why."""
    if "n_subjects" not in estimates or "value" not in estimates:
        return estimates
    small = estimates["n_subjects"].between(1, fewest - 1) | (
        estimates["value"].notna() & ~(estimates["n_subjects"] >= fewest)
    )
    left = estimates.copy()
    if not small.any():
        return left
    for column in ESTIMATE:
        if column in left:
            left[column] = left[column].where(~small)
    left["n_subjects"] = left["n_subjects"].where(~small, 0)
    if "note" in left:
        left["note"] = left["note"].astype(object).where(~small, few(fewest))
    return left


def table_without_few(table: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """A table of the paper (cells as text), without the numbers of rows or single cells that rest on fewer subjects.

    ``subjects_ad`` counts for columns that end so, ``subjects`` for all; a cell may say its own number, ``(n = 4)``.
    """
    left = table.astype(object).copy()
    counts = [name for name in table if COUNTS.fullmatch(str(name)) and not OF_OTHERS.fullmatch(str(name))]
    for place in left.index:
        for name in counts:
            number = pd.to_numeric(table.at[place, name], errors="coerce")
            if pd.isna(number) or number >= fewest or number < 1:
                continue
            ending = str(name).removeprefix("subjects") if str(name).startswith("subjects_") else ""
            for column in left:
                own = str(column).endswith(ending) if ending else True
                if own and column not in counts and not OF_OTHERS.fullmatch(str(column)):
                    left.at[place, column] = _hidden(left.at[place, column])
            left.at[place, name] = f"<{fewest}"
        for column in left:
            cell = left.at[place, column]
            own_count = OWN_COUNT.search(cell) if isinstance(cell, str) else None
            if own_count and int(own_count[1]) < fewest:
                left.at[place, column] = "n/a"
    return left


def _hidden(cell: Any) -> Any:
    return "n/a" if NUMBER.match(str(cell)) else cell


def headline_without_few(headline: Mapping[str, Any], fewest: int) -> dict[str, Any]:
    """headline.json without the numbers of fewer subjects; they give their reason."""
    return {
        key: {"value": None, "reason": few(fewest)}
        if isinstance(item, dict) and item.get("value") is not None and item.get("n_subjects", fewest) < fewest
        else item
        for key, item in headline.items()
    }


def reduce_estimates(evaluate: Path, out: Path, fewest: int) -> list[str]:
    """Write the tables of the studies to ``out``, without the numbers of fewer subjects.

    Returns:
        the tables in which something was left out.
    """
    changed = []
    for path in sorted([*evaluate.rglob("*.tsv"), *evaluate.rglob("*.json")]):
        name = path.relative_to(evaluate).as_posix()
        if path.suffix == ".json":
            write_json(out / name, read_json(path))
            continue
        table = read_tsv(path)
        left = without_few(table, fewest)
        if not left.equals(table):
            changed.append(name)
        write_tsv(out / name, left, digits=12)
    return changed


def redraw(figures: Path, evaluate: Path, out: Path, changed: Iterable[str]) -> list[str]:
    """Draw the public figures of changed tables again.

    Args:
        figures: the public ones; the drawing and the table of each that is drawn again are replaced.
        evaluate: the reduced tables.
        out: ``<folder>/paper/figures`` beside ``<folder>/evaluate``, where they are drawn.

    Returns:
        names of the figures.
    """
    found, drawn = set(changed), []
    for name, tables in redrawn().items():
        if found.isdisjoint(tables) or not (figures / f"{name}.svg").is_file():
            continue
        drawing(name)(*(evaluate / table for table in tables), out / name)
        for suffix in (".svg", ".tsv"):
            write_text(figures / f"{name}{suffix}", (out / f"{name}{suffix}").read_text(encoding="utf-8"))
        drawn.append(name)
    return drawn


def withhold(figures: Path, fewest: int) -> list[str]:
    """Take away public figures that nobody can draw again and whose own table has numbers of fewer subjects.

    Returns:
        their names.
    """
    withheld, again = [], redrawn()
    for table in sorted(figures.glob("*.tsv")):
        shown = read_tsv(table)
        if table.stem not in again and not without_few(shown, fewest).equals(shown):
            for path in (table, table.with_suffix(".svg")):
                path.unlink(missing_ok=True)
            withheld.append(table.stem)
    return withheld


def redrawn() -> dict[str, tuple[str, ...]]:
    """Public figure that its study can draw again -> the tables that it is drawn from."""
    return {figure.name: figure.drawn_from for figure in figures_of(STUDIES) if figure.public and figure.drawn_from}


def drawing(name: str) -> Callable[..., None]:
    """The function of a figure, in whichever ``figure*.py`` of the studies it stands.

    Raises:
        UserError: it stands in none.
    """
    modules = [*import_all("ldae.studies.*.figure"), *import_all("ldae.studies.*.figure_*")]
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
    if found is None:
        raise UserError(f"No figure*.py of the studies has {name}, which a record says can be drawn again.")
    return found


def reduce_tables(tables: Path, fewest: int) -> None:
    """Write the public tables again in which something has to be left out, in all three forms."""
    for path in sorted(tables.glob("*.tsv")):
        table = read_tsv(path, dtype=str).fillna("n/a")
        left = table_without_few(table, fewest)
        if not left.equals(table.astype(object)):
            write_table(left, path.with_suffix(""), on_test_scans=False)


def reduce_headline(folder: Path, fewest: int) -> None:
    """headline.json, and the numbers that the model card repeats."""
    path, card = folder / "headline.json", folder / "MODEL_CARD.md"
    before = read_json(path)
    after = headline_without_few(before, fewest)
    if after == before:
        return
    write_json(path, after)
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        for key, item in before.items():
            if after[key] != item:
                text = text.replace(estimate_words(item), estimate_words(after[key]))
        write_text(card, text)
