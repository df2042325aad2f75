"""Figure: how much diagnosis and age a linear probe reads from the codes, beside its controls."""

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
from ldae.studies.common.method_styles import PROBES, present

PANELS = (
    ("auc_ad_cv", "Diagnosis, cross-validated", "AUC, AD against CN", 0.5),
    ("age_mae_cv", "Age, cross-validated", "mean absolute error (years)", None),
    ("auc_ad_test", "Diagnosis, test subjects", "AUC, AD against CN", 0.5),
    ("age_mae_test", "Age, test subjects", "mean absolute error (years)", None),
)


@house_style()
def figure_probes(summary: str | Path, stem: str | Path) -> None:
    """AUC of AD against CN and error of age, cross-validated (top) and on test subjects (bottom).

    Args:
        summary: ``evaluate/probes/summary.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(summary)
    metrics = [metric for metric, *_ in PANELS]
    if all(rows_of(table, metric).empty for metric in metrics):
        empty_figure(stem, why_missing(table, metrics[0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 136)
    panels = figure.subplots(2, 2).ravel()
    for axes, (metric, title, label, reference) in zip(panels, PANELS, strict=True):
        methods = present(PROBES, table.loc[table["metric"] == metric, "method"])
        forest(axes, table, metric, methods, reference)
        axes.set_title(title)
        axes.set_xlabel(label + subjects_line(table[table["method"].isin(methods)], metric))
    letter_panels(list(panels))
    save_figure(figure, stem, table[table["metric"].isin(metrics)])
