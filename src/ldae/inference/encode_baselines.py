"""The code stores of the trained baselines."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldae.core.batches import batches, track
from ldae.core.lineage import require_grid, require_scans
from ldae.core.store import Store, open_store, write_store
from ldae.core.voxel_grid import require_same_grid
from ldae.inference.device import one_thread, pick_device
from ldae.inference.load_networks import Loaded, load_dae, load_supervised


@one_thread()
def encode_baselines(volumes: Path, volumes_dae: Path, train: Path, out: Path, batch: int = 8) -> None:
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
    require_same_grid(f"{train}/dae", dae.description, small)
    codes = _encoded(small, dae.network.to(device).encode, batch, "y_dae")
    write_store(Path(out) / "y_dae", codes, small.index, scans=small.scans, **made_by(dae, small))
    for name in ("supervised_ad", "supervised_age"):
        model = load_supervised(Path(train) / name)
        require_grid(Path(train) / name, model.description, images)
        require_same_grid(f"{train}/{name}", model.description, images)
        codes = _encoded(images, model.network.to(device).features, batch, name)
        with torch.no_grad():
            prediction = model.network.predict(torch.from_numpy(codes).to(device)).cpu().numpy()
        index = images.index.assign(prediction=prediction)
        write_store(Path(out) / name, codes, index, scans=images.scans, **made_by(model, images))


def made_by(model: Loaded, store: Store) -> dict[str, str]:
    """Entries of store.json: the model, and the store it was applied to."""
    return {"model": model.digest, "volumes": store.digest}


@torch.no_grad()
def _encoded(store: Store, encode: Callable[[Tensor], Tensor], batch: int, name: str) -> np.ndarray:
    """(N, dimension) codes of every scan of a volume store."""
    device, parts = pick_device(), []
    for rows in track(batches(np.arange(len(store.index)), batch), name):
        parts.append(encode(torch.from_numpy(store.volumes(rows))[:, None].to(device)).cpu().numpy())
    return np.concatenate(parts)
