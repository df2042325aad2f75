"""Texts that a spreadsheet would compute, made inert by an apostrophe before them, and given back without it."""

import re
import unicodedata

NUMBER = r"(?:(?=[\d.,]*\d)[\d.,]+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)"
# What begins with a sign and computes nothing: signs alone (a dash for nothing), or a number, with an interval and
# remarks in brackets.
HARMLESS = re.compile(
    rf"[+-]+|[+-] ?{NUMBER}%?(?: \[[+-]?{NUMBER}, [+-]?{NUMBER}\])?(?: \((?:n = \d+|[\w\s.,;:%<>-]+)\))*", re.IGNORECASE
)
BEFORE = re.compile(r"'*")


def computes(text: str) -> bool:
    """Whether a spreadsheet that opens a table would take the text, apostrophes before it aside, for a formula.

    Signs of other widths count as theirs: spreadsheets of some countries do the same. What is not seen before a sign
    is no shelter.
    """
    bare = BEFORE.sub("", text, count=1)
    if bare[:1].isalnum() and bare[:1].isascii():
        return False
    seen = "".join(sign for sign in bare if unicodedata.category(sign) not in ("Cf", "Cc", "Mn")).lstrip()
    first = unicodedata.normalize("NFKC", seen[:1])
    return first in ("=", "@", "|") or (first in ("+", "-") and not HARMLESS.fullmatch(bare))


def inert(text: str) -> str:
    """A text that nothing computes: one more apostrophe before what would be a formula without."""
    return f"'{text}" if computes(text) else text


def as_given(text: str) -> str:
    """What :func:`inert` was given."""
    return text[1:] if text.startswith("'") and computes(text) else text
