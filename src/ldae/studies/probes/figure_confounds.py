"""Figure: field strength and study phase read from the codes, and the main results with confounds held fixed."""

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
from ldae.studies.common.method_styles import PROBES, Method, present

READ = ("auc_field_strength_cv", "auc_study_phase_cv")
WITHIN = "auc_ad_cv_within_field_strength"
CONTROLS = "age_mae_cv_cn"
SHOWN = ("oracle", "ldae", "dae", "pca_voxels", "region_volumes", "untrained_encoder")  # all stand in the table


@house_style()
def figure_confounds(estimates: str | Path, stem: str | Path) -> None:
    """AUC of field strength and of study phase, of the diagnosis within each field strength, age error of controls.

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
        _panel(axes, table, metric, title, label, 0.5)
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
