"""Stores made by the trained representation: y_sem of every scan, x_T of the test scans; and by the baselines.

An x_T store carries its key (:mod:`ldae.inference.pipeline`), by which the studies ask for it.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ldae import config
from ldae.core.batches import batches, track
from ldae.core.files import write_json, write_tsv
from ldae.core.keys import KEY
from ldae.core.lineage import open_codes, open_latents, require_grid, require_scale_factor, require_scans
from ldae.core.scans import read_splits, scan_ids, split_rows
from ldae.core.store import Store, open_store, write_store
from ldae.inference.arithmetic import PLAIN, called, noted, placed
from ldae.inference.degenerate import constant_codes
from ldae.inference.device import one_thread, pick_device
from ldae.inference.model_folder import Loaded, load_dae, load_supervised
from ldae.inference.pipeline import LDAE, MAIN, CodeKey
from ldae.inference.readers import Latents

logger = logging.getLogger("ldae")


@one_thread()
def encode_codes(
    volumes: Path,
    latents: Path,
    splits: Path,
    train: Path,
    out: Path,
    method: config.Method,
    sampling: config.Sampling,
    batch: int = 8,
    arithmetic: config.Arithmetic = PLAIN,
) -> None:
    """Write the code stores below ``out``: y_sem, y_sem_untrained (N, dimension); x_T and x_T_unconditional of the
    scans of the test split (M, C, x, y, z). y_sem once more as ``codes.tsv``, with its sidecar.

    Args:
        batch: latents that are inverted at once.

    Raises:
        UserError: stores and models do not belong together.
    """
    images, ldae = open_store(volumes), LDAE.load(train, method, sampling, arithmetic=arithmetic)
    codes = open_latents(latents, images, ldae.autoencoder_digest)
    ldae.require_volumes(images)
    require_scale_factor(codes, ldae.scale_factor)
    everything, test = np.arange(len(images.index)), split_rows(images, read_splits(splits), "test")
    untrained = LDAE.load(train, method, sampling, trained_encoder=False, arithmetic=arithmetic)

    def semantic(model: LDAE) -> Callable[[np.ndarray], torch.Tensor]:
        return lambda rows: model.encode_semantic(torch.from_numpy(images.volumes(rows))[:, None])

    made = {"volumes": images.digest} | noted(arithmetic)
    # One by one: a network's last bits depend on the size of the batch, and y_sem is to depend on its scan alone.
    _write(Path(out) / "y_sem", images, everything, 1, semantic(ldae), model=ldae.digest, **made)
    facts = {"model": "untrained", "untrained": ldae.digest} | made
    _write(Path(out) / "y_sem_untrained", images, everything, 1, semantic(untrained), **facts)
    y_sem = open_store(Path(out) / "y_sem")
    if sentence := constant_codes(np.asarray(y_sem.data)):
        logger.warning("%s", sentence)
    write_codes(Path(out) / "codes.tsv", y_sem.index, np.asarray(y_sem.data))
    for conditional, name in MAIN.items():
        _write_x_T(Path(out) / name, images, test, batch, ldae, codes, y_sem, conditional)


def write_codes(path: Path, scans: pd.DataFrame, y_sem: np.ndarray) -> None:
    """y_sem as a table, and in its JSON sidecar what the columns hold.

    Args:
        scans: participant_id and session_id of every row.
        y_sem: (N, dimension) float32; nine digits are all of it.
    """
    names = [f"y_sem_{place}" for place in range(y_sem.shape[1])]
    table = pd.DataFrame(np.asarray(y_sem, dtype=np.float32), columns=names)
    write_tsv(path, pd.concat([scans[KEY].reset_index(drop=True), table], axis=1), digits=9)
    words = {"participant_id": "who was scanned", "session_id": "at which visit"}
    words |= {name: f"component {place} of y_sem, float32, all of its digits" for place, name in enumerate(names)}
    write_json(path.with_suffix(".json"), {name: {"Description": word} for name, word in words.items()})


@one_thread()
def encode_solver_codes(
    volumes: Path,
    latents: Path,
    splits: Path,
    train: Path,
    out: Path,
    method: config.Method,
    main: config.Sampling,
    solvers: Sequence[config.Sampling],
    batch: int = 8,
    arithmetic: config.Arithmetic = PLAIN,
) -> None:
    """Write the x_T stores of the further solvers below ``out``, and the list ``x_T_solvers.tsv`` of their keys.

    A store that is there already with the same key, latents, y_sem and scans is kept.

    Args:
        main: the solver whose x_T :func:`encode_codes` has written.

    Raises:
        UserError: stores and models do not belong together.
    """
    images, ldae = open_store(volumes), LDAE.load(train, method, main, arithmetic=arithmetic)
    codes = open_latents(latents, images, ldae.autoencoder_digest)
    require_scale_factor(codes, ldae.scale_factor)
    y_sem = open_codes(Path(out), "y_sem", images, train)
    test = split_rows(images, read_splits(splits), "test")
    keys = []
    for sampling in solvers:
        other = ldae.with_sampling(sampling.solver, sampling.steps)
        for conditional in () if sampling == main else MAIN:
            key = CodeKey.of(other, conditional)
            if not _is_there(Path(out) / key.name, key, images, test, codes, y_sem):
                _write_x_T(Path(out) / key.name, images, test, batch, other, codes, y_sem, conditional)
            keys.append(_listed(open_store(Path(out) / key.name)))
    columns = ["store", "model", "conditional", "solver", "steps", "scans", "digest"]
    write_tsv(Path(out) / "x_T_solvers.tsv", pd.DataFrame(keys, columns=columns))


def _listed(store: Store) -> dict[str, object]:
    facts = {name: store.meta[name] for name in ("model", "conditional", "solver", "steps", "digest")}
    return {"store": store.path.name, "scans": len(store.index)} | facts


def _is_there(folder: Path, key: CodeKey, images: Store, rows: np.ndarray, codes: Store, y_sem: Store) -> bool:
    """Whether a whole store of this key and of these scans stands in the folder."""
    if not (folder / "store.json").is_file():
        return False
    store = open_store(folder)
    same = store.meta.get("latents") == codes.digest and store.meta.get("y_sem") == y_sem.digest
    return same and key.matches(store.meta) and scan_ids(store.index) == scan_ids(images.index.iloc[rows])


def _write_x_T(
    folder: Path,
    images: Store,
    rows: np.ndarray,
    batch: int,
    ldae: LDAE,
    codes: Store,
    y_sem: Store,
    conditional: bool,
) -> None:
    """Invert the latents of some scans, with their y_sem or by the unconditional model."""

    def invert(chosen: np.ndarray) -> torch.Tensor:
        z = Latents(codes, chosen, ldae.device).evaluated(list(range(len(chosen))), ldae.method.posterior)
        return ldae.invert(z, torch.from_numpy(y_sem.volumes(chosen)) if conditional else None)

    key = CodeKey.of(ldae, conditional)
    facts: dict[str, Any] = {"model": key.model, "conditional": conditional, "solver": key.solver, "steps": key.steps}
    facts |= {"latents": codes.digest, "y_sem": y_sem.digest, "autoencoder": ldae.autoencoder_digest}
    facts |= noted(ldae.arithmetic)
    method = ldae.method.model_dump(mode="json", exclude_unset=True)
    _write(folder, images, rows, batch, invert, method=method, **facts)


def _write(
    out: Path, images: Store, rows: np.ndarray, batch: int, encode: Callable[[np.ndarray], torch.Tensor], **meta: Any
) -> None:
    """Encode some rows of the volume store in batches and write a store with their index rows."""
    arrays = (code for part in track(batches(rows, batch), out.name) for code in encode(part).cpu().numpy())
    scans = [images.scans[row] for row in rows]
    write_store(out, arrays, images.index.iloc[rows].reset_index(drop=True), scans=scans, **meta)
    logger.info("%s: %d scans", out.name, len(rows))


@one_thread()
def encode_baselines(
    volumes: Path,
    volumes_dae: Path,
    train: Path,
    out: Path,
    volumes_at_once: int = 1,
    arithmetic: config.Arithmetic = PLAIN,
) -> None:
    """Write the baselines' code stores below ``out``, float32 (N, dimension), one row per scan: ``y_dae``; and
    ``supervised_ad`` and ``supervised_age``, what the heads read. The latter two carry the head's own output in the
    column ``prediction`` of their index: the logit of AD, or years.

    Raises:
        UserError: a model is missing, or was trained on another grid; the stores hold other scans.
    """
    images, small = open_store(volumes), open_store(volumes_dae)
    dae, device = load_dae(Path(train) / "dae"), pick_device()
    require_scans(small, images, everyone=True)
    require_grid(Path(train) / "dae", dae.description, small)
    encode = called(placed(dae.network, arithmetic, device).encode, arithmetic, device)
    codes, how = _encoded(small, encode, volumes_at_once, "y_dae"), noted(arithmetic)
    write_store(Path(out) / "y_dae", codes, small.index, scans=small.scans, **made_by(dae, small), **how)
    for name in ("supervised_ad", "supervised_age"):
        model = load_supervised(Path(train) / name)
        require_grid(Path(train) / name, model.description, images)
        features = called(placed(model.network, arithmetic, device).features, arithmetic, device)
        codes = _encoded(images, features, volumes_at_once, name)
        with torch.no_grad():
            prediction = model.network.predict(torch.from_numpy(codes).to(device)).cpu().numpy()
        index = images.index.assign(prediction=prediction)
        made: dict[str, Any] = {"selection": model.description.get("selection")}  # whoever shows it, says so
        made |= made_by(model, images)
        write_store(Path(out) / name, codes, index, scans=images.scans, **made, **how)


def made_by(model: Loaded, store: Store) -> dict[str, str]:
    """Entries of store.json: the model, and the store it was applied to."""
    return {"model": model.digest, "volumes": store.digest}


@torch.no_grad()
def _encoded(store: Store, encode: Callable[[Tensor], Tensor], size: int, name: str) -> np.ndarray:
    """(N, dimension) codes of every scan of a volume store."""
    device, parts = pick_device(), []
    for rows in track(batches(np.arange(len(store.index)), size), name):
        parts.append(encode(torch.from_numpy(store.volumes(rows))[:, None].to(device)).cpu().numpy())
    return np.concatenate(parts)
