"""Which scans a training reads, by their content: what its fingerprint holds, and how two such sets differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import digest, read_tsv, write_tsv
from ldae.core.keys import KEY, KEY_TYPES
from ldae.core.store import Store

FILE = "scans.tsv"  # beside a model: the scans it was trained and validated on; private, like every table of scans
READ = ("train", "validation")
Target = Literal["ad", "age"]
TARGETS: dict[str, Target] = {"supervised_ad": "ad", "supervised_age": "age"}  # stage -> the label it reads


@dataclass(frozen=True)
class ScanSet:
    """The training and validation scans of one training, in the order of the store.

    ``table``: participant_id, session_id, split, scan (digest of its volume) and, where a label is read, label.
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, store: Store, splits: pd.DataFrame, target: Target | None = None) -> "ScanSet":
        """What a training would read now.

        Args:
            target: the label that it reads; scans without one are left out.

        Raises:
            UserError: a split has no scan in the store.
        """
        contents, parts = np.array(store.scans, dtype=object), []
        for name in READ:
            rows, values = split_rows(store, splits, name), None
            if target is not None:
                rows, values = labelled_rows(store.index, rows, target)
            part = store.index.iloc[rows][KEY].assign(split=name, scan=contents[rows])
            parts.append(part if values is None else part.assign(label=[repr(float(value)) for value in values]))
        return cls(pd.concat(parts, ignore_index=True))

    @classmethod
    def read(cls, folder: Path) -> "ScanSet | None":
        """What stands beside a model or its checkpoints; none where nothing does (imported models)."""
        path = Path(folder) / FILE
        return cls(read_tsv(path, ("participant_id",), dtype=str)) if path.is_file() else None

    def write(self, folder: Path) -> None:
        """As ``scans.tsv`` into a folder."""
        write_tsv(Path(folder) / FILE, self.table)

    def digests(self) -> dict[str, str]:
        """One digest for each split, of names, content and labels in their order."""
        return {name: digest(self.part(name).to_numpy().tolist()) for name in READ}

    def part(self, split: str) -> pd.DataFrame:
        """The rows of one split, without the column that names it.

        Raises:
            UserError: the table of a training has no such column any more.
        """
        if "split" not in self.table:
            raise UserError(f"{FILE} of a training has no column split: it was changed or damaged; put it back.")
        return self.table[self.table["split"] == split].drop(columns="split")

    def rows(self, store: Store, split: str) -> np.ndarray:
        """Positions of one split's scans in a store that holds them all."""
        places = {name: place for place, name in enumerate(scan_ids(store.index))}
        return np.array([places[name] for name in scan_ids(self.part(split))], dtype=int)


@dataclass(frozen=True)
class Change:
    """How the scans of now differ from those of a training, by name.

    Attributes:
        added: not read by it.
        gone: read by it, and not among those of now.
        altered: read by it with another image or label, or in another split.
        kept: how many are unchanged.
    """

    added: list[str]
    gone: list[str]
    altered: list[str]
    kept: int

    @classmethod
    def between(cls, old: ScanSet, new: ScanSet) -> "Change":
        """What became of the scans of ``old`` in ``new``, compared by name."""
        before, now = (dict(zip(scan_ids(s.table), s.table.to_numpy().tolist(), strict=True)) for s in (old, new))
        both = [name for name in now if name in before]
        altered = [name for name in both if before[name] != now[name]]
        added, gone = ([n for n in a if n not in b] for a, b in ((now, before), (before, now)))
        return cls(added, gone, altered, len(both) - len(altered))

    @property
    def nothing(self) -> bool:
        """Whether both sets are the same."""
        return not (self.added or self.gone or self.altered)

    @property
    def unseen(self) -> int:
        """Scans of now that the training has not read as they are."""
        return len(self.added) + len(self.altered)

    def __str__(self) -> str:
        counts = ((self.added, "added"), (self.gone, "left out"), (self.altered, "changed"))
        return ", ".join(f"{len(names)} {what} ({some(names)})" for names, what in counts if names) or "none changed"


def some(names: Sequence[str]) -> str:
    """The first name, and how many more."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def read_splits(path: Path) -> pd.DataFrame:
    """splits.tsv: participant_id and split.

    Raises:
        UserError: a subject stands in it twice, or it is no such table.
    """
    table = read_tsv(path, ("participant_id", "split"), dtype=KEY_TYPES)
    twice = table.loc[table["participant_id"].duplicated(), "participant_id"]
    if len(twice):
        raise UserError(
            f"{path} lists {twice.iloc[0]} more than once ({twice.nunique()} subjects): every subject has one row, and "
            "nobody edits this table by hand; remove the file and run make_splits again, which remembers who is where."
        )
    return table


def split_rows(store: Store, splits: pd.DataFrame, split: str) -> np.ndarray:
    """Store positions of the scans of one split.

    Raises:
        UserError: the split has no scan in the store.
    """
    rows = store.rows(splits.loc[splits["split"] == split, "participant_id"])
    if not len(rows):
        raise UserError(
            f"No scan of the {split} split is in {store.path}; look at manifest/splits.tsv and exclusions.tsv."
        )
    return rows


def labelled_rows(index: pd.DataFrame, rows: np.ndarray, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Those of the rows that have a target, and the targets. Labels of other rows are not looked at."""
    part = index.iloc[rows]
    if target == "age":
        known = part["age"].notna().to_numpy()
        return rows[known], part["age"].to_numpy(float)[known]
    known = part["diagnosis"].isin(["AD", "CN"]).to_numpy()
    return rows[known], (part["diagnosis"].to_numpy()[known] == "AD").astype(float)


def scan_ids(index: pd.DataFrame) -> list[str]:
    """participant_session of every row of a store's index."""
    return [
        f"{subject}_{session}" for subject, session in zip(index["participant_id"], index["session_id"], strict=True)
    ]
