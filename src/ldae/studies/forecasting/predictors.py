"""A next visit forecast from one or two earlier ones: by the code, by the latents, by the voxels.

``ldae_slope``: y_sem on the straight line through both visits. ``ldae_mean_slope``: with the training subjects' mean
change per year. ``ldae_ridge``: with the change that a ridge of y_sem, age, diagnosis and gap expects. All are decoded
with the last visit's x_T. ``latent_*``, ``voxel_*``: the same lines through the autoencoder's latents (as MRExtrap:
Kapoor, Macke & Baumgartner 2025, arXiv 2508.19482) and through the voxels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ldae.inference.decoder import Decoder
from ldae.studies.common.cached_latents import cached_latents
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import volumes_of
from ldae.studies.forecasting.cases import Case
from ldae.studies.forecasting.fitted import Fitted
from ldae.studies.forecasting.names import (
    COPY,
    LATENT_COPY,
    LATENT_MEAN,
    LATENT_SLOPE,
    MEAN_SLOPE,
    REVERSED,
    RIDGE,
    SHUFFLED,
    SLOPE,
    TRUE_AE,
    TRUE_CODE,
    UNMOVED,
    VOXEL_MEAN,
    VOXEL_SLOPE,
)


@dataclass(frozen=True)
class Forecasts:
    """Of a batch of cases.

    Attributes:
        pictures: method -> (B, 1, X, Y, Z); not clipped where they were decoded.
        codes: method -> (B, dimension), y_sem as it is forecast, or as the encoder sees it in the forecast picture.
    """

    pictures: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]


def advanced_codes(fitted: Fitted, reads: Reads, cases: Sequence[Case], others: Mapping[Case, Case]) -> dict:
    """Method -> (B, dimension) y_sem of the target as it is forecast; all cases know equally many visits.

    ``ldae_reversed``: against the subject's own slope, or the mean one where one visit is known. ``ldae_shuffled``:
    with the slope of the other subject.
    """
    codes, gap = fitted.codes, np.array([case.gap for case in cases])[:, None]
    last, target = ([getattr(case, name) for case in cases] for name in ("last", "target"))
    found = {UNMOVED: codes[last], TRUE_CODE: codes[target]}
    if fitted.code_rate is not None:
        found[MEAN_SLOPE] = codes[last] + gap * fitted.code_rate
        found[REVERSED] = codes[last] - gap * fitted.code_rate
    if fitted.ridge is not None:
        found[RIDGE] = codes[last] + fitted.ridge.changes(codes, reads.inputs.scans, cases)
    if cases[0].known == 2:
        own = np.stack([_slope(codes, case) for case in cases])
        found[SLOPE], found[REVERSED] = codes[last] + gap * own, codes[last] - gap * own
        if all(case in others for case in cases):
            found[SHUFFLED] = codes[last] + gap * np.stack([_slope(codes, others[case]) for case in cases])
    return found


def _slope(values: np.ndarray, case: Case) -> np.ndarray:
    return (values[case.last] - values[case.earlier]) / case.span


def forecast(
    decoder: Decoder, reads: Reads, fitted: Fitted, cases: Sequence[Case], others: Mapping[Case, Case]
) -> Forecasts:
    """Every method on a batch of cases that know equally many visits.

    Args:
        others: the case of another subject whose slope is borrowed.
    """
    inputs = reads.inputs
    last, target = (np.array([getattr(case, name) for case in cases]) for name in ("last", "target"))
    gap = np.array([case.gap for case in cases])
    x_T, codes = reads.x_T(decoder.ldae, True, last), advanced_codes(fitted, reads, cases, others)
    pictures = {name: decoder.generate(x_T, code.astype(np.float32)) for name, code in codes.items()}
    scan, z = volumes_of(inputs, last), cached_latents(decoder, inputs, last)
    voxels, latents = {COPY: scan}, {LATENT_COPY: z, TRUE_AE: cached_latents(decoder, inputs, target)}
    if fitted.voxel_rate is not None:
        voxels[VOXEL_MEAN] = scan + _along(gap, scan) * fitted.voxel_rate
    if fitted.latent_rate is not None:
        latents[LATENT_MEAN] = z + _along(gap, z) * fitted.latent_rate
    if cases[0].known == 2:
        earlier = np.array([case.earlier for case in cases])
        steps = gap / np.array([case.span for case in cases])
        voxels[VOXEL_SLOPE] = scan + _along(steps, scan) * (scan - volumes_of(inputs, earlier))
        latents[LATENT_SLOPE] = z + _along(steps, z) * (z - cached_latents(decoder, inputs, earlier))
    pictures |= {name: np.clip(volume, 0, 1).astype(np.float32) for name, volume in voxels.items()}
    pictures |= {name: decoder.decode_latent(latent.astype(np.float32)) for name, latent in latents.items()}
    codes[COPY] = codes[UNMOVED]
    for name in (VOXEL_MEAN, VOXEL_SLOPE, LATENT_MEAN, LATENT_SLOPE):
        if name in pictures:
            codes[name] = decoder.encode_semantic(np.clip(pictures[name], 0, 1)).astype(float)
    return Forecasts(pictures, codes)


def _along(numbers: np.ndarray, like: np.ndarray) -> np.ndarray:
    """(B,) as (B, 1, ...), one for every entry of the first axis."""
    return numbers.reshape(-1, *[1] * (like.ndim - 1))
