"""The scale factor: the one number by which a chain's latents are multiplied for everything diffusive.

It is 1 / the latents' standard deviation in the training of the chain. ``encode_latents`` measures it for trainings of
this workflow and writes it into the latent store; every model trained on that store keeps it, and so do imported ones.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ldae.core.errors import UserError
from ldae.core.store import Store


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
