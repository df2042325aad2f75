"""The method's parts as a table: what shape each has in a configuration, and how many parameters."""

import pandas as pd
import torch

from ldae import config
from ldae.networks.counts import count_parameters, parameter_counts
from ldae.networks.semantic_encoder import build_semantic_encoder

COLUMNS = ["part", "shape", "parameters", "trainable"]


def scheme(settings: config.Config) -> pd.DataFrame:
    """One row per part: data (volume, latent, code, slices) with a shape, networks with their parameters.

    ``trainable``: the parameters that the part's own stage trains.
    """
    x, y, z = settings.preprocessing.conform.shape
    representation = settings.representation
    with torch.device("meta"):
        encoder = build_semantic_encoder(representation)
    slices = len(range(0, z, representation.slice_step))
    width = encoder.backbone.num_features
    shapes = {
        "volume": times(1, x, y, z),
        "latent": times(*settings.latent_shape),
        "code": str(representation.dimension),
        "slices": times(slices, x, y),
        "features": times(slices, width),
        "projected": times(slices, representation.dimension),
        "heads": str(representation.heads),
    }
    rows: list[tuple[str, str | None, int | None, int | None]] = [
        (name, shape, None, None) for name, shape in shapes.items()
    ]
    counts = parameter_counts(settings.autoencoder, settings.diffusion, representation)
    rows += [(count.network, None, count.parameters, count.trainable) for count in counts]
    for name in ("backbone", "projection", "pooling"):
        count = count_parameters(getattr(encoder, name))
        rows.append((f"encoder_{name}", None, count, count))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"parameters": "Int64", "trainable": "Int64"})


def times(*sizes: int) -> str:
    """Sizes as a shape is written: ``1 × 144 × 176``."""
    return " × ".join(str(size) for size in sizes)
