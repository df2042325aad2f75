"""Files that are either whole or absent, small tables, rows of a running training, and digests.

Every writer goes through :func:`atomic_path`: temporary file beside the target, fsync, rename; what a person asks
for by hand, into a folder of their own, through :func:`new_path`.
"""

import filecmp
import hashlib
import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.core.errors import UserError
from ldae.core.formulas import as_given, inert

LARGEST_TEXT = 1 << 30  # bytes; the longest table of a run has some 0.01 GiB
MOST_COLUMNS = 20_000  # of a table; a latent of the paper has 15,360 numbers
logger = logging.getLogger("ldae")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends well, and vanishes otherwise.

    The temporary name keeps the suffixes of ``path`` (``.nii.gz``), since libraries read the format there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.chmod(permissions())  # some libraries (safetensors) write files that their owner alone may read
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        fsync_folder(path.parent)
        note_written(path)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a write that failed does not say where
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


_noted: list[Path] | None = None  # files written since :func:`noting_writes`, by this process


@contextmanager
def noting_writes() -> Iterator[list[Path]]:
    """Yield a list that grows by every file that this process writes in the block."""
    global _noted
    earlier, _noted = _noted, []
    try:
        yield _noted
    finally:
        _noted = earlier


def note_written(path: Path) -> None:
    """A file is there under its name: for writers that rename it themselves."""
    if _noted is not None:
        _noted.append(path)


def permissions() -> int:
    """Mode of a new file: what the umask leaves of 0666. Linux says the umask; elsewhere asking means setting it."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else []:
        if line.startswith("Umask:"):
            return 0o666 & ~int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def new_path(path: str | Path) -> Iterator[Path]:
    """:func:`atomic_path` that replaces nothing: a file that stands there already has to be the same, byte for byte.

    Raises:
        UserError: it is another one, which stays.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        yield temporary
        require_same(path, temporary)


def require_same(path: Path, temporary: Path) -> None:
    """Raises:
    UserError: ``path`` is there, and is not ``temporary`` byte for byte.
    """
    if path.exists() and not filecmp.cmp(path, temporary, shallow=False):
        raise UserError(f"{path} is there and holds something else, so it stays: give another folder.")


def escaped(name: str) -> str:
    """A name as text: line breaks and other control characters, and bytes that are not UTF-8, with backslashes (Python
    keeps the latter as lone surrogates)."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return CONTROL.sub(lambda letter: repr(letter.group())[1:-1], text)


def printable(content: Any) -> Any:
    """What is to become JSON, with every text (keys too) as :func:`escaped` has it: strict readers take no half of a
    surrogate pair."""
    if isinstance(content, dict):
        return {escaped(str(key)): printable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [printable(value) for value in content]
    return escaped(content) if isinstance(content, str) else content


def warn_of_names(names: Iterable[str]) -> None:
    """Say once, in the log, which names are not UTF-8 or cannot be printed; they are written with backslashes."""
    odd = [escaped(name) for name in names if escaped(name) != name]
    if odd:
        logger.warning(
            "%d names are not UTF-8 or not printable, the first is %s: rename what shall be read",
            len(odd),
            odd[0],
        )


def fsync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """UTF-8, whole or not at all; the name of a file that is not UTF-8 stands there with backslashes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, content: Any) -> None:
    """Sorted keys and a final newline: equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_text(path: str | Path, most: int = LARGEST_TEXT) -> str:
    """The text of one of our own files: UTF-8.

    Args:
        most: bytes; a file that is larger is not read.

    Raises:
        UserError: it is no regular file, too large, or not UTF-8.
        OSError: it is missing or cannot be read.
    """
    require_text_file(path, most)
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}); delete it and run its rule again, or save it as UTF-8."
        ) from error


def require_text_file(path: str | Path, most: int = LARGEST_TEXT) -> None:
    """Before it is opened: a pipe would be waited for, a device read for ever.

    Raises:
        UserError: it is no regular file, or has more than ``most`` bytes.
        OSError: it is missing.
    """
    facts = Path(path).stat()
    if not stat.S_ISREG(facts.st_mode):
        raise UserError(f"{path} is no file: text is expected.")
    if facts.st_size > most:
        raise UserError(f"{path} has {facts.st_size >> 20} MiB: text of at most {most >> 20} MiB is expected.")


def read_json(path: str | Path) -> Any:
    """Content of a JSON file.

    Raises:
        UserError: it is not valid JSON.
        OSError: it cannot be read.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and run its rule again.") from error


def write_tsv(path: str | Path, table: pd.DataFrame, digits: int = 6) -> None:
    """Tab-separated, missing values as ``n/a`` (the BIDS rule), floats with so many significant digits; the name of a
    file that is not UTF-8 stands there with backslashes.

    A text that a spreadsheet would take for a formula, in a cell or a head, gets an apostrophe before it, which
    :func:`read_tsv` takes away again.
    """
    form = f"%.{digits}g"
    table = _each_text(table, inert)
    with atomic_path(path) as temporary:
        table.to_csv(
            temporary, sep="\t", index=False, na_rep="n/a", float_format=form, lineterminator="\n",
            errors="backslashreplace",
        )  # fmt: skip


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text changed, its heads too; the same one where there is nothing to change."""
    changed = {}
    for place, kind in enumerate(table.dtypes):
        if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind):
            continue
        cells = table.iloc[:, place]
        texts = {text: change(text) for text in cells.unique() if isinstance(text, str)}
        odd = {text: other for text, other in texts.items() if other != text}
        if odd:
            changed[place] = cells.map(lambda cell, odd=odd: odd.get(cell, cell) if isinstance(cell, str) else cell)
    names = [change(name) if isinstance(name, str) else name for name in table.columns]
    if changed or names != list(table.columns):
        table = pd.concat([changed.get(place, table.iloc[:, place]) for place in range(table.shape[1])], axis=1)
        table.columns = names
    return table


def write_tsv_if_changed(path: str | Path, table: pd.DataFrame) -> None:
    """:func:`write_tsv`, but a file that says the same keeps its time, which is what plans its readers."""
    path = Path(path)
    fresh = path.with_name(f"{path.name}.new")
    write_tsv(fresh, table)
    if path.is_file() and path.read_bytes() == fresh.read_bytes():
        fresh.unlink()
    else:
        fresh.replace(path)


def read_tsv(path: str | Path, needed: Collection[str] = (), **kwargs: Any) -> pd.DataFrame:
    """Read a table written by :func:`write_tsv`.

    Args:
        needed: columns that it has to have.

    Raises:
        UserError: it is empty, no table, no UTF-8, larger than 1 GiB, wider than 20,000 columns, or lacks one of these
            columns.
        OSError: it is missing or cannot be read.
    """
    require_text_file(path)
    with open(path, "rb") as handle:  # naming columns takes pandas the square of their number
        if handle.readline(MOST_COLUMNS * 64).count(b"\t") >= MOST_COLUMNS:
            raise UserError(f"{path} has more than {MOST_COLUMNS:,} columns: it was changed or damaged.")
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, **kwargs)
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path} is an empty file; delete it and run its rule again.") from error
    except (pd.errors.ParserError, ValueError, OverflowError) as error:  # not UTF-8 among them
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no table of this workflow ({reason}); delete it and run its rule again.") from error
    table = _each_text(table, as_given)
    if lacking := [name for name in needed if name not in table]:
        raise UserError(f"{path} has no column {', '.join(lacking)}: it was changed or damaged; run its rule again.")
    return table


def sha256_file(path: str | Path) -> str:
    """64 hex digits: the digest of a file's bytes, read in parts."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def require_weights(path: str | Path, sha256: str | None = None) -> None:
    """A file of weights is there, is a whole safetensors file (by its header), and has its digest, where one is given.

    Raises:
        UserError: it is missing, empty, of another kind, cut off, or has another digest.
    """
    if not Path(path).is_file():
        raise UserError(f"The weights {path} do not exist; give the path of a safetensors file.")
    if reason := no_safetensors(path):
        raise UserError(
            f"{path} is not a whole safetensors file ({reason}); fetch it again, or convert it (ldae import-weights)."
        )
    if sha256 is not None and (found := sha256_file(path)) != sha256.lower():
        raise UserError(
            f"The weights {path} have sha256 {found}, not {sha256}; fetch the file again or correct the digest."
        )


def no_safetensors(path: str | Path) -> str | None:
    """Why a file is no whole safetensors file with tensors in it, in words; none: it is one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            return None if opened.keys() else "it holds no tensors"
    except (OSError, SafetensorError) as error:
        return str(error)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A second name of a file; a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def digest(content: Any) -> str:
    """First 16 hex digits of the sha256 of ``content`` as canonical JSON (settings, lists of digests, ...)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def append_row(path: Path, row: dict[str, Any]) -> None:
    """One more line."""
    with open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All whole lines; one that a kill has cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def rewind_rows(path: Path, step: int) -> list[dict[str, Any]]:
    """Drop the lines after ``step``, which a continued run writes again; returns those that stay."""
    rows = [row for row in read_rows(path) if row["step"] <= step]
    if path.is_file():
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows
