"""What was made from what: parts of a chain that do not belong together are refused wherever they are read.

A model is named by the digest of its weights, a scan by that of its volume (``Store.scans``). A store made by a model
carries both. Every reader asks here.

The scale factor is the one number by which a chain's latents are multiplied for everything diffusive: 1 / the latents'
standard deviation in the training of the chain. ``encode_latents`` measures it for trainings of this workflow and
writes it into the latent store; every model trained on that store keeps it, and so do imported ones.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ldae.core.errors import UserError
from ldae.core.files import digest, read_json
from ldae.core.keys import KEY
from ldae.core.store import Store, open_store
from ldae.core.voxel_grid import RAS, VoxelGrid

SAME_MM = 1e-3  # grids nearer to each other than this are one
GRID = ("affine", "spacing_mm", "centre_mm", "transform", "factor")
MADE_FROM = {  # stage -> the stages whose models it was trained with
    "autoencoder": (),
    "diffusion": ("autoencoder",),
    "representation": ("autoencoder", "diffusion"),
    "dae": (),
    "supervised_ad": (),
    "supervised_age": (),
}
MAKERS = {  # entry of store.json -> what it would mean if it were not what is expected
    "model": "by another model",
    "untrained": "by the untrained encoder of another model",
    "autoencoder": "by another autoencoder",
    "latents": "from other latents",
    "y_sem": "with other y_sem",
}
CODES = {  # code store -> the stage whose model encodes it
    "y_sem": "representation",
    "y_sem_untrained": "representation",
    "y_dae": "dae",
    "supervised_ad": "supervised_ad",
    "supervised_age": "supervised_age",
}
logger = logging.getLogger("ldae")


def require(what: str, found: Any, expected: Any) -> None:
    """Two parts of a chain belong together.

    Args:
        what: the part that is read, and what is wrong with it if they do not.
        found: what that part says of itself.
        expected: what the other part says.

    Raises:
        UserError: they differ.
    """
    if found != expected:
        raise UserError(
            f"{what}: {found} found, {expected} expected; run the rule that made it again, and those that "
            "follow (`--forcerun RULE`)."
        )


def require_chain(models: Mapping[str, Mapping[str, Any]], folder: str | Path = "") -> None:
    """Models were trained with one another.

    Args:
        models: model.json by stage. An imported model may not know with what it was trained.
        folder: where their folders lie, for messages.

    Raises:
        UserError: one was trained with another than is given.
    """
    for stage, model in models.items():
        for other in MADE_FROM.get(stage, ()):
            known = model["inputs"].get(other)
            if other in models and (known is not None or "imported" not in model):
                what = f"{Path(folder) / stage} was trained with another model than {Path(folder) / other}"
                require(what, known, models[other]["digest"])


def grid(store: Store) -> str:
    """Digest of what all volumes of a store have in common: shape, place in space, registration."""
    facts = {name: store.meta.get(name) for name in GRID}
    return digest(facts | {"shape": store.meta["shape"][1:]})


def require_grid(folder: str | Path, model: Mapping[str, Any], store: Store) -> None:
    """The volumes of a store lie on the grid that a model was trained on; for a model that was trained here, they are
    registered in the same way, too.

    The store's axes are R-A-S; an imported model's may be others, and volumes are turned for it when its networks are
    loaded. Its centre may differ by less than half a voxel, which is logged: preprocessing.conform decides.

    Args:
        folder: of the model, for messages.
        model: model.json.

    Raises:
        UserError: axes, shape, voxel size, centre or registration differ.
    """
    _require_place(folder, model, store)
    if "imported" not in model:
        what = f"{folder} was trained on volumes of another grid than those of {store.path}"
        require(what, model["inputs"].get("grid"), grid(store))


def _require_place(folder: str | Path, model: Mapping[str, Any], store: Store) -> None:
    trained, volumes = VoxelGrid.of_model(model), VoxelGrid.of_store(store)
    imported = "imported" in model
    if trained is None:
        if imported:
            raise UserError(f"{folder} was imported by an earlier version and does not say its grid: import it again.")
        return
    if volumes is None:
        raise UserError(f"{store.path} does not say on which grid its volumes lie; {folder} was trained on {trained}.")
    offset = trained.offset_mm(volumes)
    allowed = trained.spacing_mm / 2 if imported else SAME_MM
    if (
        volumes.axes != RAS
        or (trained.shape, trained.spacing_mm) != (volumes.shape, volumes.spacing_mm)
        or np.abs(offset).max() >= allowed
    ):
        raise UserError(
            f"{folder} was trained on {trained}, and the volumes of {store.path} lie on {volumes}; set the grid of "
            "preprocessing.conform to the model's."
        )
    if np.abs(offset).max() > SAME_MM:
        said = ", ".join(f"{value:+.2f}" for value in offset)
        logger.warning(
            "%s: the volumes lie (%s) mm from where %s saw them; they are left there.", store.path, said, folder
        )


def require_scans(store: Store, volumes: Store, everyone: bool = False) -> None:
    """Every row of a store was made from the volume that now stands under its name.

    Args:
        everyone: both have the same rows in the same order.

    Raises:
        UserError: a row was made from another volume, or has none.
    """
    rows, known = named(store), named(volumes)
    if everyone and list(rows) != list(known):
        raise UserError(
            f"{store.path} does not hold the scans of {volumes.path} ({len(rows)} found, {len(known)} expected); run "
            "the rule that writes it again."
        )
    for scan, content in rows.items():
        require(f"{store.path} was made from another volume of {'_'.join(scan)}", content, known.get(scan))


def require_maker(store: Store, model: Mapping[str, Any] | str, key: str = "model") -> None:
    """A store was made by this model.

    Args:
        model: model.json, or the digest.
        key: entry of store.json that names the maker.

    Raises:
        UserError: by another one.
    """
    expected = model if isinstance(model, str) else model["digest"]
    require(f"{store.path} was made {MAKERS[key]}", store.meta.get(key), expected)


def open_codes(folder: Path, name: str, volumes: Store, train: Path) -> Store:
    """A code store below ``folder``, of these volumes and of the model that now stands in ``train``.

    Raises:
        UserError: it is missing, or was made by another model or from other volumes.
    """
    store = open_store(folder / name)
    if name in CODES:
        key = "untrained" if name == "y_sem_untrained" else "model"
        require_maker(store, read_description(train / CODES[name]), key)
    require_scans(store, volumes)
    return store


def open_latents(folder: Path, volumes: Store, autoencoder: Mapping[str, Any] | str) -> Store:
    """A latent store, of these volumes and this autoencoder, one row per volume and in their order.

    Raises:
        UserError: it is missing, or was made by another autoencoder or from other volumes.
    """
    store = open_store(folder)
    require_maker(store, autoencoder, "autoencoder")
    require_scans(store, volumes, everyone=True)
    return store


def read_description(folder: Path) -> dict[str, Any]:
    """model.json of a model folder.

    Raises:
        UserError: the training is not finished, or the file describes no model.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: that training has not finished; run its rule first.")
    described = read_json(path)
    if not isinstance(described, dict) or not isinstance(described.get("digest"), str):
        raise UserError(f"{path} describes no model: it was changed or damaged; put it back, or train again.")
    return described


def read_chain(train: Path, stages: Iterable[str]) -> dict[str, dict[str, Any]]:
    """model.json of some stages, which belong together."""
    found = {stage: read_description(Path(train) / stage) for stage in stages}
    require_chain(found, train)
    return found


def named(store: Store) -> dict[tuple[str, str], str]:
    """(participant, session) -> digest of the scan, in the order of the rows."""
    return dict(zip(store.index[KEY].itertuples(index=False, name=None), store.scans, strict=True))


def chain_scale_factor(models: Mapping[str | Path, Mapping[str, Any]]) -> float:
    """The scale factor of a chain.

    Args:
        models: model.json of its models by their folders, the last of which states it.

    Raises:
        UserError: two of them state different ones.
    """
    *_, last = models
    known = models[last]["scale_factor"]
    for folder, model in models.items():
        if not math.isclose(model.get("scale_factor", known), known, rel_tol=1e-9):
            raise UserError(
                f"{folder} was trained on latents multiplied by {model['scale_factor']:.6g}, {last} by {known:.6g}: "
                "the two are not of one chain; import or train the one again that is not meant."
            )
    return known


def require_scale_factor(latents: Store, known: float) -> None:
    """The latents of a store are multiplied by what the networks that read them were trained with.

    Raises:
        UserError: they are not.
    """
    if not math.isclose(latents.meta["scale_factor"], known, rel_tol=1e-9):
        raise UserError(
            f"The latents of {latents.path} are multiplied by {latents.meta['scale_factor']:.6g}, the networks were "
            f"trained with {known:.6g}; run encode_latents again."
        )
