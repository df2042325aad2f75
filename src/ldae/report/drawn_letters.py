"""What is read in a drawing whose letters are outlines: matplotlib names each by its font and its number in that font.

The words stand in a comment before their letters as well. Both have to say the same, and the letters have to stand from
left to right: what is drawn is then what is searched.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

GLYPH = re.compile(r"#?([A-Za-z][\w-]*)-([0-9a-f]{1,6})")  # how matplotlib names the outline of a letter
XLINK = "{http://www.w3.org/1999/xlink}href"
SHIFT = re.compile(r"translate\((-?[\d.]+)")
FORMULA = "$"  # words of mathematics: what is drawn is not what is written


def parsed(text: str) -> ElementTree.Element:
    """The root of a drawing, its comments kept.

    Raises:
        ElementTree.ParseError: it is no XML.
    """
    builder = ElementTree.TreeBuilder(insert_comments=True)
    return ElementTree.fromstring(text, parser=ElementTree.XMLParser(target=builder))


@lru_cache(maxsize=16)
def letters_of(font: str) -> dict[int, str] | None:
    """Number of an outline -> its letter, for a font that travels with matplotlib; none: it has no such font."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    path = Path(matplotlib.get_data_path()) / "fonts/ttf" / f"{font}.ttf"
    if not path.is_file():
        return None
    found: dict[int, str] = {}
    for code, number in FT2Font(str(path)).get_charmap().items():
        found.setdefault(number, chr(code))
    return found


def letter(name: str) -> str | None:
    """The letter that an outline's name stands for; none: nobody knows which."""
    found = GLYPH.fullmatch(name)
    known = letters_of(found[1]) if found else None
    return known.get(int(found[2], 16)) if found and known else None


def lines(root: ElementTree.Element) -> Iterator[tuple[str, str, bool]]:
    """Every line of words: what its comment says, what its letters spell (``\\N{REPLACEMENT CHARACTER}`` for one that
    nobody knows), and whether they stand from left to right. A comment without letters, and letters without a comment,
    are lines, too."""
    said = ""
    for element in root.iter():
        if element.tag is ElementTree.Comment:
            if said:
                yield said, "", True
            said = (element.text or "").strip()
            continue
        drawn = [part for part in element if is_letter(part)] if isinstance(element.tag, str) else []
        if drawn:
            places = [float(found[1]) if (found := SHIFT.match(part.get("transform", ""))) else 0.0 for part in drawn]
            spelled = "".join(letter(part.get(XLINK, "")) or "\N{REPLACEMENT CHARACTER}" for part in drawn)
            yield said, spelled, FORMULA in said or places == sorted(places)
            said = ""
    if said:
        yield said, "", True


def is_letter(element: ElementTree.Element) -> bool:
    """Whether an element places the outline of a letter."""
    link = element.get(XLINK, element.get("href", "")) if isinstance(element.tag, str) else ""
    return GLYPH.fullmatch(link) is not None


def same(said: str, spelled: str) -> bool:
    """Whether letters spell what the comment says, spaces and ligatures aside; of mathematics nothing is said."""
    plain = ["".join(unicodedata.normalize("NFKC", words).split()) for words in (said, spelled)]
    return plain[0] == plain[1] or FORMULA in said
