"""Figure: the reconstruction table, drawn."""

from pathlib import Path

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import forest, rows_of, why_missing
from ldae.studies.common.figure_style import (
    FULL_WIDTH_MM,
    empty_figure,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
)
from ldae.studies.common.method_styles import RECONSTRUCTION, present


@house_style()
def figure_reconstruction_methods(summary: str | Path, ventricles: str | Path, stem: str | Path) -> None:
    """Similarity, error and preserved ventricle volume of every way to reconstruct a test scan, with intervals.

    Args:
        summary: ``evaluate/reconstruction/summary.tsv``.
        ventricles: ``evaluate/reconstruction/ventricles.tsv``.
        stem: output path without suffix.
    """
    table, volumes = read_tsv(summary), read_tsv(ventricles)
    if rows_of(table, "ssim_w11_brain").empty:
        empty_figure(stem, why_missing(table, "ssim_w11_brain"))
        return
    methods = present(RECONSTRUCTION, table["method"])
    figure = new_figure(FULL_WIDTH_MM, 40 + 9 * len(methods))
    panels = figure.subplots(2, 2).ravel()
    forest(panels[0], table, "ssim_w11_brain", methods)
    forest(panels[1], table, "psnr", methods, names=False)
    forest(panels[2], table, "ssim_w3_paper", methods)
    metric = "r_original" if rows_of(volumes, "r_truth").empty else "r_truth"
    forest(panels[3], volumes, metric, methods, names=False)
    letter_panels(list(panels))
    save_figure(figure, stem, table)
