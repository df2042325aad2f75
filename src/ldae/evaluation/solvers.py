"""Quality against cost: the same reconstruction with other solvers and fewer steps (paper Table 6, T = 10 to 100)."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Sampling
from ldae.evaluation.inputs import Inputs
from ldae.evaluation.perceptual import Perceptual
from ldae.evaluation.reconstruction import IMAGE_METRICS, code_moments, scan_rows
from ldae.evaluation.sampling import Decoder, batches, volumes_of
from ldae.evaluation.statistics import estimates_table, interval, mean
from ldae.files import write_tsv
from ldae.training.pipeline import LDAE

METHODS = ["ldae_noise", "ldae_encoded"]
METRICS = [*IMAGE_METRICS, "x_T_mean", "x_T_std", "x_T_kurtosis"]
KEYS = ("method", "metric", "solver", "steps")


def run_solvers(ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path) -> None:
    """Write scans.tsv and summary.tsv into ``out``: test scans, encoded and decoded by every solver.

    ``ldae_encoded`` inverts and decodes with the same solver and steps; ``ldae_noise`` decodes one fixed noise per
    scan. The steps are network calls in each direction.
    """
    rows = inputs.first_scans("test", settings.scans_per_subject)
    perceptual, tables = Perceptual({}), []
    for sampling in solvers(settings):
        decoder = Decoder(ldae.with_sampling(sampling.solver, sampling.steps), settings.batch)
        for batch in batches(rows, settings.batch):
            originals, y = volumes_of(inputs, batch), inputs.code("y_sem", batch)
            names = [inputs.scan_id(row) for row in batch]
            noise = decoder.noise(names, seed)
            codes = {"ldae_noise": noise, "ldae_encoded": decoder.invert(decoder.encode_latent(originals, names), y)}
            for method, x_T in codes.items():
                lines = scan_rows(decoder, inputs, batch, method, originals, decoder.generate(x_T, y), perceptual)
                for line, code in zip(lines, x_T, strict=True):
                    moments = {f"x_T_{name}": value for name, value in code_moments(code).items()}
                    tables.append(line | moments | {"solver": sampling.solver, "steps": sampling.steps})
    table = pd.DataFrame(tables)[[*["participant_id", "session_id", "method", "solver", "steps"], *METRICS]]
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "summary.tsv", summary(table, settings.bootstrap, seed))


def solvers(settings: Evaluation) -> list[Sampling]:
    """The main one and the further ones, each once, cheapest first."""
    chosen = {(sampling.steps, sampling.solver): sampling for sampling in (settings.sampling, *settings.solvers)}
    return [chosen[key] for key in sorted(chosen)]


def summary(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Means over scans with intervals over subjects, by method, solver and steps."""
    rows = []
    for (method, solver, steps), group in table.groupby(["method", "solver", "steps"], sort=False):
        for metric in METRICS:
            values = group[metric].to_numpy(np.float64)
            estimate = interval(values, group["participant_id"].to_numpy(), mean, bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric, solver=solver, steps=steps))
    return estimates_table(rows, KEYS)
