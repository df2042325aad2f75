"""What an SVG drawing that leaves the machine may hold: what matplotlib draws of lines, words and marks, and no more
than its table has rows.

Elements, their attributes and the form of each are an allow-list. So a word has no place but where words stand
(:mod:`ldae.report.drawn_letters`), and a picture none at all.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree

from ldae.report.drawn_letters import GLYPH, XLINK, is_letter, letters_of, lines, parsed, same
from ldae.report.identifiers import NOBODY, OF_WORK, Names, identifier, numbered

SVG, RDF = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC, CC = "http://purl.org/dc/elements/1.1/", "http://creativecommons.org/ns#"
BEGINS = re.compile("[Mm]")  # of a piece of a path
VERTEX = re.compile("[A-Za-z]")
NUMBERS = re.compile(r"\d+(?:\.\d+)?")
SIGNS = re.compile(r"(?<!\S)(?:\S \| ){4,}\S(?!\S)")
IN_FIGURES = re.compile(f"{OF_WORK}|ddim|dpm|fold|seed|top", re.IGNORECASE)  # numbered words of ours
MANY_NUMBERS = 15  # in one line of words
DOCTYPE = re.compile(
    r'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1\.1//EN"\s+"http://www\.w3\.org/Graphics/SVG/1\.1/DTD/svg11\.dtd">'
)  # matplotlib's; any other may say what it likes
NAMESPACE = re.compile(
    r'xmlns(?::(?:xlink|rdf|dc|cc))?="http://(?:www\.w3\.org/(?:1999/xlink|2000/svg|1999/02/22-rdf-syntax-ns#)|'
    r'purl\.org/dc/elements/1\.1/|creativecommons\.org/ns#)"'
)  # that of RDF holds a date

NUMBER = r"-?\d{1,6}(?:\.\d{1,8})?(?:e-?\d{1,2})?"
PAINT = r"(?:none|#[0-9a-f]{6})"
PROPERTIES = (
    rf"(?:(?:fill|stroke): {PAINT}|(?:stroke-(?:width|miterlimit|dashoffset)|(?:fill-|stroke-)?opacity): {NUMBER}|"
    rf"stroke-linejoin: (?:miter|round|bevel)|stroke-linecap: (?:butt|round|square)|"
    rf"stroke-dasharray: (?:none|{NUMBER}(?:,{NUMBER}){{0,7}}))"
)
STYLE = rf"{PROPERTIES}(?:; {PROPERTIES}){{0,9}};?"
PLACED = rf"(?:translate\({NUMBER}[ ,]{NUMBER}\)|scale\({NUMBER}(?:[ ,]{NUMBER})?\)|rotate\({NUMBER}\))"
TRANSFORM = rf"{PLACED}(?: {PLACED}){{0,3}}"
PATH = rf"(?:(?:[MLQCHVZz]|{NUMBER})(?: |$))*"  # its line breaks taken for spaces
DIGEST = "[0-9a-f]{10}"  # as matplotlib names marks and clips
MARK = rf"m{DIGEST}|C\w{{1,3}}_\d{{1,3}}_{DIGEST}"
CLIP = rf"url\(#p{DIGEST}\)"
BOX = dict.fromkeys(("x", "y", "width", "height"), NUMBER)
DRAWN = {"style": STYLE, "clip-path": CLIP, "transform": TRANSFORM}
ATTRIBUTES: dict[str, dict[str, str]] = {
    f"{{{SVG}}}svg": {"width": rf"{NUMBER}pt", "height": rf"{NUMBER}pt", "viewBox": rf"{NUMBER}(?: {NUMBER}){{3}}",
                      "version": "1\\.1"},
    f"{{{SVG}}}g": {"id": r"([A-Za-z0-9.]+)_\d{1,5}", **DRAWN},
    f"{{{SVG}}}path": {"id": rf"{MARK}|{GLYPH.pattern}", "d": PATH, **DRAWN},
    f"{{{SVG}}}use": {XLINK: rf"#(?:{MARK})|{GLYPH.pattern}", "x": NUMBER, "y": NUMBER, **DRAWN},
    f"{{{SVG}}}rect": BOX,
    f"{{{SVG}}}clipPath": {"id": f"p{DIGEST}"},
    f"{{{SVG}}}defs": {},
    f"{{{SVG}}}style": {"type": "text/css"},
    f"{{{SVG}}}metadata": {},
    f"{{{RDF}}}RDF": {},
    f"{{{CC}}}Work": {},
    f"{{{DC}}}type": {f"{{{RDF}}}resource": r"http://purl\.org/dc/dcmitype/StillImage"},
    f"{{{DC}}}format": {},
}  # fmt: skip
TEXTS = {
    f"{{{SVG}}}style": "*{stroke-linejoin: round; stroke-linecap: butt}",
    f"{{{DC}}}format": "image/svg+xml",
}
ARTISTS = {
    "figure",
    "axes",
    "patch",
    "line2d",
    "text",
    "legend",
    "xtick",
    "ytick",
    "matplotlib.axis",
    "table",
    "quiver",
}
FORMS = {tag: {name: re.compile(form) for name, form in forms.items()} for tag, forms in ATTRIBUTES.items()}
BLOCKS = re.compile("[\u2500-\u25ff\u2800-\u28ff\U0001f000-\U0001ffff\ue000-\uf8ff]")  # boxes, dots: of pictures


@lru_cache(maxsize=64)  # every figure is read twice: beside the report and in it
def fault_of_drawing(text: str, names: Names) -> str | None:
    """What must not leave in an SVG: elements and attributes that matplotlib does not write, and words that name
    somebody or are not what is drawn."""
    text = DOCTYPE.sub("", text, count=1)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return "definitions of its own, which no figure needs"
    try:
        root = parsed(text)
    except ElementTree.ParseError:
        return "a drawing that cannot be read"
    if odd := re.search(r"<\?(?!xml version=\"1\.0\" encoding=\"utf-8\" standalone=\"no\"\?>).{0,40}", text, re.DOTALL):
        return f"{odd.group()!r}, which no drawing needs"
    for element in root.iter():
        if isinstance(element.tag, str) and (fault := _fault_of_element(element)):
            return fault
    if "xmlns" in NAMESPACE.sub("", text):
        return "a namespace of its own, which no drawing needs"
    comments, drawn = [], []
    for said, spelled, in_order in lines(root):
        if not in_order or not same(said, spelled):
            return f"letters that spell {spelled[:40]!r} and are said to be {said[:40]!r}"
        if len(NUMBERS.findall(said)) > MANY_NUMBERS:
            return f"a list of numbers in words ({said[:40]!r})"
        if found := BLOCKS.search(said + spelled):
            return f"the sign {found.group()!r}, which no word has"
        comments.append(said)
        drawn.append(spelled)
    digests = bytes.fromhex("".join(re.findall(rf'id="[mp]({DIGEST})"', text)))  # what somebody wrote there as one
    if series := numbered(word for word in comments if not IN_FIGURES.match(word)):
        return f"words about {', '.join(series[:3])}, ..., which may be people"
    for words in (beside(comments), beside(drawn), digests.decode("latin-1")):
        if fault := identifier(words, names):
            return fault
    return identifier(NAMESPACE.sub("", text), NOBODY)


def beside(words: Iterable[str]) -> str:
    """Words of a drawing as neighbouring cells: ``CN`` and a tick of 120 are no name. Single signs in a
    row are a word."""
    return SIGNS.sub(lambda found: found.group().replace(" | ", ""), " | ".join(words))


def _fault_of_element(element: ElementTree.Element) -> str | None:
    tag, forms = element.tag.rpartition("}")[2], FORMS.get(element.tag)
    if forms is None:
        return f"an element <{tag}>, which no drawing of numbers needs"
    for name, value in element.attrib.items():
        form = forms.get(name)
        found = form.fullmatch(" ".join(value.split()) if name == "d" else value) if form else None
        glyph = GLYPH.fullmatch(value) if name in ("id", XLINK) else None
        strange = (glyph and letters_of(glyph[1]) is None) or (tag == "g" and name == "id" and found and _odd(found[1]))
        if found is None or strange:
            return f"an attribute {name.rpartition('}')[2]} of <{tag}>, {value[:40]!r}, which no drawing of numbers has"
    if (element.text or "").strip() != TEXTS.get(element.tag, "") or (element.tail or "").strip():
        return f"words in <{tag}>, which no drawing of numbers has"
    return None


def _odd(name: str) -> bool:
    """Whether a group is none of those that matplotlib makes."""
    from matplotlib import collections

    return name not in ARTISTS and not isinstance(getattr(collections, name, None), type)


def fault_of_amount(text: str, rows: int) -> str | None:
    """More marks, colours, words or corners of paths than a drawing of so many rows of numbers has, in words.

    What a single number draws is a mark or two, a word and the corners of a box: ticks and grids are a few dozens.
    """
    root = parsed(DOCTYPE.sub("", text, count=1))
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    outlines = {element for element in elements if GLYPH.fullmatch(element.get("id", ""))}
    corners = [len(VERTEX.findall(element.get("d", ""))) for element in elements if element not in outlines]
    marks = [max([*(sum(map(_is_mark, element)) for element in elements)]),
             max(len(BEGINS.findall(element.get("d", ""))) for element in elements)]  # fmt: skip
    styles = {element.get("style", "") for element in elements}
    colours = {colour for style in styles for colour in re.findall("#[0-9a-f]{6}", style)}
    dashes = {dash for style in styles for dash in re.findall("dasharray: ([^;]*)", style)}
    said = [line for line, _, _ in lines(root)]
    counted = Counter(
        {
            "marks of one kind": max(marks), "marks": sum(map(_is_mark, elements)), **_drawn(root),
            "corners of one path": max(corners), "corners": sum(corners),
            "colours": len(colours), "styles": len(styles),
            "patterns of dashes": len(dashes), "lines of words": len(said), "letters": sum(map(is_letter, elements)),
            "outlines of letters": len(outlines), "words that are a number": sum(map(_is_number, said)),
        }
    )  # fmt: skip
    for what, found in counted.items():
        fixed, by_row = AMOUNTS[what]
        if found > fixed + by_row * rows:
            return f"{found} {what}, too many for the {rows} rows"
    return None


AMOUNTS = {  # what a drawing may have at all, and beside for each row of its table
    "marks of one kind": (20, 1), "lines": (30, 1.5), "boxes": (80, 1.5), "marks": (800, 8),
    "corners of one path": (120, 4), "corners": (1500, 40),
    "colours": (40, 0.25), "styles": (80, 2), "patterns of dashes": (16, 0), "lines of words": (150, 4),
    "letters": (2000, 50), "outlines of letters": (250, 0), "words that are a number": (80, 2),
}  # fmt: skip


def _drawn(root: ElementTree.Element) -> Counter[str]:
    """Lines and boxes beside those of axes and legends: one for each person has a group of its own."""
    found, left = Counter(lines=0, boxes=0), [root]
    while left:
        group = left.pop()
        name = group.get("id", "").rpartition("_")[0]
        if name not in ("matplotlib.axis", "legend"):
            kind = "boxes" if name == "patch" else "lines"
            found[kind] += len(group.findall(f"{{{SVG}}}path")) if group.tag == f"{{{SVG}}}g" else 0
            left += list(group)
    return found


def _is_number(words: str) -> bool:
    return re.fullmatch(r"[-\N{MINUS SIGN}+\d.,%\s]+", words) is not None


def _is_mark(element: ElementTree.Element) -> bool:
    tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    return tag in {"use", "path", "rect"} and not is_letter(element) and not GLYPH.fullmatch(element.get("id", ""))
