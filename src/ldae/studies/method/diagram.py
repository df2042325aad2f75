"""Diagrams: boxes, stacks and arrows on a page measured in millimetres."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon

from ldae.studies.common.figure_style import FAINT, FULL_WIDTH_MM, INK, MUTED

TRAINED, FROZEN, PLAIN, BAND = "#d5e8ee", "#e9ebee", "#ffffff", "#f6f8fa"
EDGES = {TRAINED: "#14506b", FROZEN: "#8a949e", PLAIN: "#6b7683"}


@dataclass(frozen=True)
class Block:
    """A drawn part: its centre and size (mm), for arrows to start and end at."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """(x, y) in the middle of the left edge, mm."""
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        """(x, y) in the middle of the right edge, mm."""
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        """(x, y) in the middle of the upper edge, mm."""
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> tuple[float, float]:
        """(x, y) in the middle of the lower edge, mm."""
        return self.x, self.y - self.height / 2


class Page:
    """A page as wide as the text; y runs upwards from its lower edge."""

    def __init__(self, height_mm: float):
        self.figure = Figure(figsize=(FULL_WIDTH_MM / 25.4, height_mm / 25.4))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, FULL_WIDTH_MM)
        self.axes.set_ylim(0, height_mm)
        self.axes.set_axis_off()

    def band(self, bottom: float, top: float, title: str, words: str) -> None:
        """A pale strip over the whole width with its title at the upper left."""
        shape = FancyBboxPatch(
            (3, bottom), FULL_WIDTH_MM - 6, top - bottom, "round,pad=0,rounding_size=2", fc=BAND, ec=FAINT, lw=0.6
        )
        self.axes.add_patch(shape)
        self.axes.text(6.5, top - 3, title, va="top", fontsize=8.5, fontweight="bold")
        self.axes.text(6.5, top - 7.6, words, va="top", fontsize=6.8, color=MUTED)

    def box(
        self, x: float, y: float, width: float, height: float, title: str, words: str = "", colour: str = TRAINED
    ) -> Block:
        """A rounded box with a bold title and smaller words below it."""
        shape = FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            "round,pad=0,rounding_size=1.6",
            fc=colour,
            ec=EDGES[colour],
            lw=0.9,
            ls="--" if colour == FROZEN else "-",
        )
        self.axes.add_patch(shape)
        lines = words.count("\n") + 1 if words else 0
        self.axes.text(x, y + 1.55 * lines, title, ha="center", va="center", fontsize=7.5, fontweight="bold")
        if words:
            self.axes.text(x, y - 1.9, words, ha="center", va="center", fontsize=6.3, color=INK, linespacing=1.35)
        return Block(x, y, width, height)

    def cuboid(self, x: float, y: float, size: tuple[float, float, float], name: str, words: str) -> Block:
        """A volume or a latent: a small cuboid (width, height, depth in mm) with its name inside, its shape below."""
        width, height, depth = size
        left, low = x - width / 2, y - height / 2
        shift, rise = 0.55 * depth, 0.35 * depth
        faces = {
            "#ffffff": [(left, low), (left + width, low), (left + width, low + height), (left, low + height)],
            "#eef1f4": [
                (left, low + height),
                (left + width, low + height),
                (left + width + shift, low + height + rise),
                (left + shift, low + height + rise),
            ],
            "#dde2e8": [
                (left + width, low),
                (left + width + shift, low + rise),
                (left + width + shift, low + height + rise),
                (left + width, low + height),
            ],
        }
        for colour, corners in faces.items():
            self.axes.add_patch(Polygon(corners, closed=True, fc=colour, ec=MUTED, lw=0.8, joinstyle="round"))
        self.axes.text(x, y, name, ha="center", va="center", fontsize=8)
        self.axes.text(x + shift / 2, low - 1.2, words, ha="center", va="top", fontsize=6.3, color=INK, linespacing=1.3)
        return Block(x + shift / 2, y, width + shift, height)

    def stack(self, x: float, y: float, size: tuple[float, float], count: int, words: str) -> Block:
        """Slices behind each other, words below."""
        width, height = size
        for place in reversed(range(count)):
            corner = (x - width / 2 + 1.1 * place, y - height / 2 + 0.9 * place)
            self.axes.add_patch(
                FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=0.6", fc="white", ec=MUTED, lw=0.7)
            )
        spread = 1.1 * (count - 1)
        self.axes.text(
            x + spread / 2, y - height / 2 - 1.2, words, ha="center", va="top", fontsize=6.3, linespacing=1.3
        )
        return Block(x + spread / 2, y, width + spread, height)

    def arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        words: str = "",
        bend: str = "",
        dashed: bool = False,
    ) -> None:
        """A straight arrow, or one with a right angle: ``bend`` "across" leaves sideways, "along" leaves upright."""
        angles = {
            "": "arc3,rad=0",
            "across": "angle,angleA=0,angleB=90,rad=2",
            "along": "angle,angleA=90,angleB=0,rad=2",
        }
        self.axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                connectionstyle=angles[bend],
                arrowstyle="-|>,head_length=3.2,head_width=1.6",
                color=INK,
                lw=0.9,
                ls=(0, (2.5, 2)) if dashed else "-",
                shrinkA=1,
                shrinkB=1,
            )
        )
        if words:
            middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
            self.axes.text(middle[0], middle[1] + 1.3, words, ha="center", va="bottom", fontsize=6.3, color=INK)

    def note(self, x: float, y: float, words: str, ha: str = "center", size: float = 6.6) -> None:
        """Words at (x, y) in mm, without a box; ``ha``: matplotlib's alignment, ``size`` in points."""
        self.axes.text(x, y, words, ha=ha, va="center", fontsize=size, color=INK, linespacing=1.4)

    def key(self, y: float, entries: dict[str, str]) -> None:
        """A line of coloured squares and their meaning."""
        x = 6.5
        for words, colour in entries.items():
            self.axes.add_patch(
                FancyBboxPatch(
                    (x, y - 1.3),
                    4,
                    2.6,
                    "round,pad=0,rounding_size=0.6",
                    fc=colour,
                    ec=EDGES[colour],
                    lw=0.8,
                    ls="--" if colour == FROZEN else "-",
                )
            )
            self.axes.text(x + 5.5, y, words, va="center", fontsize=6.6)
            x += 9 + 1.55 * len(words)
