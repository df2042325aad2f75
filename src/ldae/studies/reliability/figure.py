"""Figure: agreement between scanners, and what the scanner leaves in each code."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import forest, rows_of, subjects_line, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
)
from ldae.studies.common.method_styles import present
from ldae.studies.reliability.names import GOAL
from ldae.studies.reliability.record import ROWS

PANELS = (
    ("icc_2_1_ad", "Logit of AD, between scanners", "ICC(2,1)", GOAL),
    ("icc_2_1_age", "Predicted age, between scanners", "ICC(2,1)", GOAL),
    ("icc_2_1_code_median", "Dimensions of the code", "median ICC(2,1)", None),
    ("icc_retest_ad", "Logit of AD, on one scanner", "ICC(1,1)", GOAL),
    ("scanner_accuracy", "Scanner read from the code", "share read rightly", None),
    ("share_scanner_code", "Variance of the code", "share that is the scanner's", 0.0),
)


@house_style()
def figure_reliability(summary: Path, stem: Path) -> None:
    """Every code by six measures, each with its interval.

    Args:
        summary: ``evaluate/reliability/summary.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(summary)
    shown = table[table["metric"].isin([metric for metric, *_ in PANELS])]
    if all(rows_of(shown, metric).empty for metric, *_ in PANELS):
        empty_figure(stem, why_missing(table, PANELS[0][0]))
        return
    methods = present(ROWS, shown["method"])
    figure = new_figure(FULL_WIDTH_MM, 34 + 12 * len(methods))
    panels = figure.subplots(3, 2)
    for place, (axes, (metric, title, label, reference)) in enumerate(zip(panels.ravel(), PANELS, strict=True)):
        line = chance(table) if metric == "scanner_accuracy" else reference
        forest(axes, shown, metric, methods, line, names=place % 2 == 0 or rows_of(shown, metric).empty)
        axes.set_title(title)
        if not rows_of(shown, metric).empty:
            axes.set_xlabel(label + subjects_line(shown, metric))
    letter_panels(list(panels.ravel()))
    save_figure(figure, stem, shown)


def chance(table: pd.DataFrame) -> float | None:
    """How often permuted scanners are read rightly, over all codes."""
    known = rows_of(table, "scanner_chance")["value"]
    return None if known.empty else float(known.mean())
