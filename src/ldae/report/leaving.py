"""The last look at a folder that is to leave the machine: only listed kinds of files, each read whole, none a scan.

What is copied into such a folder is a declared list (:mod:`ldae.report.public`, :mod:`ldae.report.export_model`). This
check does not rely on it.
"""

import base64
import binascii
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes

import nibabel as nib

from ldae.core.errors import UserError
from ldae.core.files import FORMULA
from ldae.report.identifiers import TAGS, Names, column_of_names, identifier, numbered, plain
from ldae.report.leaving_drawings import fault_of_drawing

DATA_URI = re.compile(r"data:([\w/+.-]*)[^,\"')\s]*?(;base64)?,([^\"')\s>]*)")
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}")
RUNS = frozenset(
    {
        "script",
        "iframe",
        "object",
        "embed",
        "applet",
        "base",
        "form",
        "video",
        "audio",
        "source",
        "image",
        "link",
        "frame",
        "feimage",
        "svg",
        "math",
    }
)
PROGRAM = re.compile(
    r"<\s*(?:\w+:)?script\b|javascript\s*:|\\(?:input|include|write18|openin|openout|immediate|catcode|directlua)\b",
    re.IGNORECASE,
)
FOREIGN = re.compile(r"!\[[^\]]*\]\([^)]{0,40}|<img\b[^>]{0,40}|!!(?:binary|python)\S*", re.IGNORECASE)
LOADS = re.compile(r"@import|image-set\(|url\(\s*[\"']?\s*(?!#|data:image/svg)", re.IGNORECASE)
UUENCODED = re.compile(r"(?:^M[ -`]{60}\r?\n){2}", re.MULTILINE)
UNBROKEN = re.compile(r"\S{300,}")
SERIES = re.compile(
    r"^[\s>*-]*(?!figure|table|stage|step|section|level)([^\W\d_]{1,12}[ _-]?\d{1,4})\b", re.IGNORECASE | re.MULTILINE
)
ITEMS = re.compile(r"(?=[^\n]*\d)[\d\s.,;:*/>()+-]*(?:\b[A-Za-z]{1,2}\b[\d\s.,;:*/>()+-]*)*")  # a line of numbers, M, F
MANY_LINES = 8
SHORTEST_PACKED = 10  # letters: a digest of 16 hexadecimal digits may be eight of them by chance
PACKED = re.compile(r"[A-Za-z0-9+/_-]{12,}")
WRAPPED = re.compile(r"(?:[A-Za-z0-9+/]{56,}[ \t]*\r?\n[ \t]*){2,}[A-Za-z0-9+/]+={0,2}")
LARGEST_HEADER = 1 << 26  # bytes, of safetensors
LONGEST_LIST = 8  # numbers in a list of JSON: networks have as many levels at most
LOOSE = (",", ";", " {2,}")
SEPARATORS = ("\t", r"\|", "&", *LOOSE)
EDGES = re.compile(r"^ *\|? *| *(?:\||\\\\)? *$")  # of a row in Markdown and LaTeX
RULE = re.compile(r"[\s:|-]*")  # below the head of a table in Markdown

Look = Callable[[Path, Names], str | None]


class Unreadable(Exception):
    """A file, or what is inside one, is not what its name says; the message is the rest of a sentence."""


def check_leaving(folder: Path, names: Iterable[str], kinds: Mapping[str, Look], listed: Callable[[str], bool]) -> None:
    """Look into every file of a folder.

    Args:
        folder: that is to leave.
        names: identifiers of the cohort: subjects and images.
        kinds: what looks into a file, by suffix (with several: ``.nii.gz``); a name without one stands for itself.
        listed: whether a file, by its path in the folder, is one that was meant to leave.

    Raises:
        UserError: naming the first file and what is wrong with it.
    """
    known = Names.of(names)
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UserError(f"{path} is neither a file nor a folder: a link or device must not leave the machine.")
        place = path.relative_to(folder).as_posix()
        if path.is_dir():
            if named := identifier(place, known):
                raise UserError(f"{path} names {named}: identifiers must not leave the machine.")
            continue
        kind = kind_of(place)
        if kind not in kinds or not listed(place):
            raise UserError(f"{path} is not on the list of what may leave the machine: take it away.")
        try:
            found = identifier(place, known) or kinds[kind](path, known)
        except Unreadable as error:
            found = f"what nobody can read ({error})"
        if found:
            raise UserError(f"{path} names {found}: identifiers must not leave the machine.")


def kind_of(place: str) -> str:
    """``.nii.gz``, ``.svg``, …; a name without a dot is its own kind."""
    name = PurePosixPath(place).name
    return "".join(PurePosixPath(name).suffixes[-2:]) if name.endswith(".gz") else PurePosixPath(name).suffix or name


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


def look_at_text(path: Path, names: Names) -> str | None:
    """Of plain text, tables, Markdown and LaTeX."""
    text = decoded(path.read_bytes())
    cells = csv.reader(text.splitlines(), delimiter="\t") if path.suffix == ".tsv" else ()
    if any(FORMULA.match(cell) and not cell.startswith("'") for row in cells for cell in row):
        return "a cell that a spreadsheet would compute"
    return fault_of_text(text, names)


def fault_of_text(text: str, names: Names) -> str | None:
    """What must not leave in a text: what is encoded in it, identifiers, and tables or lists of single people."""
    if UNBROKEN.search(DATA_URI.sub("", text)):
        return "three hundred signs without a space, which nobody can read"
    page = _Page()
    page.feed(text if "<t" in text else "")
    rows = (fault_of_rows(table, names) for table in page.tables)
    people = next((fault for fault in rows if fault), None) or rows_of_people(text, names) or lines_of_people(text)
    return fault_of_words(text, names) or people


def fault_of_words(text: str, names: Names) -> str | None:
    """What must not leave in any text, whatever its form: what runs or loads, what is encoded, and identifiers."""
    if found := PROGRAM.search(plain(text)):
        return f"{found.group()!r}, which runs something"
    if found := FOREIGN.search(text):
        return f"{found.group()!r}, which loads or packs something"
    return look_at_data(text, names) or identifier(text, names)


def look_at_data(text: str, names: Names) -> str | None:
    """Of what is encoded inside a text: drawings are opened, anything else is refused."""
    for kind, packed, data in DATA_URI.findall(text):
        if kind != "image/svg+xml":
            return f"embedded data of the kind {kind or 'unknown'!r}, which is no drawing"
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


def rows_of_people(text: str, names: Names) -> str | None:
    """Whether a table in the text is one of single people, in whichever form it is written."""
    for separator in SEPARATORS:
        for rows in blocks(text, separator):
            if fault := fault_of_rows(rows, names):
                return fault
    first, *following = text.splitlines() or [""]
    if "\t" not in text and following:
        return fault_of_columns({first: following}, names)
    return None


def lines_of_people(text: str) -> str | None:
    """Whether lines begin with numbered words, or hold numbers alone, as a list of single people does."""
    if series := numbered(SERIES.findall(text)):
        return f"lines about {', '.join(series[:3])}, ..., which may be people"
    run = 0
    for line in text.splitlines():
        run = run + 1 if ITEMS.fullmatch(line) else run if not line.strip() else 0
        if run > MANY_LINES and "\t" not in line:
            return f"a list of numbers ({line.strip()[:40]!r}), of which nobody says of whom they are"
    return None


def fault_of_rows(rows: list[list[str]], names: Names) -> str | None:
    """The same of rows of cells, the first of which is the head."""
    titles = [cell.strip().replace("\\", "") for cell in rows[0]] if rows else []
    body = [row for row in rows[1:] if not RULE.fullmatch("".join(row))]
    return fault_of_columns(
        {title: [row[place] for row in body if place < len(row)] for place, title in enumerate(titles)}, names
    )


def fault_of_columns(columns: dict[str, list[str]], names: Names) -> str | None:
    """Whether a table is one of single people, in words."""
    column = column_of_names(columns, names)
    return (
        None if column is None else f"a table with the column {column!r}, which is one of single people, scans or dates"
    )


def blocks(text: str, separator: str) -> Iterator[list[list[str]]]:
    """Lines below each other that a separator cuts into cells. What also separates words is one only between equally
    many cells in four lines or more."""
    lines: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        cells = re.split(separator, EDGES.sub("", line))
        loose = separator in LOOSE
        if len(cells) > 1 and not (loose and lines and len(cells) != len(lines[0])):
            lines.append(cells)
            continue
        if len(lines) >= (4 if loose else 1):
            yield lines
        lines = [cells] if len(cells) > 1 else []


def look_at_svg(path: Path, names: Names) -> str | None:
    """Of an SVG drawing: elements, words and links."""
    return fault_of_drawing(decoded(path.read_bytes()), names)


def drawings(text: str) -> Iterator[bytes]:
    """Every drawing that is embedded in a text."""
    for kind, packed, data in DATA_URI.findall(text):
        if kind == "image/svg+xml" and data:
            yield base64.b64decode(data) if packed else unquote_to_bytes(data)


class _Page(HTMLParser):
    """Collects what a page must not do."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.tables: list[list[list[str]]] = []  # rows of cells
        self.comments: list[str] = []

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
        if tag in RUNS or (tag == "meta" and "http-equiv" in dict(attrs)):
            self.fault = f"an element <{tag}>, which no report needs"
        for name, value in attrs:
            if name.startswith("on"):
                self.fault = f"an attribute {name}, which runs something"
            elif name in {"src", "srcset"} and not (value or "").startswith("data:image/svg+xml"):
                self.fault = f"a picture from {(value or '')[:40]!r}"
            elif name in {"background", "ping", "formaction", "action", "poster", "manifest", "data"}:
                self.fault = f"an attribute {name}, which loads or tells something"
            elif name in {"href", "xlink:href"} and not re.match(r"#|https://|tables/\w+\.tsv$", value or ""):
                self.fault = f"a link to {(value or '')[:40]!r}"


def look_at_html(path: Path, names: Names) -> str | None:
    """Of the report: nothing that runs or loads, drawings opened, words without the drawings."""
    text = decoded(path.read_bytes())
    page = _Page()
    page.feed(text)
    if re.search(r"<style\b[^>]*>[^<]*<(?!/style)", text, re.IGNORECASE):
        page.fault = "an element inside a style, which is no style"
    if page.fault is None and (found := PROGRAM.search(plain(DATA_URI.sub("", text))) or LOADS.search(text)):
        page.fault = f"{found.group()!r}, which runs or loads something"
    page.fault = page.fault or rows_of_people("\n".join(page.comments), names)
    items = re.sub(r"<(?:li|p|dt|dd|div|br)\b[^>]*>", "\n", DATA_URI.sub("", text), flags=re.IGNORECASE)
    if series := numbered(SERIES.findall(TAGS.sub("", items))):
        page.fault = page.fault or f"lines about {', '.join(series[:3])}, ..., which may be people"
    for rows in page.tables:
        page.fault = page.fault or fault_of_rows(rows, names)
    hidden = page.fault or look_at_data(text, names)
    return hidden or identifier(DATA_URI.sub("", text), names)


def look_at_json(path: Path, names: Names) -> str | None:
    """Of JSON: its text as it stands, and every string in it decoded."""
    return fault_of_json(decoded(path.read_bytes()), names)


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


def look_at_results(path: Path, names: Names) -> str | None:
    """Of JSON that holds results, and no numbers of a network: the same, and tables of single people."""
    text = decoded(path.read_bytes())
    if found := fault_of_json(text, names):
        return found
    people = (fault_of_columns(columns, names) for columns in tables_of(json.loads(text)))
    return next((fault for fault in people if fault), None)


def tables_of(values: object) -> Iterator[dict[str, list[str]]]:
    """Tables in nested values: lists of objects with the same keys, objects of lists, objects of such objects."""
    if isinstance(values, dict):
        inner = list(values.values())
        lists = {str(name): [str(cell) for cell in value] for name, value in values.items() if isinstance(value, list)}
        if lists:
            yield lists
        yield {"": [str(name) for name in values]}
    elif isinstance(values, list):
        inner = values
        if len(values) > LONGEST_LIST and all(isinstance(value, int | float) for value in values):
            yield {"age": [str(value) for value in values]}  # nobody says of what
    else:
        return
    rows = [value for value in inner if isinstance(value, dict)]
    if len(rows) > 1 and len(rows) == len(inner) and all(row.keys() == rows[0].keys() for row in rows):
        yield {str(name): [str(row[name]) for row in rows] for name in rows[0]}
    for value in inner:
        yield from tables_of(value)


def strings(values: object) -> list[str]:
    """Every key and every string in nested values, with numbers behind their keys."""
    if isinstance(values, dict):
        return [
            line for name, value in values.items() for line in (str(name), *(f"{name} {x}" for x in strings(value)))
        ]
    if isinstance(values, list):
        return [line for value in values for line in strings(value)]
    return [] if values is None or isinstance(values, float) else [str(values)]


def look_at_weights(path: Path, names: Names) -> str | None:
    """Of safetensors: the header, and no more is read; the numbers are a network's."""
    with path.open("rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        if not 0 < size <= min(LARGEST_HEADER, path.stat().st_size - 8):
            raise Unreadable("it is no safetensors file")
        header = handle.read(size)
    return fault_of_json(decoded(header.rstrip(b" ")), names)


def look_at_nifti(path: Path, names: Names) -> str | None:
    """Of a template: the header and its extensions; a template is nobody's scan by being listed."""
    try:
        header = nib.load(path).header
    except (nib.filebasedimages.ImageFileError, OSError, EOFError) as error:
        raise Unreadable("it is no NIfTI file") from error
    if not isinstance(header, nib.Nifti1Header):  # NIfTI-2 is one, too
        raise Unreadable("it is no NIfTI file")
    words = [header.binaryblock, *(extension.get_content() for extension in header.extensions)]
    texts = [word.decode("latin-1").replace("\0", " ") if isinstance(word, bytes) else str(word) for word in words]
    return identifier("\n".join(texts), names)
