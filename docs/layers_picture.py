"""docs/images/layers.svg: the layers of ``src/ldae``, from their one statement and the first line of each package."""

import ast
import re
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
STATEMENT = ROOT / "tests" / "unit" / "test_layers.py"  # ``LAYERS``: each row imports itself and the rows before it
WIDTH, LEFT, GAP, PADDING, LINE = 980, 44, 10, 12, 17  # px
LETTER = 6.5  # px, a letter of the description at 12.5 px on average
FONT = "font-family='Helvetica, Arial, sans-serif'"
COLOURS = ("#eef2f7", "#c9d4e3", "#1f2d3d", "#516173")  # box, its border, names, descriptions


def layers() -> tuple[tuple[str, ...], ...]:
    """The rows of the layers, the one that imports nothing first, read from the test that holds the code to them."""
    for node in ast.parse(STATEMENT.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            return ast.literal_eval(node.value)
    raise LookupError(f"{STATEMENT} states no LAYERS")


def first_line(name: str) -> str:
    """What a package or module below ``ldae`` says of itself."""
    place = ROOT / "src" / "ldae" / name
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return re.sub(r":\w+:`([^`]*)`", r"\1", said).replace("``", "")


def picture() -> str:
    """The SVG: the layer that imports nothing at the bottom, so that every import points down."""
    shapes, top = [], GAP
    for names in reversed(layers()):
        width = (WIDTH - LEFT - GAP * len(names)) / len(names)
        texts = [wrap(first_line(name), int((width - 2 * PADDING) / LETTER)) for name in names]
        height = 2 * PADDING + LINE * (1 + max(map(len, texts)))
        for column, (name, lines) in enumerate(zip(names, texts, strict=True)):
            shapes += box(name, lines, LEFT + column * (width + GAP), top, width, height)
        top += height + GAP
    return "\n".join([*head(top), *arrow(top), *shapes, "</svg>", ""])


def head(height: float) -> list[str]:
    """Opening of the file: its size, what it shows, a white page."""
    return [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}'>",
        "<title>The layers of src/ldae; every import points down</title>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
    ]


def arrow(height: float) -> list[str]:
    """The direction of every import, along the left edge."""
    colour, end = COLOURS[3], height - GAP
    return [
        f"<path d='M22 {GAP} V{end - 9}' stroke='{colour}' stroke-width='1.5'/>",
        f"<path d='M17 {end - 9} H27 L22 {end} Z' fill='{colour}'/>",
        f"<text {FONT} font-size='12.5' fill='{colour}' text-anchor='middle' "
        f"transform='translate(14 {height / 2:g}) rotate(-90)'>imports</text>",
    ]


def box(name: str, lines: list[str], left: float, top: float, width: float, height: float) -> list[str]:
    """One package: its name, and below it what it says of itself."""
    fill, border, dark, grey = COLOURS
    place = f"x='{left + PADDING:g}'"
    text = [
        f"<text {place} y='{top + PADDING + LINE * (row + 2) - 4:g}' {FONT} font-size='12.5' fill='{grey}'>"
        f"{escape(line)}</text>"
        for row, line in enumerate(lines)
    ]
    return [
        f"<rect x='{left:g}' y='{top:g}' width='{width:g}' height='{height:g}' rx='6' "
        f"fill='{fill}' stroke='{border}'/>",
        f"<text {place} y='{top + PADDING + LINE - 4:g}' {FONT} font-size='15' font-weight='bold' fill='{dark}'>"
        f"{escape(name)}</text>",
        *text,
    ]
