"""Codes of other programs as they come: tables of numbers, FreeSurfer's, SynthSeg's, Clinica's, folders of arrays.

A refusal has words for the report, which name nobody, and names for the private list.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
import pandas as pd

MOST_NUMBERS = 2048  # of a code: the probes solve a system of so many unknowns
MISSING = frozenset({"", "n/a", "na", "nan", "none", "null"})
SUBJECTS = ("participant_id", "subject_id", "subject", "sub", "participant", "ptid", "subjid", "fsid")
SESSIONS = ("session_id", "session", "ses", "visit", "viscode", "timepoint")
FREESURFER = re.compile(r"(measure:\w+|[lr]h\.[\w.]+)", re.IGNORECASE)  # the head of the first column
MERGED = ("t1-volume_", "t1-freesurfer_", "t1-freesurfer-longitudinal_")  # columns of `clinica iotools merge-tsv`
STATISTICS = re.compile(r"(sub-[A-Za-z0-9]+_ses-[A-Za-z0-9]+)_(.*)_statistics\.tsv")  # of Clinica, one a scan and atlas


class Refused(Exception):
    """Why a code does not compete.

    Attributes:
        words: one sentence without the name of a subject, a file or a column.
        names: whom or what it concerns.
    """

    def __init__(self, words: str, names: Iterable[str] = ()):
        super().__init__(words)
        self.words, self.names = words, tuple(names)


@dataclass(frozen=True)
class Given:
    """A code as its file has it.

    Attributes:
        ids: what each row calls its scan; subject and session of two columns are joined by ``_``.
        names: of the numbers.
        values: (rows, numbers), NaN where missing.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray


def read_given(path: str | Path) -> Given:
    """A table, or a folder of ``<subject>_<session>.npy`` or of Clinica's ``*_statistics.tsv``.

    Raises:
        Refused: it is none of these, holds text among its numbers, or is longer than the probes can solve.
    """
    path = Path(path)
    if not path.is_file() and not path.is_dir():
        raise Refused("it is neither a file nor a folder", [str(path)])
    given = _read_folder(path) if path.is_dir() else _read_table(path)
    if not given.ids or not given.names:
        raise Refused("it holds no numbers", [str(path)])
    if len(given.names) > MOST_NUMBERS:
        raise Refused(f"it has {len(given.names)} numbers a scan; a probe takes {MOST_NUMBERS} at most: pool them")
    endless = np.isinf(given.values).any(axis=1)
    if endless.any():
        raise Refused(f"{endless.sum()} of its rows hold infinite numbers", np.array(given.ids)[endless].tolist())
    return given


def _read_folder(folder: Path) -> Given:
    arrays, statistics = sorted(folder.glob("*.npy")), sorted(folder.rglob("*_statistics.tsv"))
    if arrays:
        return _read_arrays(arrays)
    if statistics:
        return _read_statistics(statistics)
    raise Refused("its folder holds neither .npy files nor Clinica's *_statistics.tsv", [str(folder)])


def _read_arrays(paths: list[Path]) -> Given:
    rows: list[np.ndarray] = []
    for path in paths:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError, SyntaxError, TypeError, TokenError) as error:
            raise Refused("a file of it is no array of numbers", [path.name]) from error
        numbers = isinstance(array, np.ndarray) and np.issubdtype(array.dtype, np.number)
        if not numbers or np.issubdtype(array.dtype, np.complexfloating):
            raise Refused("a file of it is no array of numbers", [path.name])
        if array.size > MOST_NUMBERS:
            raise Refused(f"it has {array.size} numbers a scan; a probe takes {MOST_NUMBERS} at most: pool them")
        if rows and array.size != rows[0].size:
            raise Refused("its files hold different counts of numbers", [paths[0].name, path.name])
        rows.append(np.array(array, dtype=float).ravel())
    names = tuple(f"number {place}" for place in range(1, rows[0].size + 1))
    return Given(tuple(path.stem for path in paths), names, np.stack(rows))


def _read_statistics(paths: list[Path]) -> Given:
    """Mean grey matter by region, one file a scan and atlas (Clinica's t1-volume)."""
    found: dict[str, dict[str, float]] = {}
    for path in paths:
        named = STATISTICS.fullmatch(path.name)
        table = _cells(path)
        if named is None or not {"label_name", "mean_scalar"} <= set(table):
            raise Refused("a *_statistics.tsv of it has no label_name and mean_scalar", [path.name])
        atlas = "_".join(re.findall(r"(?:space|map)-\w+?(?=_|$)", named[2])) or named[2]
        values = _numbers(table[["mean_scalar"]])[:, 0]
        regions = dict(zip((f"{atlas} {label}" for label in table["label_name"]), values, strict=True))
        found.setdefault(named[1], {}).update(regions)
    matrix = pd.DataFrame.from_dict(found, orient="index")
    return Given(tuple(matrix.index), tuple(map(str, matrix.columns)), matrix.to_numpy(float))


def _read_table(path: Path) -> Given:
    table = _cells(path)
    heads = {name.lower(): name for name in table.columns}
    subject = next((heads[name] for name in SUBJECTS if name in heads), None)
    session = next((heads[name] for name in SESSIONS if name in heads), None)
    first = table.columns[0]
    if FREESURFER.fullmatch(first):
        subject, session = first, None
    if subject is None:
        if pd.to_numeric(table[first], errors="coerce").notna().all():
            raise Refused("no column of it says which scan a row is (participant_id and session_id)", table.columns[:5])
        subject, session = first, None
    ids = table[subject] if session is None else table[subject] + "_" + table[session]
    merged = [name for name in table.columns if name.startswith(MERGED)]
    others = merged or [name for name in table.columns if name not in (subject, session)]
    others = [name for name in others if name and not table[name].str.lower().isin(MISSING).all()]
    return Given(tuple(ids), tuple(others), _numbers(table[others]))


def _cells(path: Path) -> pd.DataFrame:
    """A table as text, whatever separates its columns."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            head = lines.readline()
        separator = next((mark for mark in "\t,;" if mark in head), r"\s+")
        table = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
            engine="python",
        )
    except (OSError, ValueError) as error:  # not text, empty, or rows of other lengths
        raise Refused("its file is no table", [path.name]) from error
    table.columns = [str(name).strip() for name in table.columns]
    table = table.loc[:, [not name.startswith("Unnamed: ") or not place for place, name in enumerate(table.columns)]]
    if not len(table) or len(set(table.columns)) < table.shape[1]:
        raise Refused("its table has no row" if not len(table) else "two of its columns have one name", [path.name])
    return table.fillna("").map(str.strip)


def _numbers(table: pd.DataFrame) -> np.ndarray:
    """(rows, columns) numbers; NaN where missing.

    Raises:
        Refused: a cell is neither a number nor missing.
    """
    missing = table.map(lambda cell: cell.lower() in MISSING)
    values = table.mask(missing).apply(pd.to_numeric, errors="coerce")
    text = (values.isna() & ~missing).any()
    if text.any():
        words = f"{int(text.sum())} of its columns hold text; a code is numbers: take them out"
        raise Refused(words, [str(name) for name in table.columns[text]])
    return values.to_numpy(float)
