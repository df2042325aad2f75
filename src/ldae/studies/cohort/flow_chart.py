"""The flow of scans into the cohort, as the CONSORT statement draws it: boxes downwards, exclusions to the right."""

import textwrap
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes

from ldae.studies.common.figure_style import FAINT, INK, MUTED, say_why_empty

KEPT_LEFT, KEPT_WIDTH = 0.0, 0.47
OUT_LEFT, OUT_WIDTH = 0.54, 0.46
MAX_REASONS = 5
LINE = 1.0  # the unit of height: one line of text
GAP = 1.1
PAGE_LINES = 34  # height of the panel in lines
STAGE_WIDTH = 25  # characters


@dataclass
class Box:
    """One stage with what was left out on the way from it to the next."""

    stage: str
    count: int
    subjects: int | None = None
    excluded: list[tuple[int, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The words of the exclusion box: the most frequent reasons, the others summed."""
        ranked = sorted(self.excluded, key=lambda item: (-item[0], item[1]))
        most = MAX_REASONS if len(ranked) > MAX_REASONS + 1 else len(ranked)
        shown, rest = ranked[:most], ranked[most:]
        if rest:
            shown.append((sum(count for count, _ in rest), f"for {len(rest)} other reasons"))
        lines = []
        for count, reason in shown:
            lines += textwrap.wrap(f"{count:,}  {reason}", 33, subsequent_indent="    ")
        return lines


def read_boxes(flow: pd.DataFrame) -> list[Box]:
    """Boxes of a flow table (stage, count, reason, perhaps subjects).

    A row without a reason is a stage, one with a reason an exclusion on the way from the stage above it.
    """
    boxes: list[Box] = []
    for row in flow.itertuples(index=False):
        if not isinstance(row.reason, str) or not row.reason:
            boxes.append(Box(str(row.stage), int(row.count), _subjects(row)))
        elif boxes and int(row.count) > 0:
            boxes[-1].excluded.append((int(row.count), row.reason))
    return boxes


def _subjects(row) -> int | None:
    subjects = getattr(row, "subjects", None)
    return None if subjects is None or pd.isna(subjects) else int(subjects)


def draw_flow(axes: Axes, flow: pd.DataFrame) -> None:
    """Draw the flow table in an empty panel."""
    boxes = read_boxes(flow)
    if not boxes:
        say_why_empty(axes, "No flow table.")
        return
    axes.set_axis_off()
    extra = _extra_space(boxes)
    y = 0.0
    for place, box in enumerate(boxes):
        height = _kept_box(axes, y, box)
        y -= height
        if place < len(boxes) - 1:
            y -= _arrow(axes, y, box.lines(), extra)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(min(y, -PAGE_LINES) - 0.2, 0.2)


def _extra_space(boxes: list[Box]) -> float:
    """What each arrow gets on top of its least height so that a short flow fills the panel."""
    least = sum(_kept_height(box) for box in boxes) + sum(_least_arrow(box.lines()) for box in boxes[:-1])
    return float(min(max(PAGE_LINES - least, 0) / max(len(boxes) - 1, 1), 3))


def _least_arrow(lines: list[str]) -> float:
    return len(lines) * LINE + 1.4 if lines else GAP


def _arrow(axes: Axes, top: float, lines: list[str], extra: float) -> float:
    """The arrow to the next stage, with the exclusions at its side; its height."""
    height = _least_arrow(lines) + extra
    middle = KEPT_LEFT + KEPT_WIDTH / 2
    arrow = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (middle, top - height), (middle, top), arrowprops=arrow)
    if lines:
        _excluded_box(axes, top - height / 2, lines, middle)
    return height


def _kept_height(box: Box) -> float:
    return (len(textwrap.wrap(box.stage, STAGE_WIDTH)) + 1) * LINE + 0.8


def _kept_box(axes: Axes, top: float, box: Box) -> float:
    words = textwrap.wrap(box.stage, STAGE_WIDTH)
    height = _kept_height(box)
    axes.add_patch(_rounded(KEPT_LEFT, top - height, KEPT_WIDTH, height, "#eef4f8", "#9fb8c8"))
    middle = KEPT_LEFT + KEPT_WIDTH / 2
    text = "\n".join(words)
    axes.text(middle, top - 0.4, text, ha="center", va="top", fontsize=6.8, color=INK, linespacing=1.15)
    subjects = "" if box.subjects is None else f" · {box.subjects:,} subjects"
    count = f"n = {box.count:,}{subjects}"
    size = 6.6 if subjects else 7.6
    axes.text(middle, top - height + 0.35, count, ha="center", va="bottom", fontsize=size, fontweight="bold")
    return height


def _excluded_box(axes: Axes, centre: float, lines: list[str], stem: float) -> None:
    height = len(lines) * LINE + 0.7
    axes.plot([stem, OUT_LEFT], [centre, centre], color=MUTED, linewidth=0.8)
    axes.add_patch(_rounded(OUT_LEFT, centre - height / 2, OUT_WIDTH, height, "white", FAINT))
    axes.text(
        OUT_LEFT + 0.015, centre, "\n".join(lines), ha="left", va="center", fontsize=6, color=INK, linespacing=1.25
    )


def _rounded(x: float, y: float, width: float, height: float, face: str, edge: str):
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (x, y),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.012",
        mutation_aspect=14,
        facecolor=face,
        edgecolor=edge,
        linewidth=0.9,
    )
