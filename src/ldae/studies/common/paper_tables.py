"""The paper's tables from the studies' estimates: ours with intervals, and the published number beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.statistics import FEW_NOTE

if TYPE_CHECKING:  # not at run time: a measurement that formats numbers is not made again for words of a record
    from ldae.studies.common.study import PaperTable

TRAINING_SEEDS = 1  # the workflow trains every network once, with the configuration's one seed
SEEDS_SENTENCE = (
    "Every network was trained once (n_training_seeds = 1): the intervals are over subjects and do not cover how the "
    "numbers would vary between trainings."
)


def paper_table(plan: "PaperTable", evaluate: Path) -> pd.DataFrame:
    """One row per method: for each metric ``value [low, high]``, and the paper's number if there is one.

    The numbers themselves stand in the study's ``summary.tsv``.

    Args:
        plan: which estimates, from the study's record.
        evaluate: folder of the studies' results.
    """
    estimates = read_tsv(evaluate / plan.source)
    rows = []
    for method, group in estimates.groupby("method", sort=False):
        lines = group.set_index("metric")
        lines = lines.loc[[metric for metric in plan.metrics if metric in lines.index]]
        subjects, cells = estimate_cells(lines)
        row: dict[str, object] = {"method": method, "subjects": subjects, "n_training_seeds": TRAINING_SEEDS} | cells
        known = {metric: plan.published[method, metric] for metric in cells if (method, metric) in plan.published}
        row |= {f"{metric}_published": text for metric, text in known.items()}
        rows.append(row | {"note": FEW_NOTE if (lines["note"] == FEW_NOTE).any() else ""})
    table = pd.DataFrame(rows)
    shown = [f"{metric}{suffix}" for metric in plan.metrics for suffix in ("", "_published")]
    order = ["method", "subjects", "n_training_seeds", *shown, "note"]
    return table[[column for column in order if column in table]]


def estimate_cells(lines: pd.DataFrame) -> tuple[int, dict[str, str]]:
    """How many subjects the numbers of a row rest on, and the cells; a cell that rests on fewer says on how many.

    Args:
        lines: the estimates that are shown in one row, by metric. Those without a value rest on nobody.
    """
    subjects = row_subjects(lines)
    return subjects, {str(metric): format_estimate(line, subjects) for metric, line in lines.iterrows()}


def row_subjects(lines: pd.DataFrame) -> int:
    """The largest number of subjects that any of these estimates rests on; 0 where none has a value."""
    counts = lines.loc[lines["value"].notna(), "n_subjects"]
    return int(counts.max()) if len(counts) else 0


def format_estimate(line: pd.Series, subjects: int | None = None) -> str:
    """``0.873 [0.861, 0.884]``, or ``n/a (reason)``; two decimals from 10 on, four significant digits below 0.01.

    Args:
        subjects: the number that stands beside it; an estimate of other subjects ends with its own, ``(n = 23)``.
    """
    note = line["note"] if isinstance(line["note"], str) else None
    if pd.isna(line["value"]):
        return f"n/a ({note})" if note else "n/a"
    text = _number(line["value"])
    if not pd.isna(line["low"]):
        text += f" [{_number(line['low'])}, {_number(line['high'])}]"
    if subjects is not None and int(line["n_subjects"]) != subjects:
        text += f" (n = {int(line['n_subjects'])})"
    return text if note in (None, FEW_NOTE) else f"{text} ({note})"


def _number(value: float) -> str:
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.4g}"
