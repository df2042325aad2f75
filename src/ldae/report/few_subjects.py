"""Numbers that rest on few subjects do not leave the machine: a mean over one subject is that subject.

In the public bundle every estimate of fewer subjects than ``public_subjects`` is left out, wherever it stands: in the
long tables behind figures and report, in the paper's tables, in headline.json and the model card. Figures are drawn
again from the tables that are left. On whom a number rests says the column of subjects beside it, or the record of its
study (:class:`ldae.studies.common.study.Table`); a number of which nobody says so is left out.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.core.closure import import_all
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json, write_text, write_tsv
from ldae.report.model_card import estimate_words
from ldae.studies.common.chance import CHANCE
from ldae.studies.common.paper_tables import write_table
from ldae.studies.common.study import Figure, Study, Table
from ldae.studies.registry import STUDIES
from ldae.studies.registry import figures as figures_of

# beside n_subjects
ESTIMATE = ("value", "low", "high", "p", "p_holm", *CHANCE, "sd_of_draws", "n_rows", "redrawn", "n_replicates")
OWN_COUNT = re.compile(r"\(n = (\d+)\)")
COUNTS = re.compile(r"subjects(_\w+)?|\w+_subjects")
OF_OTHERS = re.compile(r"paper_\w+|n_\w+|\w+_published|model_\w+")  # not this cohort's test subjects
KEYS = {
    "method", "protocol", "rival", "metric", "classes", "kind", "solver", "steps", "fraction", "diagnosis", "quantity",
    "basis", "values_in_code", "note",
}  # fmt: skip  # what a row is about
NUMBER = re.compile(r"\d|\binf\b|better|worse|not told apart")  # or what follows from one
REASON = re.compile(r"n/a \(.*\d")  # it may count those of a class
TOTAL = "all"  # the row of a table of groups that counts everybody
TRAINING, VALIDATION = "figure_training", "validation_"


def few(fewest: int) -> str:
    """Why a number is left out."""
    return f"fewer than {fewest} subjects"


def without_few(estimates: pd.DataFrame, fewest: int, splits_few: bool = False) -> pd.DataFrame:
    """A long table of estimates, without the numbers of those of fewer subjects; their rows say why.

    Args:
        splits_few: all of it rests on a split of fewer subjects, whatever its rows count.
    """
    if "n_subjects" not in estimates or "value" not in estimates:
        return estimates
    small = estimates["n_subjects"].between(1, fewest - 1) | (
        estimates["value"].notna() & (splits_few | ~(estimates["n_subjects"] >= fewest))
    )
    if {"grouping", "level"} <= set(estimates):  # parts of what another table has as a whole
        whole = [name for name in ("method", "metric", "grouping") if name in estimates]
        for _, group in estimates.groupby(whole):
            small[group.index] |= also_hidden(group["n_subjects"], small[group.index], fewest)
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


def also_hidden(counts: pd.Series, hidden: pd.Series, fewest: int) -> pd.Series:
    """Which groups of a whole are hidden as well, the smallest first, so that none follows from the whole and the rest.

    Args:
        counts: subjects of each group.
        hidden: groups that are hidden for their number.
        fewest: as many subjects as must hide together, in two groups or more.
    """
    hidden = hidden & (counts > 0)
    also = pd.Series(False, index=counts.index)
    for place in counts[(counts > 0) & ~hidden].sort_values(kind="stable").index:
        together = hidden | also
        if not hidden.any() or (together.sum() > 1 and counts[together].sum() >= fewest):
            break
        also[place] = True
    return also


def table_without_few(
    table: pd.DataFrame, fewest: int, counted_by: Callable[[str], str] | None = None, splits_few: bool | None = None
) -> pd.DataFrame:
    """A table of the paper (cells as text), without the numbers of rows or single cells that rest on fewer subjects.

    A cell may say its own number, ``(n = 4)``. In a table with a row for ``all``, further groups are hidden where a
    hidden one would follow from the others; where there is no other, that of all.

    Args:
        counted_by: column -> the column that counts its subjects; every one where there is none of that name.
        splits_few: whether the splits that all of it rests on have fewer subjects; None: it rests on no whole split.
    """
    left = table.astype(object).copy()
    counts = [str(name) for name in table if COUNTS.fullmatch(str(name)) and not OF_OTHERS.fullmatch(str(name))]
    numbers = table[counts].apply(pd.to_numeric, errors="coerce")
    nobody = pd.Series(splits_few if splits_few is not None else not counts, index=table.index)
    for column in table:
        if column in KEYS or OF_OTHERS.fullmatch(str(column)):
            continue
        own = column if column in counts else counted_by(str(column)) if counted_by else ""
        known = numbers[[own] if own in counts else counts]
        hidden = nobody | ((known >= 1) & (known < fewest)).any(axis=1)
        total = table.iloc[:, 0] == TOTAL
        if total.sum() == 1 and counts and hidden.any():
            groups = ~total
            least = known.min(axis=1)
            also = also_hidden(least[groups], hidden[groups], fewest)
            together = (hidden & (least > 0))[groups] | also
            follows = together.sum() == 1 or 0 < least[groups][together].sum() < fewest
            also = also.reindex(table.index, fill_value=False) | (total & follows)
        else:
            also = pd.Series(False, index=table.index)
        for place in table.index[hidden | also]:
            if column in counts and not also[place]:
                left.at[place, column] = f"<{fewest}"
            else:
                left.at[place, column] = _hidden(left.at[place, column])
        for place, cell in left[column].items():
            own_count = OWN_COUNT.search(cell) if isinstance(cell, str) else None
            if (own_count and int(own_count[1]) < fewest) or REASON.match(str(cell)):
                left.at[place, column] = "n/a"
    return left


def _hidden(cell: Any) -> Any:
    return "n/a" if NUMBER.search(str(cell)) else cell


def headline_without_few(headline: Mapping[str, Any], fewest: int) -> dict[str, Any]:
    """headline.json without the numbers of fewer subjects; they give their reason."""
    return {
        key: {"value": None, "reason": few(fewest)}
        if isinstance(item, dict) and item.get("value") is not None and item.get("n_subjects", fewest) < fewest
        else item
        for key, item in headline.items()
    }


def reduce_estimates(evaluate: Path, out: Path, fewest: int, splits: Mapping[str, int]) -> list[str]:
    """Write the tables of the studies to ``out``, without the numbers of fewer subjects.

    Args:
        splits: how many subjects each has.

    Returns:
        the tables in which something was left out.
    """
    changed, studies = [], {study.name: study for study in STUDIES}
    for path in sorted([*evaluate.rglob("*.tsv"), *evaluate.rglob("*.json")]):
        name = path.relative_to(evaluate).as_posix()
        if path.suffix == ".json":
            write_json(out / name, read_json(path))
            continue
        table = read_tsv(path)
        study = studies.get(name.split("/")[0])
        left = without_few(table, fewest, bool(study and splits_few(study, splits, fewest)))
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


def splits_few(study: Study, splits: Mapping[str, int], fewest: int) -> bool | None:
    """Whether a split that all numbers of a study rest on has fewer subjects; None: its tables count their own."""
    return any(splits.get(name, 0) < fewest for name in study.splits) if study.splits else None


def redraw_training(figures: Path, out: Path, fewest: int, splits: Mapping[str, int]) -> None:
    """Draw the learning curves again without those of a split of fewer subjects; without any they are withheld."""
    table = figures / f"{TRAINING}.tsv"
    if not table.is_file():
        return
    shown = read_tsv(table).reindex(columns=["stage", "step", "metric", "value"])
    validation = shown["metric"].astype(str).str.startswith(VALIDATION)
    kept = shown[validation.map({True: splits.get("validation", 0), False: splits.get("train", 0)}) >= fewest]
    if kept.empty:
        table.unlink()
        table.with_suffix(".svg").unlink(missing_ok=True)
    elif len(kept) < len(shown):
        curves = {}
        for stage, rows in kept.groupby("stage", sort=False):
            lines = [
                json.dumps({"step": step, **dict(zip(group["metric"], group["value"], strict=True))})
                for step, group in rows.groupby("step")
            ]
            curves[str(stage)] = out / f"{stage}.jsonl"
            write_text(curves[str(stage)], "\n".join(lines) + "\n")
        drawing(TRAINING)(curves, out / TRAINING)
        for suffix in (".svg", ".tsv"):
            write_text(figures / f"{TRAINING}{suffix}", (out / f"{TRAINING}{suffix}").read_text(encoding="utf-8"))


def withhold(figures: Path, fewest: int, splits: Mapping[str, int]) -> list[str]:
    """Take away public figures that nobody can draw again, where their own table has numbers of fewer subjects or
    nobody says on how many they rest.

    Returns:
        their names.
    """
    known = {figure.name: (figure, study) for study in STUDIES for figure in study.figures}
    again, withheld = {*redrawn(), TRAINING}, []
    for table in sorted(figures.glob("*.tsv")):
        if table.stem in again or _leaves(read_tsv(table), known.get(table.stem), splits, fewest):
            continue
        for path in (table, table.with_suffix(".svg")):
            path.unlink(missing_ok=True)
        withheld.append(table.stem)
    return withheld


def _leaves(shown: pd.DataFrame, known: tuple[Figure, Study] | None, splits: Mapping[str, int], fewest: int) -> bool:
    if known and not known[0].counted:
        return True
    on_splits = splits_few(known[1], splits, fewest) if known else None
    counts = on_splits is False or "n_subjects" in shown
    return counts and not on_splits and without_few(shown, fewest).equals(shown)


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


def counting(table: Table) -> Callable[[str], str] | None:
    """The function that says by which column another one of a table is counted; none where the record names none.

    Raises:
        UserError: it stands in no ``table.py``.
    """
    if not table.counted_by:
        return None
    study = next(study.name for study in STUDIES if table in study.tables)
    modules = {module.__name__.split(".")[-2]: module for module in import_all("ldae.studies.*.table")}
    found = getattr(modules.get(study), table.counted_by, None)
    if found is None:
        raise UserError(f"studies/{study}/table.py has no {table.counted_by}, which its record names.")
    return found


def reduce_tables(tables: Path, fewest: int, splits: Mapping[str, int]) -> None:
    """Write the public tables again in which something has to be left out, in all three forms.

    Args:
        splits: how many subjects each has.
    """
    known = {table.name: (table, study) for study in STUDIES for table in study.tables}
    for path in sorted(tables.glob("*.tsv")):
        plan, study = known.get(path.stem, (None, None))
        if plan and not plan.counted:
            continue
        table = read_tsv(path, dtype=str).fillna("n/a")
        on_splits = splits_few(study, splits, fewest) if study else None
        left = table_without_few(table, fewest, counting(plan) if plan else None, on_splits)
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
