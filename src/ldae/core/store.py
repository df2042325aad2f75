"""A store: one memory-mapped array, one index row per scan, one small description.

``data.npy`` (float32 or uint8, first axis = scan), ``index.tsv`` (one row per entry of that axis) and
``store.json`` (shape, dtype, digests and whatever the writer adds). ``store.json`` is written last, so a folder
with a ``store.json`` is complete; train rules depend on that file alone. ``scans`` in it names the content behind every
row: the digest of the row's own bytes, or, in a store made from volumes, that of the scan's volume.

Nothing is read from a store that is not what was written there: an array that was copied over another one may have its
shape, and every number made from it would be wrong. The index and arrays up to :data:`WHOLE_BYTES` are compared with
their digests when the store is opened, once in a process; of a larger array every row is, when it is first read.
"""

import hashlib
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, note_written, read_json, read_tsv, sha256_file, write_json, write_tsv
from ldae.core.keys import KEY, KEY_TYPES

CONTENT = ("data.npy", "index.tsv")  # what the digest of a store is of
WHOLE_BYTES = 64 << 20  # arrays up to here are checked when the store is opened
logger = logging.getLogger("ldae")


class CheckedRows:
    """The memory-mapped array of a large store, indexed like any array: whatever is read of a row, the whole row is
    compared with its digest first, once in a process.

    Args:
        array: (rows, ...) memory-mapped.
        digests: one per row.
        folder: of the store, for messages.
    """

    def __init__(self, array: np.ndarray, digests: Sequence[str], folder: Path):
        self._array, self._digests, self._folder = array, digests, folder
        self._seen = np.zeros(len(array), dtype=bool)
        self.shape, self.dtype, self.nbytes = array.shape, array.dtype, array.nbytes

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Raises:
        UserError: a row is not what was written.
        """
        first = key[0] if isinstance(key, tuple) else key
        self._check(np.arange(len(self))[first])
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._check(np.arange(len(self)))
        return np.array(self._array, dtype=dtype)

    def _check(self, rows: Any) -> None:
        for row in np.unique(rows):
            if self._seen[row]:
                continue
            if _row_digest(self._array[row]) != self._digests[row]:
                raise UserError(_changed(self._folder, f"row {row} of data.npy"))
            self._seen[row] = True


@dataclass(frozen=True)
class Store:
    """An opened store: ``data[i]`` belongs to ``index.iloc[i]``; ``meta`` is store.json."""

    path: Path
    data: np.ndarray | CheckedRows
    index: pd.DataFrame
    meta: dict[str, Any]

    @property
    def digest(self) -> str:
        """Of the array and the index, as store.json has it: it names the store."""
        return self.meta["digest"]

    @property
    def scans(self) -> list[str]:
        """One digest per row: of its own bytes, or of the volume that it was made from.

        Raises:
            UserError: the store was written before stores knew that.
        """
        if "scans" not in self.meta:
            raise UserError(
                f"{self.path / 'store.json'} was written by an earlier version, which kept no digest of each scan: "
                "delete that file and run the same command."
            )
        return self.meta["scans"]

    def rows(self, participants: Iterable[str]) -> np.ndarray:
        """Positions of all scans of the given subjects, in store order."""
        return np.flatnonzero(self.index["participant_id"].isin(set(participants)))

    def volumes(self, rows: Any) -> np.ndarray:
        """Float32 arrays of the given rows; uint8 stores are scaled back to [0, 1]."""
        values = np.asarray(self.data[rows])
        return values.astype(np.float32) / 255 if values.dtype == np.uint8 else values.astype(np.float32)


def write_store(
    folder: str | Path,
    arrays: Iterable[np.ndarray],
    index: pd.DataFrame,
    dtype: str = "float32",
    scans: Sequence[str] | None = None,
    **meta: Any,
) -> None:
    """Write ``arrays`` (one per row of ``index``, equal shapes) and describe them.

    Everything is written beside the target and renamed at the end, so a killed writer leaves the old store whole. The
    array is written row by row, not through a mapped file: there a full disk kills the process without a word.

    Args:
        scans: digest of the volume behind each row; none: each row is its own source.

    Raises:
        UserError: the index is empty, there are fewer or more arrays than rows, or one has another shape or holds NaN
            or infinity.
    """
    folder = Path(folder)
    if index.empty:
        raise UserError(f"No scan is left to write to {folder}; see the reasons in manifest/exclusions.tsv.")
    fresh = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        shape, contents = _write_array(fresh / "data.npy", arrays, index, np.dtype(dtype), folder)
        if scans is not None and len(scans) != len(index):
            raise UserError(f"{folder}: {len(scans)} digests of scans for {len(index)} index rows.")
        write_tsv(fresh / "index.tsv", index)
        files = {name: sha256_file(fresh / name) for name in CONTENT}
        meta |= {"shape": shape, "dtype": dtype, "digest": _digest(files.values()), "files": files, "rows": contents}
        meta["scans"] = contents if scans is None else list(scans)
        write_json(fresh / "store.json", meta)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "store.json").unlink(missing_ok=True)  # incomplete until the last rename
        for name in (*CONTENT, "store.json"):
            (fresh / name).replace(folder / name)
        note_written(folder / "store.json")
    finally:
        shutil.rmtree(fresh, ignore_errors=True)  # half a store would keep a full disk full


def _write_array(
    path: Path, arrays: Iterable[np.ndarray], index: pd.DataFrame, dtype: np.dtype, folder: Path
) -> tuple[list[int], list[str]]:
    """Write an array of one shape per row as one .npy, and return its shape and a digest of each of them."""
    rows = len(index)
    shape, contents, count = [rows], [], 0
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        for array in arrays:
            if count == rows:
                raise UserError(f"{folder}: more arrays than the {rows} index rows.")
            if count == 0:
                shape += array.shape
                described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(handle, described | {"shape": tuple(shape)})
            if list(array.shape) != shape[1:]:
                raise UserError(f"{folder}: an array of shape {array.shape} among those of {tuple(shape[1:])}.")
            if not np.isfinite(array).all():
                raise UserError(_not_finite(folder, index.iloc[count]))
            row = np.ascontiguousarray(array, dtype=dtype)
            handle.write(row.data)
            contents.append(_row_digest(row))
            count += 1
        if count != rows:
            raise UserError(f"{folder}: {count} arrays for {rows} index rows.")
    return shape, contents


def _not_finite(folder: Path, row: pd.Series) -> str:
    name = "_".join(str(row[column]) for column in KEY if column in row) or f"row {row.name}"
    return (
        f"{folder}: what was made of {name} holds NaN or infinity, and nothing is written. Look at that scan, and at "
        "the log of the model that made it (steps that were left out, losses that grow); train it again with a lower "
        "learning rate if it is spoiled."
    )


def open_store(folder: str | Path) -> Store:
    """Open a store read-only (memory-mapped, nothing unpickled).

    Raises:
        UserError: a part is missing, array, index and description disagree, or the content is not what was written.
    """
    folder = Path(folder)
    for name in ("store.json", *CONTENT):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name} is missing: the store was not finished; run the rule that writes it again."
            )
    meta = read_json(folder / "store.json")
    _require_description(folder, meta)
    try:
        data = np.lib.format.open_memmap(folder / "data.npy", mode="r")
    except (ValueError, TypeError, SyntaxError, EOFError, OverflowError, TokenError) as error:
        raise UserError(
            f"{folder / 'data.npy'} is not a plain array ({error}); run the rule that writes it again."
        ) from error
    if list(data.shape) != meta["shape"] or data.dtype != _dtype(meta["dtype"]):
        raise UserError(
            f"{folder}: array {data.shape} of {data.dtype} and store.json {meta['shape']} of {meta['dtype']} disagree."
        )
    rows = _require_content(folder, data, meta)
    index = read_tsv(folder / "index.tsv", dtype=KEY_TYPES)
    if len(index) != len(data):
        raise UserError(
            f"{folder}: array {data.shape}, index {len(index)} rows and store.json {meta['shape']} disagree."
        )
    return Store(folder, rows, index, meta)


def _dtype(name: str) -> np.dtype | None:
    try:
        return np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        return None


def _require_description(folder: Path, meta: Any) -> None:
    """Raises:
    UserError: store.json lacks what every store.json says, or says it in another form.
    """
    kinds = {"shape": list, "dtype": str, "digest": str}
    sound = isinstance(meta, dict) and all(isinstance(meta.get(name), kind) for name, kind in kinds.items())
    if sound and ("files" in meta or "rows" in meta):
        files, rows = meta.get("files"), meta.get("rows")
        sound = (
            isinstance(files, dict)
            and sorted(files) == sorted(CONTENT)
            and all(isinstance(found, str) for found in files.values())
            and isinstance(rows, list)
            and [len(rows)] == meta["shape"][:1]
            and _digest(files[name] for name in CONTENT) == meta["digest"]
        )
    if not sound:
        raise UserError(_changed(folder, "store.json"))


def _require_content(folder: Path, data: np.ndarray, meta: dict[str, Any]) -> np.ndarray | CheckedRows:
    """The array, of which a large one checks its rows by itself.

    Raises:
        UserError: array or index are not those that store.json describes.
    """
    if "files" not in meta:
        if data.nbytes > WHOLE_BYTES:
            _say_once(
                f"{folder} was written by an earlier version, without digests of its rows: all of its "
                f"{data.nbytes / 1e9:.1f} GB are read now to check them. Made again, it would be checked as it is read."
            )
        if _digest(_sha256_once(folder / name) for name in CONTENT) != meta["digest"]:
            raise UserError(_changed(folder, "its data.npy, index.tsv or store.json"))
        return data
    large = data.nbytes > WHOLE_BYTES
    for name in CONTENT:
        if not (large and name == "data.npy") and _sha256_once(folder / name) != meta["files"][name]:
            raise UserError(_changed(folder, name))
    return CheckedRows(data, meta["rows"], folder) if large else data


def missing_part(described: Path) -> Path | None:
    """The part that is missing or empty beside a store.json that is there; none: all are there, or it is no
    store.json."""
    if described.name != "store.json" or not described.is_file():
        return None
    parts = map(described.with_name, CONTENT)
    return next((part for part in parts if not part.is_file() or part.stat().st_size == 0), None)


def require_whole(folder: str | Path) -> Store:
    """Open a store and read all of it.

    Raises:
        UserError: as of :func:`open_store`, or a row is not what was written.
    """
    store = open_store(folder)
    if isinstance(store.data, CheckedRows):
        for row in range(len(store.data)):
            store.data[row]
    return store


@cache
def _say_once(sentence: str) -> None:
    logger.info("%s", sentence)


def _changed(folder: Path, what: str) -> str:
    return (
        f"{folder} does not hold what was written there ({what} was changed, was damaged or comes from another run); "
        "delete the folder and run the rule that writes it again."
    )


def _row_digest(row: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(row).data).hexdigest()[:16]


def _sha256_once(path: Path) -> str:
    """Digest of a file, computed once in a process as long as it is not written again. A copy that brings an old time
    of its own (``cp -p``) has another inode or time of change."""
    state = path.stat()
    return _sha256(path.absolute(), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


@cache
def _sha256(path: Path, *state: int) -> str:
    return sha256_file(path)


def _digest(contents: Iterable[str]) -> str:
    """The name of a store, from the digests of its array and its index."""
    return hashlib.sha256("".join(contents).encode()).hexdigest()[:16]
