"""A visit predicted from two others, by the LDAE and by what needs less."""

import numpy as np
import torch

from ldae.diffusion.interpolate import lerp, slerp
from ldae.inference.decoder import Decoder
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import volumes_of
from ldae.studies.interpolation.triplets import Triplet

METHODS = ["ldae", "ldae_months", "y_only", "x_T_only", "latent_lerp", "voxel_lerp", "copy_nearest", "ae"]
FROM_VOXELS = ("voxel_lerp", "copy_nearest")  # all others decode latents


def interpolate(decoder: Decoder, reads: Reads, triplets: list[Triplet]) -> dict[str, np.ndarray]:
    """Predicted target volumes (B, 1, X, Y, Z) of every method.

    ``ldae``: y_sem on the straight line, x_T on the sphere; ``ldae_months``: the same at the nominal alpha.
    ``y_only``: the same y_sem with the nearest scan's x_T; ``x_T_only``: the same x_T with the nearest scan's y_sem.
    ``ae``: the target's own reconstruction, the ceiling of all that is decoded.
    """
    starts, targets, ends, nearest = (
        np.array([getattr(triplet, name) for triplet in triplets]) for name in ("start", "target", "end", "nearest")
    )
    inputs = reads.inputs
    alpha = torch.tensor([triplet.alpha for triplet in triplets])
    nominal = torch.tensor([triplet.nominal_alpha for triplet in triplets])
    ends_x_T = [torch.from_numpy(reads.x_T(decoder.ldae, True, rows)) for rows in (starts, ends)]
    ends_y = [torch.from_numpy(inputs.code("y_sem", rows)) for rows in (starts, ends)]
    at_start = torch.from_numpy(nearest == starts).view(-1, *[1] * (ends_x_T[0].ndim - 1))

    def between(alpha: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        return slerp(*ends_x_T, alpha).numpy(), lerp(*ends_y, alpha).numpy()

    x_T, y = between(alpha)
    first, last = volumes_of(inputs, starts), volumes_of(inputs, ends)

    def names(rows: np.ndarray) -> list[str]:
        return [inputs.scan_id(row) for row in rows]

    latents = [
        torch.from_numpy(decoder.encode_latent(volumes, names(rows)))
        for volumes, rows in ((first, starts), (last, ends))
    ]
    return {
        "ldae": decoder.generate(x_T, y),
        "ldae_months": decoder.generate(*between(nominal)),
        "y_only": decoder.generate(torch.where(at_start, *ends_x_T).numpy(), y),
        "x_T_only": decoder.generate(x_T, inputs.code("y_sem", nearest)),
        "latent_lerp": decoder.decode_latent(lerp(*latents, alpha).numpy()),
        "voxel_lerp": lerp(torch.from_numpy(first), torch.from_numpy(last), alpha).numpy(),
        "copy_nearest": volumes_of(inputs, nearest),
        "ae": decoder.autoencode(volumes_of(inputs, targets), names(targets)),
    }
