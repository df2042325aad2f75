"""Quality against cost: the same reconstruction with other solvers and fewer steps (paper Table 6, T = 10 to 100)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Evaluation, Sampling
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.core.keys import KEY
from ldae.inference.decoder import DaeDecoder, Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.image_metrics import LPIPS, Perceptual
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.references import scans_of_dae
from ldae.studies.common.statistics import estimates_table, interval, mean_of, not_available
from ldae.studies.reconstruction.measure import IMAGE_METRICS, by_dae, code_moments, scan_rows

METHODS = ["ldae_noise", "lddim_encoded", "ldae_encoded", "dae_noise", "dae_encoded"]
MOMENTS = ["x_T_mean", "x_T_std", "x_T_kurtosis"]
METRICS = [*IMAGE_METRICS, *LPIPS, *MOMENTS]
KEYS = ("method", "metric", "solver", "steps")


def run_solvers(
    ldae: LDAE,
    dae: DaeDecoder | None,
    inputs: Inputs,
    settings: Evaluation,
    seed: int,
    out: Path,
    pieces: Pieces = WHOLE,
) -> None:
    """Write scans, summary and reads (.tsv) into ``out``: test scans, encoded and decoded by every solver.

    ``*_encoded`` decode what was inverted with the same solver and steps: of the LDAE the cached x_T of that key. The
    steps are network calls in each direction. The voxel-space baseline's results, of ``evaluation.dae_scans`` scans,
    are up-sampled.

    Args:
        dae: none on a frozen model.
        pieces: where the rows of every batch are kept until all are there.
    """
    rows = inputs.first_scans("test", settings.scans_per_subject)
    few = scans_of_dae(inputs, rows, settings.dae_scans, seed)
    perceptual, lines = Perceptual.of(settings, ldae.device), []
    samplers = {sampling: ldae.with_sampling(sampling.solver, sampling.steps) for sampling in solvers(settings)}
    reads = Reads(inputs, [(sampler, with_y) for sampler in samplers.values() for with_y in (True, False)])
    for sampling, sampler in samplers.items():
        ours = partial(by_ldae, Decoder(sampler, settings.batch, settings.volumes), reads)
        ways: list[tuple[str, np.ndarray, Callable[[np.ndarray, int], Decoded]]] = [("ldae", rows, ours)]
        if dae is not None:
            ways.append(("dae", few, partial(by_upsampled_dae, dae.with_sampling(sampling), inputs)))
        for kind, chosen, decode in ways:
            about = {"solver": sampling.solver, "steps": sampling.steps}
            for number, batch in enumerate(batches(chosen, settings.batch)):
                name = f"{sampling.solver}-{sampling.steps}-{kind}-{number}"
                measured = partial(measure, inputs, batch, decode, seed, perceptual, ldae.device)
                lines += [line | about for line in pieces.rows(name, reads, measured)]
    if pieces.share is not None:
        return
    table = pd.DataFrame(lines)[[*KEY, "method", "solver", "steps", *METRICS]]
    write_tsv(out / "reads.tsv", reads.table())
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "summary.tsv", summary(table, settings.bootstrap, seed))
    pieces.clear()


def measure(
    inputs: Inputs,
    batch: np.ndarray,
    decode: Callable[[np.ndarray, int], "Decoded"],
    seed: int,
    perceptual: Perceptual,
    device: torch.device,
) -> Rows:
    """One row per scan and method, with the moments of its x_T."""
    originals, lines = volumes_of(inputs, batch), []
    for method, (result, x_T) in decode(batch, seed).items():
        made = scan_rows(inputs, batch, method, originals, result, perceptual, device)
        for line, code in zip(made, x_T, strict=True):
            lines.append(line | {f"x_T_{name}": value for name, value in code_moments(code).items()})
    return lines


Decoded = dict[str, tuple[np.ndarray, np.ndarray]]
"""Volumes (B, 1, X, Y, Z) and the x_T they were decoded from, by method."""


def by_ldae(decoder: Decoder, reads: Reads, batch: np.ndarray, seed: int) -> Decoded:
    """From noise, and from the cached x_T of this solver, unconditional and with y_sem."""
    y, names = reads.inputs.code("y_sem", batch), [reads.inputs.scan_id(row) for row in batch]
    codes = {
        "ldae_noise": (decoder.noise(names, seed), y),
        "lddim_encoded": (reads.x_T(decoder.ldae, False, batch), None),
        "ldae_encoded": (reads.x_T(decoder.ldae, True, batch), y),
    }
    return {method: (decoder.generate(x_T, code), x_T) for method, (x_T, code) in codes.items()}


def by_upsampled_dae(dae: DaeDecoder, inputs: Inputs, batch: np.ndarray, seed: int) -> Decoded:
    """The voxel-space baseline, on our grid."""
    coarse, x_T = by_dae(dae, inputs, batch, seed)
    starts = {"dae_noise": dae.noise([inputs.scan_id(row) for row in batch], seed), "dae_encoded": x_T}
    return {name: (dae.upsampled(coarse[name], inputs.grid.shape), start) for name, start in starts.items()}


def solvers(settings: Evaluation) -> list[Sampling]:
    """The main one and the further ones, each once, cheapest first."""
    chosen = {(sampling.steps, sampling.solver): sampling for sampling in (settings.sampling, *settings.solvers)}
    return [chosen[key] for key in sorted(chosen)]


def summary(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Means over scans with intervals over subjects, by method, solver and steps."""
    rows, without = [], table[LPIPS].isna().all(axis=None)
    for (method, solver, steps), group in table.groupby(["method", "solver", "steps"], sort=False):
        for metric in METRICS:
            if metric in LPIPS and without:
                estimate = not_available("no weights given (evaluation.lpips_weights)")
            else:
                values = group[metric].to_numpy(np.float64)
                estimate = interval(values, group["participant_id"].to_numpy(), mean_of(metric), bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric, solver=solver, steps=steps))
    return estimates_table(rows, KEYS)
