"""A visit predicted from the visits around it, by the LDAE and by what needs less.

Of three visits of one subject (a triplet) the middle one is predicted from the outer two. Paths between two codes are
straight for y_sem, on the sphere for x_T (paper 4.5).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch

from ldae.core.keyed import key
from ldae.inference.decoder import Decoder
from ldae.inference.paths import lerp, slerp
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import volumes_of
from ldae.studies.common.visit_times import increasing, times_of

METHODS = ["ldae", "ldae_months", "y_only", "x_T_only", "latent_lerp", "voxel_lerp", "copy_nearest", "ae"]
FROM_VOXELS = ("voxel_lerp", "copy_nearest")  # all others decode latents


@dataclass(frozen=True)
class Triplet:
    """Rows of three scans of one subject in time order; ``alpha`` = (target - start) / (end - start), by the dates of
    the scans (:func:`times_of`); ``alpha_months`` by the months in the visits' names, as in the paper (none, where they
    tie or are unknown: as ``alpha``). Both lie strictly between 0 and 1."""

    start: int
    target: int
    end: int
    alpha: float
    alpha_months: float | None = None

    @property
    def nearest(self) -> int:
        """The end that is closer in time; the earlier one of two equally close."""
        return self.start if self.alpha <= 0.5 else self.end

    @property
    def nominal_alpha(self) -> float:
        """``alpha_months`` where it is known, otherwise ``alpha``."""
        return self.alpha if self.alpha_months is None else self.alpha_months


def find_triplets(scans: pd.DataFrame, limit: int | None = None) -> list[Triplet]:
    """Every start < target < end of every test subject, in subject order; where there are more than ``limit``, so many
    of them, drawn by a hash of subject and sessions. (The first so many would be those of the first sites.)

    Visits are in the order of their months, those of one month in the order of age; three visits whose times
    (:func:`times_of`) are unknown or tie are no triplet.
    """
    triplets: list[Triplet] = []
    test = scans[scans["split"] == "test"].sort_values(["participant_id", "months", "age", "session_id"])
    for _, own in test.groupby("participant_id"):
        ages, months = (own[name].to_numpy(float, na_value=np.nan) for name in ("age", "months"))
        for places in map(list, combinations(range(len(own)), 3)):
            time = times_of(ages[places], months[places])
            if time is not None:
                start, target, end = (int(row) for row in own.index[places])
                nominal = middle(months[places]) if increasing(months[places]) else None
                triplets.append(Triplet(start, target, end, middle(time), nominal))
    if limit is None or len(triplets) <= limit:
        return triplets
    names = scans["participant_id"] + "_" + scans["session_id"]
    drawn = sorted(triplets, key=lambda own: key("triplets", *(names[row] for row in (own.start, own.target, own.end))))
    kept = set(drawn[:limit])
    return [triplet for triplet in triplets if triplet in kept]


def middle(time: np.ndarray) -> float:
    """Where the second of three times lies between the others: strictly between 0 and 1."""
    return float((time[1] - time[0]) / (time[2] - time[0]))


def longest(scans: pd.DataFrame, triplets: list[Triplet], count: int) -> list[Triplet]:
    """For the figure: the longest triplet (the first of equals) of each of the ``count`` subjects with the longest."""
    months = scans["months"]
    best: dict[str, tuple[float, Triplet]] = {}
    for triplet in triplets:
        subject, gap = scans.loc[triplet.start, "participant_id"], months[triplet.end] - months[triplet.start]
        if subject not in best or gap > best[subject][0]:
            best[subject] = gap, triplet
    return [triplet for _, triplet in sorted(best.values(), key=lambda found: -found[0])[:count]]


def interpolate(decoder: Decoder, reads: Reads, triplets: list[Triplet]) -> dict[str, np.ndarray]:
    """Predicted target volumes (B, 1, X, Y, Z) of every method.

    ``ldae``: y_sem on the straight line, x_T on the sphere; ``ldae_months``: the same at the nominal alpha.
    ``y_only``: the same y_sem with the nearest scan's x_T; ``x_T_only``: the same x_T with the nearest scan's y_sem.
    ``ae``: the target's own reconstruction: what no decoded image should beat, but volumes of structures may.
    """
    starts, targets, ends, nearest = (
        np.array([getattr(triplet, name) for triplet in triplets]) for name in ("start", "target", "end", "nearest")
    )
    inputs = reads.inputs
    alpha = torch.tensor([triplet.alpha for triplet in triplets])
    nominal = torch.tensor([triplet.nominal_alpha for triplet in triplets])
    x_T_a, x_T_b = (torch.from_numpy(reads.x_T(decoder.ldae, True, rows)) for rows in (starts, ends))
    y_a, y_b = (torch.from_numpy(inputs.code("y_sem", rows)) for rows in (starts, ends))
    at_start = torch.from_numpy(nearest == starts).view(-1, *[1] * (x_T_a.ndim - 1))

    def between(alpha: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        return slerp(x_T_a, x_T_b, alpha).numpy(), lerp(y_a, y_b, alpha).numpy()

    x_T, y = between(alpha)
    first, last = volumes_of(inputs, starts), volumes_of(inputs, ends)

    def names(rows: np.ndarray) -> list[str]:
        return [inputs.scan_id(row) for row in rows]

    latent_a, latent_b = (
        torch.from_numpy(decoder.encode_latent(volumes, names(rows)))
        for volumes, rows in ((first, starts), (last, ends))
    )
    return {
        "ldae": decoder.generate(x_T, y),
        "ldae_months": decoder.generate(*between(nominal)),
        "y_only": decoder.generate(torch.where(at_start, x_T_a, x_T_b).numpy(), y),
        "x_T_only": decoder.generate(x_T, inputs.code("y_sem", nearest)),
        "latent_lerp": decoder.decode_latent(lerp(latent_a, latent_b, alpha).numpy()),
        "voxel_lerp": lerp(torch.from_numpy(first), torch.from_numpy(last), alpha).numpy(),
        "copy_nearest": volumes_of(inputs, nearest),
        "ae": decoder.autoencode(volumes_of(inputs, targets), names(targets)),
    }
