"""What an SVG drawing that leaves the machine may hold: shapes, words and no more marks than its table has rows."""

import re
from functools import lru_cache
from xml.etree import ElementTree

from ldae.report.identifiers import NOBODY, Names, identifier

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
DRAWN = {
    "svg", "g", "defs", "path", "use", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan",
    "clipPath", "style", "metadata", "title", "desc", "linearGradient", "radialGradient", "stop", "marker", "pattern",
    "symbol",
}  # fmt: skip  # nothing that runs, loads or holds a raster
BEGINS = re.compile("[Mm]")  # of a piece of a path
MARKED = {"stop", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
COORDINATES = re.compile(r"[MLHVCSQTAZmlhvcsqtaz\d\s.,eE+\-]*")  # of a path
DOCTYPE = re.compile(
    r'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1\.1//EN"\s+"http://www\.w3\.org/Graphics/SVG/1\.1/DTD/svg11\.dtd">'
)  # matplotlib's; any other may say what it likes
NAMESPACE = re.compile(
    r'xmlns(?::\w+)?="http://(?:www\.w3\.org/(?:1999/xlink|2000/svg|1999/02/22-rdf-syntax-ns#)|'
    r'purl\.org/dc/elements/1\.1/|creativecommons\.org/ns#)"'
)  # that of RDF holds a date
GLYPH = re.compile(r"#?[\w-]+-([0-9a-fA-F]{2,6})")  # how matplotlib names the outline of a letter
PAGES = "{http://www.w3.org/1999/xhtml"  # elements of a page inside a drawing


@lru_cache(maxsize=64)  # every figure is read twice: beside the report and in it
def fault_of_drawing(text: str, names: Names) -> str | None:
    """What must not leave in an SVG: its elements, its words, written or drawn letter by letter, what it loads."""
    text = DOCTYPE.sub("", text, count=1)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return "definitions of its own, which no figure needs"
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return "a drawing that cannot be read"
    words, letters = re.findall(r"<!--.*?-->|<\?(?!xml\s).*?\?>", text, re.DOTALL), []
    for element in root.iter():
        space, _, tag = str(element.tag).rpartition("}")
        if space == PAGES or (space == f"{{{SVG}" and tag not in DRAWN):
            return f"an element <{tag}>, which no drawing of numbers needs"
        words += [tag, *(name.rpartition("}")[2] for name in element.attrib)]
        for name, value in element.attrib.items():
            if name.rpartition("}")[2].lower().startswith("on"):
                return f"an attribute {name}, which runs something"
            if name.rpartition("}")[2] in {"href", "src"} and not value.startswith("#"):
                return f"a link to {value[:40]!r}"
            if name not in {"d", "points", "transform", "viewBox"} or not COORDINATES.fullmatch(value):
                words.append(value)
        glyph = GLYPH.fullmatch(element.get(XLINK, element.get("href", ""))) if tag == "use" else None
        if glyph and int(glyph[1], 16) < 0x110000:
            letters.append(chr(int(glyph[1], 16)))
        elif tag == "g":
            letters.append(" ")
        words += [element.text or "", element.tail or ""]
    style = " ".join(words)
    if re.search(r"@import|url\(\s*[\"']?(?!#)", style):
        return "a style that loads something"
    drawn = re.sub(r" +", " ", "".join(letters))
    foreign = " ".join(re.findall(r"xmlns(?::\w+)?=(\"[^\"]*\"|'[^']*')", NAMESPACE.sub("", text)))
    return identifier(f"{style}\n{foreign}\n{drawn}", names) or identifier(NAMESPACE.sub("", text), NOBODY)


def most_marks(text: str) -> tuple[int, int]:
    """How many marks the largest group, or path, of a drawing holds, letters aside, and how many it has in all."""
    elements = list(ElementTree.fromstring(DOCTYPE.sub("", text, count=1)).iter())
    groups = (sum(_is_mark(element) for element in group) for group in elements)
    paths = (len(BEGINS.findall(element.get("d", ""))) for element in elements)
    return max(*groups, *paths), sum(map(_is_mark, elements))


def _is_mark(element: ElementTree.Element) -> bool:
    tag, link = str(element.tag).rpartition("}")[2], element.get(XLINK, element.get("href", ""))
    return tag in MARKED and not GLYPH.fullmatch(link)
