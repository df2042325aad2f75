"""Figure: how wrong every edit is, and what it does."""

from pathlib import Path

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
from ldae.studies.counterfactual.record import ROWS

PANELS = (
    ("image_error", "Distance from the true change", "0: the truth; 1: no edit", 1.0),
    ("image_cosine", "Same voxels, same way", "cosine with the true change", 0.0),
    ("outside_share", "Change in the wrong place", "share outside the true region", None),
    ("ventricle_ml_amount", "Ventricles, of the true change", "1: all of it", 1.0),
    ("independent_effect", "Seen by an independent probe", "1: a whole diagnosis", 1.0),
    ("back_share", "Left when taken back", "share of the edit", 0.0),
)


@house_style()
def figure_counterfactual(summary: Path, stem: Path) -> None:
    """Every method by six measures, each with its interval.

    Args:
        summary: ``evaluate/counterfactual/summary.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(summary)
    if all(rows_of(table, metric).empty for metric, *_ in PANELS):
        empty_figure(stem, why_missing(table, PANELS[0][0]))
        return
    shown = table[table["metric"].isin([metric for metric, *_ in PANELS])]
    methods = present(ROWS, shown["method"])
    figure = new_figure(FULL_WIDTH_MM, 34 + 12 * len(methods))
    panels = figure.subplots(3, 2)
    for place, (axes, (metric, title, label, reference)) in enumerate(zip(panels.ravel(), PANELS, strict=True)):
        forest(axes, shown, metric, methods, reference, names=place % 2 == 0 or rows_of(shown, metric).empty)
        axes.set_title(title)
        if not rows_of(shown, metric).empty:
            axes.set_xlabel(label + subjects_line(shown, metric))
    letter_panels(list(panels.ravel()))
    save_figure(figure, stem, shown)
