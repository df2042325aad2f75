"""Models that came out degenerate, each in one sentence: what is wrong, where it shows, and what to do.

An adversary that tells nothing apart, steps that were left out, latents that say nothing of their scan, and a semantic
code that is the same for everybody. The sentence is said where it happens and once more in the report.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ldae.core.files import read_json
from ldae.core.store import open_store

CHANCE = 0.25  # least-squares loss of a discriminator that scores everything 1/2
AT_CHANCE = 0.24  # from here on it tells nothing apart
LONG = 300  # optimizer steps
SAME_LATENTS = 1e-4  # share of the latents' variance that lies between scans
SCALES = (1e-4, 1e4)  # beyond these, latents are next to nothing or next to infinite
SAME_CODE = 1e-5  # of the size of y_sem: rounding of float32, and little more
MANY_SKIPPED = 0.01  # of the steps


def discriminator_at_chance(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the metrics rows of stage 1, whose losses are means since the row before: a discriminator that has told
    nothing apart for hundreds of steps up to the last one."""
    first, last = 0, 0
    losses: list[float] = []
    for row in history:
        loss = row.get("discriminator")
        if loss is None or loss < AT_CHANCE:
            first, losses = int(row["step"]), []
        else:
            losses.append(float(loss))
        last = int(row["step"])
    if not losses or last - first < LONG:
        return None
    return (
        f"Stage 1: from step {first} to {last} the discriminator told reconstructions from originals no better than "
        f"chance (its loss was {losses[-1]:.3f}; {CHANCE} is chance), so that the adversarial term taught the "
        "autoencoder next to nothing. Train longer, or leave the adversary out (autoencoder.adversarial_weight: 0); "
        "docs/training.md says what is known of the reason."
    )


def skipped_steps(stage: str, history: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the metrics rows of a stage: more than one step in a hundred was left out."""
    skipped, steps = sum(int(row.get("skipped", 0)) for row in history), int(history[-1]["step"]) if history else 0
    if not steps or skipped <= MANY_SKIPPED * steps:
        return None
    return (
        f"{stage}: {skipped} of {steps} steps were left out, since a loss or a gradient was not finite. Look at the "
        "scans in its checkpoints/skipped.jsonl, or lower training.learning_rate."
    )


def collapsed_latents(latents: Mapping[str, Any]) -> str | None:
    """Of the description of a latent store: the latents say nothing of their scan, or their scale is absurd.

    Args:
        latents: ``scale_factor`` and ``between_scans``, the share of the latents' variance (posterior spread included)
            that lies between scans; none where there were fewer than two scans, or in a store of an earlier version.
    """
    share, scale = latents.get("between_scans"), float(latents["scale_factor"])
    if share is not None and share < SAME_LATENTS:
        return (
            f"Stage 1 has collapsed: {share:.1g} of the variance of its latents lies between scans, so that they say "
            f"nothing of their scan (scale factor {scale:.3g}), and stages 2 and 3 have nothing to learn. Lower "
            "autoencoder.kl_weight, train longer, or look whether the scans differ; then `ldae fresh` its folder."
        )
    if not SCALES[0] <= scale <= SCALES[1]:
        return (
            f"The scale factor of the latents is {scale:.3g}: their standard deviation is {1 / scale:.1g}, where about "
            "1 is usual, and rounding may be all that stages 2 and 3 see. Look at autoencoder.kl_weight and at the "
            "losses of stage 1; then `ldae fresh` its folder."
        )
    return None


def constant_dimensions(codes: np.ndarray) -> np.ndarray:
    """(dimension,) which components of the codes (N, dimension) are the same in every scan, up to rounding. Scans whose
    code is not finite do not count."""
    known = np.asarray(codes, dtype=float)[np.isfinite(codes).all(axis=1)]
    if len(known) < 2:
        return np.zeros(codes.shape[1], dtype=bool)
    size = max(float(np.sqrt(np.mean(known**2))), float(np.finfo(float).tiny))
    return known.std(axis=0) <= SAME_CODE * size


def constant_codes(codes: np.ndarray) -> str | None:
    """Of y_sem (N, dimension): the code, or a part of it, is the same for every scan."""
    constant = constant_dimensions(codes)
    if not constant.any():
        return None
    if constant.all():
        return (
            "The semantic encoder has collapsed: y_sem is the same for every scan, so that probes, manipulation and "
            "interpolation say nothing of anybody. Look at the losses of stage 3, lower representation.training."
            "learning_rate or set representation.code_norm: batch; then `ldae fresh` its folder."
        )
    return (
        f"{int(constant.sum())} of the {len(constant)} numbers of y_sem are the same for every scan: representation."
        "dimension is larger than what the encoder uses."
    )


def degenerate_sentences(train: str | Path, store: str | Path) -> list[str]:
    """All of the above for a finished run.

    Args:
        train: folder of the models.
        store: folder of the stores; what is not there is not looked at.
    """
    found = []
    for path in sorted(Path(train).glob("*/metrics.jsonl")):
        history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found.append(skipped_steps(path.parent.name, history))
        if path.parent.name == "autoencoder":
            found.append(discriminator_at_chance(history))
    latents, codes = (Path(store) / name / "store.json" for name in ("latents", "codes/y_sem"))
    if latents.is_file():
        found.append(collapsed_latents(read_json(latents)))
    if codes.is_file():
        found.append(constant_codes(np.asarray(open_store(codes.parent).data)))
    return [sentence for sentence in found if sentence is not None]
