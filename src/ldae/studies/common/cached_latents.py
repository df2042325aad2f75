"""Latents of scans as they were written down, so that no study encodes a scan again."""

import numpy as np

from ldae.core.lineage import require_maker, require_scale_factor
from ldae.inference.decoder import Decoder
from ldae.inference.readers import Latents
from ldae.studies.common.inputs import Inputs


def cached_latents(decoder: Decoder, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(B, C, x, y, z) scaled z_0 of these scans: posterior means, or frozen samples (``method.posterior``).

    Raises:
        UserError: the latents are of another autoencoder.
    """
    store = inputs.latents
    require_maker(store, decoder.ldae.autoencoder_digest, "autoencoder")
    require_scale_factor(store, decoder.ldae.scale_factor)
    latents = Latents(store, rows, decoder.ldae.device)
    return latents.evaluated(list(range(len(rows))), decoder.ldae.method.posterior).cpu().numpy()
