"""The quality-control mosaic that preprocessing drew, placed among the figures."""

import shutil
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.image import imread

from ldae.core.files import atomic_path, read_tsv, write_tsv
from ldae.studies.common.figure_style import FULL_WIDTH_MM, house_style


@house_style()
def figure_qc(mosaic: str | Path, qc: str | Path, stem: str | Path) -> None:
    """The mosaic as it is (``stem.png``), inside an SVG, and the measures of every scan (``stem.tsv``).

    Args:
        mosaic: PNG.
        qc: one row of quality measures per scan.
        stem: output path without suffix.
    """
    with atomic_path(f"{stem}.png") as temporary:
        shutil.copyfile(mosaic, temporary)
    picture = imread(mosaic)
    height, width = picture.shape[:2]
    inches = FULL_WIDTH_MM / 25.4
    figure = Figure(figsize=(inches, inches * height / width))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(picture, aspect="auto")
    with atomic_path(f"{stem}.svg") as temporary:
        figure.savefig(temporary, format="svg", dpi=width / inches, metadata={"Date": None, "Creator": None})
    write_tsv(f"{stem}.tsv", read_tsv(qc, dtype=str))
