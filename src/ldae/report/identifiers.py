"""What gives a person away in a text: names of subjects and images in any spelling, dates, paths and addresses.

A number is an identifier only where the words before it, or its column, say so: among the numbers of a report there is
always one that some image has as its id.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

GAP = r"[\W_]{0,3}"  # between the parts of a name: nothing, a hyphen, a space, a line break, LaTeX's backslash
PART = r"(?:[^\w,;.|]|_){0,3}"  # the same, within a cell and a sentence
SPELLINGS = {
    "a subject": (
        re.compile(rf"(?<!\d)\d{{3}}{PART}S{PART}\d{{4,6}}(?!\d)"),  # ADNI's, bare or inside another word
        re.compile(rf"(?<!\d)\d{{3}}(?! ){PART}s{PART}\d{{4,6}}(?!\d)"),  # behind a space it is a second
        re.compile(r"(?<!\d)\d{3}_S_\d{1,6}(?!\d)", re.IGNORECASE),
        re.compile(r"\bRID[\W_]{1,3}\d{1,5}\b"),
        re.compile(r"\bsub-\w*\d\w*", re.IGNORECASE),  # BIDS
    ),
    "an image": (
        re.compile(r"(?<![A-Za-z0-9])I(?:\d{4,8}|[-_]\d{5,8})(?![A-Za-z0-9])", re.IGNORECASE),  # LONI's
        re.compile(rf"\b(?:image|img|series|scan|loni){GAP}(?:u?id|uid){GAP}\d{{3,10}}", re.IGNORECASE),
    ),
    "a date": (
        re.compile(r"(?<![\d.])(?:19|20)\d\d([-/_])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d|\.\d)"),
        re.compile(r"(?<![\d.])(?:19|20)\d\d\.(?:0[1-9]|1[0-2])\.(?:0[1-9]|[12]\d|3[01])(?!\d|\.\d)"),
        re.compile(r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d(?!\d|\.\d)"),
        re.compile(r"(?<![\d./])(?:0[1-9]|[12]\d|3[01])/(?:0[1-9]|[12]\d|3[01])/\d\d(?![\d/]|\.\d)"),
        re.compile(
            r"\b(?:\d{1,2}(?:st|nd|rd|th)?[ .-]{1,2})?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
            r"[ .,-]{1,2}(?:\d{1,2}(?:st|nd|rd|th)?,? )?(?:19|20)\d\d\b",
            re.IGNORECASE,
        ),
        re.compile(r"(?:date|born|birth|dob)[a-z]{0,5}\W{1,4}(?:19|20)\d{6}\b", re.IGNORECASE),
    ),
    "a path of this machine": (
        re.compile(r"(?<![\w.:/<~>\-])/(?:[\w.+@-]+/)+[\w.+@-]+"),
        re.compile(r"(?<![\w.])~\w*/\w"),
        re.compile(r"\b[A-Za-z]:(?:\\{1,2}\w|/\w[\w.-]*/)"),
        re.compile(r"\bfile:/+\w", re.IGNORECASE),
        re.compile(r"(?<![\w.-])[\w.-]+:/(?!/)[\w.-]+/[\w.-]+"),  # on another machine
        re.compile(r"(?<![\w\\])\\\\[\w.-]+\\\w"),
    ),
    "an address": (
        re.compile(r"(?<![\w/])[\w.+-]+@[A-Za-z][\w-]+(?:\.[\w-]+)*"),
        re.compile(r"(?<![\w/])[\w.+-]+@\d{1,3}(?:\.\d{1,3}){3}"),
    ),
}
NUMBERED = re.compile(
    rf"\b(image|img|series|scan|loni|subject|participant|patient|rid|ptid)"
    rf"(?:{GAP}(?:(?:data{GAP})?(?:u?ids?|number|no)[\W_]{{0,5}})?|s )(\d{{1,10}})\b",
    re.IGNORECASE,
)
CELL = re.compile(r"</?t[dhr]\b[^<>]*>", re.IGNORECASE)
APART = re.compile(r"[\t|&=,;<>]|[^\w]{4}")  # what stands between two words, cells or values, not within a name
PIECES = re.compile(r"[^\W\d_]+|\d+")  # runs of letters, runs of digits
SHORTEST = 5  # letters and digits that a name must have to be looked for inside other words
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
TAGS = re.compile(r"<[^<>]*>")
ID_COLUMNS = re.compile(
    r"(?:participant|subject|patient|image|scan|series|session|visit|exam|birth)[ _-]?(?:u?id|name|code|date|day)?s?|"
    r"rid|ptid|uid|loni\w*|dob|date|path|file(?:name)?|t1w",
    re.IGNORECASE,
)
COUNTS = {"subjects", "scans", "images", "sessions", "visits"}  # of these columns the cells are numbers of them
MANY = 3  # cells of one column that are names of images make it a column of names


@dataclass(frozen=True)
class Names:
    """The names of a cohort, folded for the search.

    Args:
        joined: names that hold letters and digits, without anything between them, in small letters.
        numbers: names that are a number, without leading zeros.
        words: every other name, in small letters.
    """

    joined: frozenset[str]
    numbers: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """From subjects (``sub-ADNI002S0295``) and images (``12345``, ``I12345``), as a manifest holds them."""
        joined, numbers, words = set(), set(), set()
        for name in names:
            bare = name.strip().casefold().removeprefix("sub-")
            pieces = PIECES.findall(bare)
            folded = "".join(pieces)
            if not folded:
                continue
            if folded.isdigit():
                numbers.add(folded.lstrip("0") or "0")
            elif any(piece.isdigit() for piece in pieces) and len(folded) >= SHORTEST:
                joined.add(folded)
            else:
                words.add(name.strip().casefold())
        return cls(frozenset(joined), frozenset(numbers), frozenset(words))


def plain(text: str) -> str:
    """The text as a reader sees it: entities, percent signs and escapes undone, without invisible characters."""
    text = unquote(html.unescape(text))
    text = ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    text = unicodedata.normalize("NFKC", text)
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf") if not text.isascii() else text


def identifier(text: str, names: Names) -> str | None:
    """The first identifier in a text, quoted with its kind; none when there is none.

    Args:
        text: of one file, decoded.
        names: of the cohort.
    """
    seen = CELL.sub("|", plain(text))
    for view in dict.fromkeys((seen, TAGS.sub("", seen), TAGS.sub(" ", seen))):
        for kind, patterns in SPELLINGS.items():
            for pattern in patterns:
                found = pattern.search(view)
                if found:
                    return f"{found.group().strip()!r} ({kind})"
        for found in NUMBERED.finditer(view):
            if (found[2].lstrip("0") or "0") in names.numbers and len(found[2]) >= MANY:
                return f"{found.group()!r} (a {found[1].casefold()})"
        known = next(known_names(view, names), None)
        if known is not None:
            return f"{known!r} (a name of the cohort)"
    return None


def known_names(text: str, names: Names) -> Iterator[str]:
    """The cohort's own names in a text, also inside longer words and with other separators."""
    folded = text.casefold()
    if names.words:
        yield from (word for word in re.findall(r"[\w-]+", folded) if word in names.words)
    if not names.joined:
        return
    parts = [PIECES.findall(name) for name in names.joined]
    first, last = {part[0] for part in parts}, max(len(part) for part in parts)
    found = list(PIECES.finditer(folded))
    pieces = [match.group() for match in found]
    for place, piece in enumerate(pieces):
        ends = [piece[begin:] for begin in range(len(piece)) if piece[begin:] in first] if piece.isalpha() else [piece]
        for start in ends:
            if start in first:
                candidate = start
                for nearby in range(place, min(place + last, len(pieces))):
                    if nearby > place:
                        if APART.search(folded, found[nearby - 1].end(), found[nearby].start()):
                            break
                        candidate += pieces[nearby]
                    if candidate in names.joined:
                        yield candidate


def column_of_names(columns: dict[str, list[str]], names: Names) -> str | None:
    """The first column of a table that holds one row per person, scan or date; none when there is none."""
    for title, cells in columns.items():
        word = title.strip().casefold()
        if ID_COLUMNS.fullmatch(word) and word not in COUNTS:
            return title
        numbers = [cell.strip().lstrip("0") for cell in cells if re.fullmatch(r"\s*\d{4,}\s*", cell)]
        hits = sum(number in names.numbers for number in numbers)
        if hits >= MANY and 2 * hits > len(cells):
            return title
    return None
