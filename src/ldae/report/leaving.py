"""The last look at a folder that is to leave the machine: only listed kinds of files, each read whole, none a scan.

What is copied into such a folder is a declared list (:mod:`ldae.report.public`, :mod:`ldae.report.export_model`). This
check does not rely on it.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import nibabel as nib

from ldae.core.errors import UserError
from ldae.core.formulas import computes
from ldae.report.identifiers import Names, identifier
from ldae.report.leaving_drawings import fault_of_drawing
from ldae.report.leaving_pages import Page
from ldae.report.leaving_people import (
    fault_of_columns,
    fault_of_rows,
    lines_of_people,
    lists_of_people,
    rows_of_people,
    tables_of,
)
from ldae.report.leaving_words import DATA_URI, Unreadable, decoded, fault_of_json, fault_of_words

LARGEST_HEADER = 1 << 26  # bytes, of safetensors
STEPS, DAY = re.compile(r"steps?|\w+_steps?|seed"), re.compile(r"\d{8}")
UNBROKEN = re.compile(r"\S{300,}")
Look = Callable[[Path, Names], str | None]


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
        except RecursionError:
            found = "what nobody can read (it is nested too deeply)"
        if found:
            raise UserError(f"{path} names {found}: identifiers must not leave the machine.")


def kind_of(place: str) -> str:
    """``.nii.gz``, ``.svg``, …; a name without a dot is its own kind."""
    name = PurePosixPath(place).name
    return "".join(PurePosixPath(name).suffixes[-2:]) if name.endswith(".gz") else PurePosixPath(name).suffix or name


def look_at_text(path: Path, names: Names) -> str | None:
    """Of plain text, tables, Markdown and LaTeX."""
    text = decoded(path.read_bytes())
    if path.suffix != ".tsv":
        return fault_of_text(text, names)
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))
    if any(computes(cell) and not cell.startswith("'") for row in rows for cell in row):
        return "a cell that a spreadsheet would compute"
    return fault_of_text(without_counts(text, rows), names)


def without_counts(text: str, rows: list[list[str]]) -> str:
    """A table without the cells of columns that count steps: a long training has steps that are written like a date."""
    counts = {place for place, title in enumerate(rows[0] if rows else ()) if STEPS.fullmatch(title)}
    if not any(DAY.fullmatch(row[place]) for row in rows[1:] for place in counts if place < len(row)):
        return text
    kept = [["" if place in counts and DAY.fullmatch(cell) else cell for place, cell in enumerate(row)] for row in rows]
    return "\n".join("\t".join(row) for row in kept)


def fault_of_text(text: str, names: Names) -> str | None:
    """What must not leave in a text: what is encoded in it, identifiers, and tables or lists of single people."""
    if UNBROKEN.search(DATA_URI.sub("", text)):
        return "three hundred signs without a space, which nobody can read"
    page = Page()
    page.feed(text if "<t" in text else "")
    rows = (fault_of_rows(table, names) for table in page.tables)
    people = next((fault for fault in rows if fault), None) or rows_of_people(text, names) or lines_of_people(text)
    people = people or lists_of_people(DATA_URI.sub("", text))
    return fault_of_words(text, names) or people


def look_at_words(path: Path, names: Names) -> str | None:
    """Of a configuration: its words. Shares and doses stand in it below each other, as many as its user wants."""
    text = decoded(path.read_bytes())
    return fault_of_words(text, names) or lists_of_people(text)


def look_at_svg(path: Path, names: Names) -> str | None:
    """Of an SVG drawing: elements, words and links."""
    return fault_of_drawing(decoded(path.read_bytes()), names)


def look_at_json(path: Path, names: Names) -> str | None:
    """Of JSON: its text as it stands, and every string in it decoded."""
    return fault_of_json(decoded(path.read_bytes()), names)


def look_at_results(path: Path, names: Names) -> str | None:
    """Of JSON that holds results, and no numbers of a network: the same, and tables of single people."""
    text = decoded(path.read_bytes())
    if found := fault_of_json(text, names):
        return found
    people = (fault_of_columns(columns, names) for columns in tables_of(json.loads(text)))
    return next((fault for fault in people if fault), None)


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
