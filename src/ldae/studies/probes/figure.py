"""Figures of what a linear probe reads: diagnosis and age beside their controls, confounds, few labels."""

from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import (
    count_words,
    few_mark,
    forest,
    line_with_intervals,
    rows_of,
    subjects_line,
    why_missing,
)
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
from ldae.studies.common.method_styles import GREY, LIGHT, PROBES, Method, present

PANELS = (
    ("auc_ad_cv", "Diagnosis, cross-validated", "AUC, AD against CN", 0.5),
    ("age_mae_cv", "Age, cross-validated", "mean absolute error (years)", None),
    ("auc_ad_test", "Diagnosis, test subjects", "AUC, AD against CN", 0.5),
    ("age_mae_test", "Age, test subjects", "mean absolute error (years)", None),
)
READ = ("auc_field_strength_cv", "auc_study_phase_cv")
WITHIN = "auc_ad_cv_within_field_strength"
CONTROLS = "age_mae_cv_cn"
SHOWN = ("oracle", "ldae", "dae", "pca_voxels", "region_volumes", "untrained_encoder")  # all stand in the table
LABEL_PANELS = (
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


@house_style()
def figure_confounds(estimates: str | Path, stem: str | Path) -> None:
    """AUC of field strength and study phase beside chance, of the diagnosis in each field strength, age of controls.

    Args:
        estimates: ``evaluate/probe_checks/confounds.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(estimates)
    if all(rows_of(table, metric).empty for metric in (*READ, WITHIN, CONTROLS)):
        empty_figure(stem, why_missing(table, READ[0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 116)
    panels = figure.subplots(2, 2, height_ratios=[1, 2.4]).ravel()
    titles = ("Field strength", "Study phase")
    for axes, metric, title in zip(panels, READ, titles, strict=False):
        classes = table.loc[(table["metric"] == metric) & table["classes"].notna(), "classes"]
        label = f"AUC: {classes.iloc[0]}" if len(classes) else "AUC"
        _panel(axes, table, metric, title, label, None)
        _draw_chance(axes, table[table["metric"] == metric])
    within = table[(table["metric"] == WITHIN) & table["method"].isin(SHOWN)]
    both = within.assign(method=within["method"] + " " + within["classes"].astype(str))
    strengths = sorted(within["classes"].dropna().unique())
    methods = {
        f"{name} {strength}": Method(f"{method.label}, {strength}", method.colour, method.marker)
        for name, method in present(PROBES, within["method"]).items()
        for strength in strengths
    }
    forest(panels[2], both, WITHIN, methods, 0.5)
    panels[2].set_title("AD against CN by field strength")
    panels[2].set_xlabel("AUC" + subjects_line(both[both["method"].isin(methods)], WITHIN))
    controls = table[table["method"].isin((*SHOWN, "mean_predictor"))]
    _panel(panels[3], controls, CONTROLS, "Age of controls alone", "mean absolute error (years)", None)
    for axes in panels:
        axes.locator_params(axis="x", nbins=3)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


def _panel(axes, table: pd.DataFrame, metric: str, title: str, label: str, reference: float | None) -> None:
    methods = present(PROBES, table.loc[table["metric"] == metric, "method"])
    forest(axes, table, metric, methods, reference)
    axes.set_title(title)
    axes.set_xlabel(label + subjects_line(table[table["method"].isin(methods)], metric))


def _draw_chance(axes: Axes, rows: pd.DataFrame) -> None:
    """Below each method's interval, where 95 % of the readings of exchanged codes lie, and their mean."""
    chance = rows.set_index("method").reindex(present(PROBES, rows["method"]))
    if "chance" not in chance or chance["chance"].isna().all():
        return
    for place, (middle, low, high) in enumerate(chance[["chance", "chance_low", "chance_high"]].to_numpy(float)):
        axes.plot([low, high], [place, place], color=LIGHT, linewidth=7, alpha=0.55, solid_capstyle="butt", zorder=0.5)
        axes.plot([middle, middle], [place - 0.18, place + 0.18], color=GREY, linewidth=1, zorder=0.6)


@house_style()
def figure_label_efficiency(estimates: str | Path, stem: str | Path) -> None:
    """Metrics on test subjects against the number of training subjects with a label, one line per feature set.

    Args:
        estimates: ``evaluate/probe_checks/label_efficiency.tsv``.
        stem: output path without suffix.
    """
    table = read_tsv(estimates)
    if all(rows_of(table, metric).empty for metric, *_ in LABEL_PANELS):
        empty_figure(stem, why_missing(table, LABEL_PANELS[0][0]))
        return
    figure = new_figure(FULL_WIDTH_MM, 78)
    panels = figure.subplots(1, 2)
    for axes, (metric, title, label, reference) in zip(panels, LABEL_PANELS, strict=True):
        _draw_curves(axes, table, metric, reference)
        axes.set_title(title)
        axes.set_ylabel(label)
    handles: dict[str, Artist] = {}
    for axes in panels:
        handles |= {text: handle for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, handlelength=2.2)
    letter_panels(list(panels))
    save_figure(figure, stem, table)


def _draw_curves(axes: Axes, table: pd.DataFrame, metric: str, reference: float | None) -> None:
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
    axes.set_xlabel(
        f"training subjects with a label\n{count_words(drawn['n_subjects'])} test subjects{few_mark(drawn)}"
    )
