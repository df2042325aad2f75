"""What every study reads: scans with split and labels, volumes, cached codes, and (phantom cohorts) the truth."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Conform
from ldae.errors import UserError
from ldae.evaluation.ventricles import Grid
from ldae.files import read_tsv
from ldae.store import Store, open_store, write_store

KEY = ["participant_id", "session_id"]


@dataclass(frozen=True)
class Inputs:
    """``scans`` has one row per entry of ``volumes``, in its order.

    Columns: participant_id session_id months age sex diagnosis split, and for phantom cohorts the true factors with
    the prefix ``truth_`` (``truth_ventricle_ml_mni`` = native volume x determinant of the native-to-MNI affine).
    """

    store: Path
    volumes: Store
    scans: pd.DataFrame
    grid: Grid
    _codes: dict[str, tuple[Store, dict[tuple[str, str], int]]] = field(default_factory=dict, repr=False)

    @cached_property
    def has_truth(self) -> bool:
        return "truth_ventricle_ml_mni" in self.scans

    def rows(self, *splits: str) -> np.ndarray:
        """Positions of the scans of these splits, in store order (sorted by subject and session)."""
        return np.flatnonzero(self.scans["split"].isin(splits))

    def first_scans(self, split: str, per_subject: int = 1) -> np.ndarray:
        """Positions of the first ``per_subject`` scans (by months) of each subject of a split."""
        part = self.scans[self.scans["split"] == split].sort_values(["participant_id", "months", "session_id"])
        return np.sort(part.groupby("participant_id").head(per_subject).index.to_numpy())

    def scan_id(self, row: int) -> str:
        return "_".join(self.scans.loc[row, KEY])

    def code(self, name: str, rows: Iterable[int]) -> np.ndarray:
        """Cached codes (y_sem, y_sem_untrained, x_T, x_T_unconditional) of these scans, float32.

        Raises:
            UserError: the cache does not hold one of the scans.
        """
        codes, position = self._opened(name)
        keys = [tuple(self.scans.loc[row, KEY]) for row in rows]
        missing = ["_".join(key) for key in keys if key not in position]
        if missing:
            raise UserError(
                f"{codes.path} has no code of {missing[0]} ({len(missing)} missing); run encode_codes again."
            )
        return np.asarray(codes.data[[position[key] for key in keys]], dtype=np.float32)

    def _opened(self, name: str) -> tuple[Store, dict[tuple[str, str], int]]:
        """A code store and the place of each scan in it, opened once."""
        if name not in self._codes:
            codes = open_store(self.store / "codes" / name)
            keys = zip(codes.index["participant_id"], codes.index["session_id"], strict=True)
            self._codes[name] = codes, {key: place for place, key in enumerate(keys)}
        return self._codes[name]


def open_inputs(
    store: str | Path,
    scans: pd.DataFrame,
    splits: pd.DataFrame,
    conform: Conform,
    truth: pd.DataFrame | None = None,
    scale: pd.DataFrame | None = None,
) -> Inputs:
    """Join everything on the scans that were packed.

    Args:
        store: folder with ``volumes`` and ``codes``.
        scans: manifest/scans.tsv.  splits: manifest/splits.tsv.
        truth: truth.tsv of a phantom cohort, or None.
        scale: participant_id, session_id, determinant: of the native-to-MNI affine; 1 where it is not known.

    Raises:
        UserError: a packed scan is not in the manifest or has no split.
    """
    store = Path(store)
    volumes = open_store(store / "volumes")
    table = volumes.index[KEY].merge(
        scans[[*KEY, "months", "age", "sex", "diagnosis"]], on=KEY, how="left", validate="1:1", indicator="found"
    )
    table = table.merge(splits[["participant_id", "split"]], on="participant_id", how="left", validate="m:1")
    for lost, place in (
        (table["found"] != "both", "manifest/scans.tsv"),
        (table["split"].isna(), "manifest/splits.tsv"),
    ):
        if lost.any():
            name = "_".join(table.loc[lost.idxmax(), KEY])
            raise UserError(
                f"{name} is in {volumes.path} but not in {place}; run build_manifest and make_splits again."
            )
    table = table.drop(columns="found")
    if truth is not None:
        table = _with_truth(table, truth, scale)
    grid = Grid(tuple(volumes.data.shape[-3:]), conform.spacing_mm, tuple(conform.centre_mm))
    return Inputs(store, volumes, table, grid)


def _with_truth(table: pd.DataFrame, truth: pd.DataFrame, scale: pd.DataFrame | None) -> pd.DataFrame:
    """Add the true factors, prefixed ``truth_``, and the true ventricle volume in MNI space."""
    factors = truth.set_index(KEY).select_dtypes("number").add_prefix("truth_")
    table = table.merge(factors, left_on=KEY, right_index=True, how="left", validate="1:1")
    lost = table["truth_ventricle_ml"].isna()
    if lost.any():
        raise UserError(
            f"truth.tsv has no volumes of {'_'.join(table.loc[lost.idxmax(), KEY])}; make the phantom again."
        )
    determinant = 1.0
    if scale is not None:
        determinant = table[KEY].merge(scale[[*KEY, "determinant"]], on=KEY, how="left")["determinant"].fillna(1.0)
    table["truth_ventricle_ml_mni"] = table["truth_ventricle_ml"] * determinant
    return table


def read_labels(path: str | Path) -> pd.DataFrame:
    """A table with BIDS names (scans.tsv, splits.tsv, truth.tsv, qc.tsv)."""
    return read_tsv(path, dtype={"participant_id": str, "session_id": str})


def write_volumes(folder: Path, volumes: list[np.ndarray], rows: list[dict], dtype: str = "uint8") -> None:
    """Volumes for a figure, with one index row each: [0, 1] kept as uint8, or float32 as they are.

    The folder is absent when there is nothing to show, so that no figure draws what an earlier run left.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if not volumes:
        return
    if dtype == "uint8":
        volumes = [np.rint(np.clip(volume, 0, 1) * 255).astype(np.uint8) for volume in volumes]
    write_store(folder, volumes, pd.DataFrame(rows), dtype=dtype)


def read_inputs(store: str | Path, splits: str | Path, truth: str | Path | None = None) -> Inputs:
    """Open what the workflow has written: the stores (their index carries the labels), splits.tsv, truth.tsv.

    Raises:
        UserError: a part is missing, or a packed scan has no split.
    """
    volumes = open_store(Path(store) / "volumes")
    conform = Conform(
        shape=tuple(volumes.meta["shape"][1:]),
        spacing_mm=volumes.meta["spacing_mm"],
        centre_mm=tuple(volumes.meta["centre_mm"]),
    )
    known = None if not truth else read_labels(truth)
    return open_inputs(store, volumes.index, read_tsv(splits), conform, known, volumes.index[[*KEY, "determinant"]])
