"""Figure: what a probe reads from the codes when it gets few labels."""

from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import count_words, line_with_intervals, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FAINT,
    FULL_WIDTH_MM,
    MUTED,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
)
from ldae.studies.common.method_styles import PROBES, present

PANELS = (
    ("auc_ad_test", "Diagnosis, test subjects", "AUC, AD against CN", 0.5),
    ("age_mae_test", "Age, test subjects", "mean absolute error (years)", None),
)


@house_style()
def figure_label_efficiency(estimates: str | Path, stem: str | Path) -> None:
    """Metrics on test subjects against the number of training subjects with a label, one line per feature set.

    Args:
        estimates: ``evaluate/probe_checks/label_efficiency.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(estimates)
    if all(rows_of(table, metric).empty for metric, *_ in PANELS):
        empty_figure(stem, why_missing(table, PANELS[0][0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 78)
    panels = figure.subplots(1, 2)
    for axes, (metric, title, label, reference) in zip(panels, PANELS, strict=True):
        _draw(axes, table, metric, reference)
        axes.set_title(title)
        axes.set_ylabel(label)
    handles: dict[str, Artist] = {}
    for axes in panels:
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, handlelength=2.2)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


def _draw(axes: Axes, table: pd.DataFrame, metric: str, reference: float | None) -> None:
    rows = rows_of(table, metric)
    if rows.empty:
        say_why_empty(axes, why_missing(table, metric))
        return
    if reference is not None:
        axes.axhline(reference, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    methods = present(PROBES, rows["method"])
    for place, (name, method) in enumerate(methods.items()):
        own = rows[rows["method"] == name].sort_values("fraction")
        shifted = own["n_train_subjects"] * 1.04 ** (place - (len(methods) - 1) / 2)  # intervals side by side
        style = {"color": method.colour, "marker": method.marker, "linestyle": method.dash, "markersize": 4.5}
        line_with_intervals(axes, shifted, own, label=method.label, **style)
    axes.set_xscale("log")
    counts = sorted(set(table.loc[table["metric"] == metric, "n_train_subjects"]))
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlim(0.8 * counts[0], 1.25 * counts[-1])
    axes.minorticks_off()
    axes.grid(axis="y", color=FAINT)
    drawn = rows[rows["method"].isin(methods)]
    axes.set_xlabel(f"training subjects with a label\n{count_words(drawn['n_subjects'])} test subjects")
