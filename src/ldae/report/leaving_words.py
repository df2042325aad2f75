"""What must not leave in any text: what runs or loads, what is encoded in it, identifiers."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from ldae.report.identifiers import Names, identifier, plain
from ldae.report.leaving_drawings import fault_of_drawing

DATA_URI = re.compile(r"data:(image/svg\+xml)(;base64)?,([^\"')\s>]*)")  # as the report's writer has it
EMBEDDED = re.compile(r"data:([^\s\"'()<>,]{0,200}),", re.IGNORECASE)
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}")
PROGRAM = re.compile(
    r"<\s*(?:\w+:)?script\b|javascript\s*:|\\(?:input|include|write18|openin|openout|immediate|catcode|directlua)\b",
    re.IGNORECASE,
)
FOREIGN = re.compile(r"!\[[^\]]*\]\([^)]{0,40}|<img\b[^>]{0,40}|!!(?:binary|python)\S*", re.IGNORECASE)
UUENCODED = re.compile(r"(?:^M[ -`]{60}\r?\n){2}", re.MULTILINE)
SHORTEST_PACKED = 10  # letters: a digest of 16 hexadecimal digits may be eight of them by chance
PACKED = re.compile(r"[A-Za-z0-9+/_-]{12,}")
WRAPPED = re.compile(r"(?:[A-Za-z0-9+/]{56,}[ \t]*\r?\n[ \t]*){2,}[A-Za-z0-9+/]+={0,2}")


class Unreadable(Exception):
    """A file, or what is inside one, is not what its name says; the message is the rest of a sentence."""


def decoded(content: bytes) -> str:
    """UTF-8 text.

    Raises:
        Unreadable: it is none, or holds what no text holds.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("\ufeff"):
        raise Unreadable("it is not plain UTF-8")
    return text


def fault_of_words(text: str, names: Names) -> str | None:
    """What must not leave in any text, whatever its form: what runs or loads, what is encoded, and identifiers."""
    if found := PROGRAM.search(plain(text)):
        return f"{found.group()!r}, which runs something"
    if found := FOREIGN.search(text):
        return f"{found.group()!r}, which loads or packs something"
    return look_at_data(text, names) or identifier(text, names)


def look_at_data(text: str, names: Names) -> str | None:
    """Of what is encoded inside a text: drawings are opened, anything else is refused."""
    for kind in EMBEDDED.findall(text):
        if kind not in ("image/svg+xml", "image/svg+xml;base64"):
            return f"embedded data of the kind {kind[:60] or 'unknown'!r}, which is no drawing"
    for _, packed, data in DATA_URI.findall(text):
        try:
            drawing = base64.b64decode(data, validate=True) if packed else unquote_to_bytes(data)
        except binascii.Error:
            return "embedded data that cannot be decoded"
        found = fault_of_drawing(decoded(drawing), names)
        if found:
            return f"{found} in an embedded drawing"
    bare = DATA_URI.sub("", text)
    if ENCODED.search(bare) or WRAPPED.search(bare) or UUENCODED.search(bare):
        return "a long run of letters and digits that nobody can read"
    hidden = (identifier(words, names) for words in map(unpacked, set(PACKED.findall(bare))) if words)
    return next((f"{found} in base64 or hexadecimal" for found in hidden if found), None)


def unpacked(packed: str) -> str:
    """The text that base64 or hexadecimal digits stand for; empty where they stand for none."""
    for unpack in (bytes.fromhex, lambda text: base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_")):
        try:
            words = unpack(packed).decode("ascii")
        except ValueError:
            continue
        if words.isprintable() and len(words) >= SHORTEST_PACKED:
            return words
    return ""


def drawings(text: str) -> Iterator[bytes]:
    """Every drawing that is embedded in a text."""
    for _, packed, data in DATA_URI.findall(text):
        if data:
            yield base64.b64decode(data) if packed else unquote_to_bytes(data)


def strings(values: object) -> list[str]:
    """Every key and every string in nested values, with numbers behind their keys."""
    if isinstance(values, dict):
        return [
            line for name, value in values.items() for line in (str(name), *(f"{name} {x}" for x in strings(value)))
        ]
    if isinstance(values, list):
        return [line for value in values for line in strings(value)]
    return [] if values is None or isinstance(values, float) else [str(values)]


def fault_of_json(text: str, names: Names) -> str | None:
    """What must not leave in JSON: in its text as it stands, and with every string decoded.

    Raises:
        Unreadable: it is none.
    """
    try:
        values = json.loads(text)
    except ValueError:
        raise Unreadable("it is no JSON") from None
    return fault_of_words(text, names) or identifier("\n".join(strings(values)), names)
