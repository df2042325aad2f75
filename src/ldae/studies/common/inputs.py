"""What every study reads: scans with split and labels, volumes, cached codes, and (phantom cohorts) the truth."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import read_tsv
from ldae.core.keys import KEY, KEY_TYPES
from ldae.core.lineage import open_codes, open_latents, read_description, require_maker, require_scans
from ldae.core.scans import read_splits
from ldae.core.store import Store, open_store, write_store
from ldae.studies.common.anatomy import Grid

if TYPE_CHECKING:  # importing it loads torch
    from ldae.inference.pipeline import CodeKey

FACTS = ["months", "age", "sex", "diagnosis", "field_strength"]


@dataclass(frozen=True)
class Inputs:
    """``scans`` has one row per entry of ``volumes``, in its order.

    Columns: participant_id session_id months age sex diagnosis field_strength determinant split, and for phantom
    cohorts the true factors with the prefix ``truth_`` (``truth_ventricle_ml_mni`` = native volume x determinant of
    the registration). ``study_phase`` where the manifest was given and knows it.
    """

    store: Path
    volumes: Store
    scans: pd.DataFrame
    grid: Grid
    _codes: dict[str, tuple[Store, dict[tuple[str, str], int]]] = field(default_factory=dict, repr=False)

    @property
    def train(self) -> Path:
        """The folder of the models, beside that of the stores."""
        return self.store.parent / "train"

    @cached_property
    def has_truth(self) -> bool:
        """Whether the cohort is a phantom's, whose true ventricle volumes are known."""
        return "truth_ventricle_ml_mni" in self.scans

    def rows(self, *splits: str) -> np.ndarray:
        """Positions of the scans of these splits, in store order (sorted by subject and session)."""
        return np.flatnonzero(self.scans["split"].isin(splits))

    def first_scans(self, split: str, per_subject: int = 1) -> np.ndarray:
        """Positions of the first ``per_subject`` scans (by months) of each subject of a split."""
        part = self.scans[self.scans["split"] == split].sort_values(["participant_id", "months", "session_id"])
        return np.sort(part.groupby("participant_id").head(per_subject).index.to_numpy())

    def scan_id(self, row: int) -> str:
        """``sub-<participant>_ses-<session>`` of the scan at a position."""
        return "_".join(self.scans.loc[row, KEY])

    def code(self, name: str, rows: Iterable[int]) -> np.ndarray:
        """Cached codes (y_sem, y_sem_untrained, y_dae, x_T, x_T_unconditional) of these scans, float32.

        Raises:
            UserError: the cache does not hold one of the scans, or was made by another model or from other volumes.
        """
        codes, places = self._places(name, rows)
        return np.asarray(codes.data[places], dtype=np.float32)

    def code_store(self, name: str) -> Store:
        """The store of some codes.

        Raises:
            UserError: it is missing, or was made by another model or from other volumes.
        """
        return self._opened(name)[0]

    def x_T(self, key: "CodeKey", rows: Iterable[int]) -> np.ndarray:
        """Cached x_T of these scans (B, C, x, y, z), float32, of exactly this model, solver and number of steps.

        Raises:
            UserError: no store of that key was computed, or it does not hold one of the scans.
        """
        return self.code(self.x_T_store(key).path.name, rows)

    def x_T_store(self, key: "CodeKey") -> Store:
        """The store of x_T of exactly this key.

        Raises:
            UserError: none was computed, or it was made from other latents or codes.
        """
        for name in key.names:
            described = self.store / "codes" / name / "store.json"
            if described.is_file() and key.matches(self._opened(name)[0].meta):
                found = self._opened(name)[0]
                require_maker(found, self.latents.digest, "latents")
                if key.conditional:
                    require_maker(found, self._opened("y_sem")[0].digest, "y_sem")
                return found
        raise UserError(f"{self.store}/codes holds no x_T of {key}; run encode_codes and encode_solver_codes again.")

    @cached_property
    def volumes_dae(self) -> Store:
        """The volumes of the voxel-space baseline, one per entry of ``volumes`` and in its order.

        Raises:
            UserError: they were packed from other volumes.
        """
        store = open_store(self.store / "volumes_dae")
        require_scans(store, self.volumes, everyone=True)
        return store

    @cached_property
    def latents(self) -> Store:
        """Posterior moments of the autoencoder, one per entry of ``volumes`` and in its order.

        Raises:
            UserError: they were encoded from other volumes, or by another autoencoder.
        """
        return open_latents(self.store / "latents", self.volumes, read_description(self.train / "autoencoder"))

    def supervised_output(self, name: str, rows: Iterable[int]) -> np.ndarray:
        """What a supervised encoder (supervised_ad, supervised_age) says of these scans: logit of AD, or years.

        Raises:
            UserError: the cache does not hold one of the scans, or was made by another model or from other volumes.
        """
        codes, places = self._places(name, rows)
        return codes.index["prediction"].to_numpy(float)[places]

    def _places(self, name: str, rows: Iterable[int]) -> tuple[Store, list[int]]:
        """A code store and the places of these scans in it."""
        codes, position = self._opened(name)
        keys = [tuple(self.scans.loc[row, KEY]) for row in rows]
        missing = ["_".join(key) for key in keys if key not in position]
        if missing:
            raise UserError(
                f"{codes.path} has no code of {missing[0]} ({len(missing)} missing); run the rule that writes it again."
            )
        return codes, [position[key] for key in keys]

    def _opened(self, name: str) -> tuple[Store, dict[tuple[str, str], int]]:
        """A code store and the place of each scan in it, opened once."""
        if name not in self._codes:
            codes = open_codes(self.store / "codes", name, self.volumes, self.train)
            keys = zip(codes.index["participant_id"], codes.index["session_id"], strict=True)
            self._codes[name] = codes, {key: place for place, key in enumerate(keys)}
        return self._codes[name]


def open_inputs(
    store: str | Path, splits: pd.DataFrame, truth: pd.DataFrame | None = None, manifest: pd.DataFrame | None = None
) -> Inputs:
    """Join what is known of the packed scans.

    Args:
        store: folder with ``volumes`` (whose index carries age, diagnosis and the registration's determinant) and
            ``codes``.
        splits: splits.tsv.
        truth: truth.tsv of a phantom cohort, or None.
        manifest: scans.tsv, whose ``study_phase`` is added; None: it stays unknown.

    Raises:
        UserError: a packed scan has no split, or no truth in a phantom cohort.
    """
    store = Path(store)
    volumes = open_store(store / "volumes")
    table = volumes.index.reindex(columns=[*KEY, *FACTS, "determinant"])
    table = table.merge(splits[["participant_id", "split"]], on="participant_id", how="left", validate="m:1")
    _require(table, "split", "splits.tsv", "make_splits")
    if manifest is not None and "study_phase" in manifest:
        table = table.merge(manifest[[*KEY, "study_phase"]].drop_duplicates(KEY), on=KEY, how="left", validate="1:1")
    if truth is not None:
        factors = truth.set_index(KEY).select_dtypes("number").add_prefix("truth_")
        table = table.merge(factors, left_on=KEY, right_index=True, how="left", validate="1:1")
        _require(table, "truth_ventricle_ml", "truth.tsv", "make_phantom")
        table["truth_ventricle_ml_mni"] = table["truth_ventricle_ml"] * table["determinant"]
    return Inputs(store, volumes, table, Grid.of(volumes.data.shape[1:], volumes.meta["affine"]))


def _require(table: pd.DataFrame, column: str, place: str, rule: str) -> None:
    missing = table[column].isna()
    if missing.any():
        name = "_".join(table.loc[missing.idxmax(), KEY])
        raise UserError(f"{place} has no row of {name}, which is in the volume store; run {rule} again.")


def read_inputs(
    store: str | Path, splits: str | Path, truth: str | Path | None = None, manifest: str | Path | None = None
) -> Inputs:
    """:func:`open_inputs` from the paths of splits.tsv and, for a phantom cohort, truth.tsv; scans.tsv if asked for."""
    known = read_tsv(truth, dtype=KEY_TYPES) if truth else None
    listed = read_tsv(manifest, dtype=KEY_TYPES) if manifest else None
    return open_inputs(store, read_splits(Path(splits)), known, listed)


def volumes_of(inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(B, 1, X, Y, Z) float32 scans."""
    return inputs.volumes.volumes(rows).reshape(len(rows), 1, *inputs.grid.shape)


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
