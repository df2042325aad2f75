"""The house style of every figure: fonts, colours, sizes in mm, and files that are byte-identical on a re-run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from matplotlib.typing import LineStyleType

from ldae.core.contamination import MARK, contamination_of
from ldae.core.files import atomic_path, write_tsv
from ldae.studies.common.lean_svg import lean

FULL_WIDTH_MM = 180
PNG_DPI = 200
MARK_INCHES = 0.2  # height of the strip above a figure for the mark
SVG_PICTURE_DPI = 150  # of pictures inside an SVG; its lines and words have no resolution

INK = "#1d2733"
MUTED = "#6b7683"
FAINT = "#d9dee4"
DIAGNOSES = ("CN", "MCI", "AD")
# Distinct in lightness as well as hue, so the three groups survive every colour deficiency and a grey print.
DIAGNOSIS_COLOURS = {"CN": "#2f7ab8", "MCI": "#e3a32c", "AD": "#ad2a4a"}
DIAGNOSIS_MARKERS = {"CN": "o", "MCI": "D", "AD": "^"}
# The method of the paper is dark and strong, its rivals are lighter, "no model" is grey.
SERIES_COLOURS = ("#14506b", "#d1603d", "#5fa58d", "#8d6cab", "#b9a13a", "#8a949e")
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P")
SERIES_DASHES: tuple[LineStyleType, ...] = (
    "-",
    (0, (5, 2)),
    (0, (2, 1.5)),
    "-.",
    ":",
    (0, (7, 2, 1, 2)),
)

STYLE: dict[Any, object] = {  # the names are those of matplotlib's settings
    "font.family": "DejaVu Sans",  # travels with matplotlib: the same glyphs on every machine
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.interpolation": "nearest",
    "svg.fonttype": "path",
    "svg.hashsalt": "ldae",  # element ids come from it instead of from a random number
    "path.simplify": True,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Inside the block, or the decorated function, matplotlib draws in the house style, not the user's."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """An empty figure of the given size, laid out so that nothing overlaps; free of pyplot's global state."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")


def save_figure(figure: Figure, stem: str | Path, data: pd.DataFrame | None = None, on_test_scans: bool = True) -> None:
    """Write ``stem.svg``, ``stem.png`` and, with ``data``, ``stem.tsv``; equal figures give equal bytes.

    The metadata carry neither time nor library version, and ids in the SVG come from a fixed salt.

    Args:
        on_test_scans: it shows what trained networks do with test scans. Where they may have seen these, figure and
            data say so.
    """
    freeze_layout(figure)
    page = None  # its own size
    if on_test_scans and contamination_of(stem):
        page = write_mark(figure)
        data = None if data is None else data.assign(mark=MARK)
    with atomic_path(f"{stem}.svg") as temporary:
        figure.savefig(
            temporary,
            format="svg",
            dpi=SVG_PICTURE_DPI,
            bbox_inches=page,
            metadata={"Date": None, "Creator": None},
        )
        temporary.write_text(lean(temporary.read_text(encoding="utf-8")), encoding="utf-8")
    with atomic_path(f"{stem}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=PNG_DPI, bbox_inches=page, metadata={"Software": None})
    if data is not None:
        write_tsv(f"{stem}.tsv", data)


def write_mark(figure: Figure) -> Bbox:
    """The word ``contaminated`` above a figure, at the right; returns the page (inches) that holds both."""
    width, height = figure.get_size_inches()
    figure.text(
        1 - 0.06 / width,
        1 + MARK_INCHES / 2 / height,
        MARK,
        ha="right",
        va="center",
        fontweight="bold",
        color="white",
        bbox={"boxstyle": "square,pad=0.25", "facecolor": DIAGNOSIS_COLOURS["AD"], "edgecolor": "none"},
    )
    return Bbox.from_bounds(0, 0, width, height + MARK_INCHES)


def freeze_layout(figure: Figure) -> None:
    """Lay the figure out once, and keep the panels' places rounded.

    The layout's solver is not reproducible in the last bits of a float, and the ids of clip paths in an SVG are hashes
    of such floats.
    """
    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.get_axes():
        left, bottom, width, height = (round(part, 5) for part in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def say_why_empty(axes: Axes, reason: str) -> None:
    """Fill a panel that has nothing to show with the reason, in words."""
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        reason,
        transform=axes.transAxes,
        ha="center",
        va="center",
        wrap=True,
        color=MUTED,
        style="italic",
        bbox={"boxstyle": "round,pad=0.8", "facecolor": "#f5f7f9", "edgecolor": FAINT},
    )


def empty_figure(stem: str | Path, reason: str) -> None:
    """The figure of a study that could not be run: one panel that says why."""
    figure = new_figure(FULL_WIDTH_MM, 40)
    say_why_empty(figure.subplots(), reason)
    save_figure(figure, stem, pd.DataFrame({"reason": [reason]}))


def letter_panels(panels: Sequence[Axes]) -> None:
    """Bold a, b, c ... at the outer top left of the panels."""
    for letter, axes in zip("abcdefghijklmnop", panels, strict=False):
        axes.annotate(
            letter,
            (0, 1),
            xycoords="axes fraction",
            xytext=(-22, 8),
            textcoords="offset points",
            fontsize=10,
            fontweight="bold",
            ha="left",
            va="bottom",
        )


def series_style(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Colour, marker and dash of each name, by its place in the list; more than six start over."""
    return {
        name: {
            "color": SERIES_COLOURS[place % len(SERIES_COLOURS)],
            "marker": SERIES_MARKERS[place % len(SERIES_MARKERS)],
            "linestyle": SERIES_DASHES[place % len(SERIES_DASHES)],
        }
        for place, name in enumerate(names)
    }
