"""How well a held-out scan is rebuilt, from what, and how much of it each code carries (paper Table 6).

Three rows come first because every number has to beat them: the mean volume of the training split, the training scan of
the same sex and nearest age, and the semantic code of another subject. The voxel-space baseline stands twice: against
the scan on its own coarser grid, and up-sampled against the scan; ``dae_grid`` is the scan itself on that grid,
up-sampled: what that grid alone costs.

One row per scan and reconstruction: image metrics and ventricle volumes; and the moments of an x_T.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Evaluation
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.core.keys import KEY
from ldae.inference.decoder import DaeDecoder, Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common import statistics
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.frozen import NO_BASELINE, NO_TRAINING_SCANS
from ldae.studies.common.image_metrics import LPIPS, Perceptual, image_metrics
from ldae.studies.common.inputs import Inputs, volumes_of, write_volumes
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.references import (
    EXAMPLES,
    derangement,
    example_rows,
    mean_volume,
    nearest_volumes,
    other_codes,
    scans_of_dae,
)
from ldae.studies.common.statistics import estimates_table, interval, not_available
from ldae.studies.common.ventricle_truth import VentricleCalibration

IMAGE_METRICS = ["ssim_w11_brain", "ssim_w11", "ssim_w3_paper", "mse", "psnr"]
OWN_GRID = "_own_grid"
FROM_VOXELS = ("mean_volume", "nearest_age")  # on the scale of scans already
LDAE_METHODS = ["mean_volume", "nearest_age", "ldae_shuffled_y", "ldae_noise", "lddim_encoded", "ldae_encoded", "ae"]
DAE_METHODS = ["dae_noise", "dae_encoded", "dae_grid"]
METHODS = [*LDAE_METHODS, *DAE_METHODS, *(f"{name}{OWN_GRID}" for name in DAE_METHODS[:2])]
VENTRICLE_ERRORS = {"ventricle_ml_error": "ventricle_ml", "ventricle_ml_error_mapped": "ventricle_ml_mapped"}
PAIRS = [
    ("ae", "mean_volume"),
    ("ldae_noise", "ldae_shuffled_y"),
    ("ldae_noise", "mean_volume"),
    ("ldae_noise", "nearest_age"),
    ("ldae_encoded", "ldae_noise"),
    ("ldae_encoded", "lddim_encoded"),
    ("ldae_noise", "dae_noise"),
    ("ldae_encoded", "dae_encoded"),
]


def keys_of(inputs: Inputs, row: int) -> dict[str, str]:
    """Subject, session and diagnosis of a scan."""
    return inputs.scans.loc[row, [*KEY, "diagnosis"]].to_dict()


def scan_rows(
    inputs: Inputs,
    batch: np.ndarray,
    method: str,
    originals: np.ndarray,
    result: np.ndarray,
    perceptual: Perceptual,
    device: torch.device,
) -> list[dict]:
    """Rows of ``result`` against ``originals`` (B, 1, x, y, z). Ventricles are measured on the LDAE's grid alone."""
    pair = tuple(torch.from_numpy(np.array(x, dtype=np.float32)).to(device) for x in (originals, result))
    metrics = image_metrics(*pair) | perceptual.columns(*pair)
    truth = inputs.scans["truth_ventricle_ml_mni"] if inputs.has_truth else None
    measured = originals.shape[2:] == tuple(inputs.grid.shape)
    rows = []
    for i, row in enumerate(batch):
        volumes = [ventricle_ml(x[i, 0], inputs.grid) if measured else np.nan for x in (result, originals)]
        rows.append(
            keys_of(inputs, row)
            | {"method": method}
            | {name: values[i] for name, values in metrics.items()}
            | {
                "ventricle_ml": volumes[0],
                "original_ventricle_ml": volumes[1],
                "truth_ventricle_ml": np.nan if truth is None else truth[row],
            }
        )
    return rows


def code_rows(inputs: Inputs, batch: np.ndarray, codes: dict[str, np.ndarray]) -> list[dict]:
    """Moments of every x_T (B, ...) of a batch, one row per scan and kind of code."""
    rows = []
    for i, row in enumerate(batch):
        rows += [keys_of(inputs, row) | {"code": name} | code_moments(code[i]) for name, code in codes.items()]
    return rows


def code_moments(code: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation and excess kurtosis of an x_T: 0, 1, 0 if it is normal; large where inversion leaks."""
    values = code.astype(np.float64)
    spread = values.std()
    fourth = ((values - values.mean()) ** 4).mean()
    return {"mean": values.mean(), "std": spread, "kurtosis": fourth / spread**4 - 3 if spread > 0 else np.nan}


def run_reconstruction(
    ldae: LDAE,
    dae: DaeDecoder | None,
    inputs: Inputs,
    settings: Evaluation,
    seed: int,
    out: Path,
    pieces: Pieces = WHOLE,
) -> None:
    """Write scans, summary, differences, ventricles, x_T, code_sizes, reads (.tsv) and examples/ into ``out``.

    Read: y_sem of every scan, the x_T of ``ldae``'s solver with y_sem and without (:class:`Reads`), y of the
    voxel-space baseline, whose x_T have as many values as a volume and are not kept. The baseline reconstructs
    ``evaluation.dae_scans`` of the scans.

    Args:
        dae: none on a frozen model; it and what is made of training scans are then n/a.
        pieces: where the rows of every batch are kept until all are there; those of shown scans are made again.
    """
    rows = inputs.first_scans("test", settings.scans_per_subject)
    gathered = Gathered(inputs, Perceptual.of(settings, ldae.device), ldae.device)
    mean = mean_volume(inputs, settings.batch) if len(inputs.rows("train")) else None
    partner = derangement(inputs.scans.loc[rows, "participant_id"].unique(), seed)
    decoder, reads = Decoder(ldae, settings.batch, settings.volumes), Reads(inputs, [(ldae, True), (ldae, False)])

    def ours(batch: np.ndarray) -> Rows:
        originals = volumes_of(inputs, batch)
        rebuilt, x_T = reconstruct(decoder, reads, batch, originals, mean, partner, seed)
        measured = gathered.measure(batch, originals, {"original": originals} | rebuilt)
        return measured + code_rows(inputs, batch, x_T)

    def theirs(batch: np.ndarray) -> Rows:
        assert dae is not None
        coarse, x_T_dae = by_dae(dae, inputs, batch, seed)
        fine = {name: dae.upsampled(coarse[name], inputs.grid.shape) for name in DAE_METHODS[:2]}
        fine["dae_grid"] = dae.upsampled(coarse["original"], inputs.grid.shape)
        own_grid = {f"{name}{OWN_GRID}": coarse[name] for name in DAE_METHODS[:2]}
        measured = gathered.measure(batch, volumes_of(inputs, batch), fine)
        measured += gathered.measure(batch, coarse["original"], own_grid)
        return measured + code_rows(inputs, batch, {"x_T_dae": x_T_dae})

    few = scans_of_dae(inputs, rows, settings.dae_scans, seed) if dae else rows[:0]
    for kind, chosen, make in (("ldae", rows, ours), ("dae", few, theirs)):
        for number, batch in enumerate(batches(chosen, settings.batch)):
            kept = not np.isin(batch, gathered.shown).any()
            gathered.take(pieces.rows(f"{kind}-{number}", reads, partial(make, batch), kept))
    if pieces.share is not None:
        return
    write_tsv(out / "reads.tsv", reads.table())
    write_tsv(out / "x_T.tsv", pd.DataFrame(gathered.codes))
    box = (dae.shape, dae.dimension) if dae else (None, 0)
    write_tsv(out / "code_sizes.tsv", code_sizes(ldae.latent_shape, ldae.dimension, *box))
    absent = {} if mean is not None else dict.fromkeys(("mean_volume", "nearest_age"), NO_TRAINING_SCANS)
    absent |= {} if dae else dict.fromkeys(METHODS[len(LDAE_METHODS) :], NO_BASELINE)
    calibration = VentricleCalibration.fit(decoder, inputs, settings.calibration_scans, seed)
    write_tables(with_mapped(gathered.table(), calibration), settings.bootstrap, seed, out, absent)
    order = sorted(range(len(gathered.labels)), key=lambda i: gathered.labels[i]["participant_id"])
    write_volumes(out / "examples", [gathered.volumes[i] for i in order], [gathered.labels[i] for i in order])
    pieces.clear()


class Gathered:
    """Rows per scan and method, moments of codes, and the volumes of the scans that are shown."""

    def __init__(self, inputs: Inputs, perceptual: Perceptual, device: torch.device):
        self.inputs, self.perceptual, self.device = inputs, perceptual, device
        self.shown = example_rows(inputs, EXAMPLES)
        self.scans: list[dict] = []
        self.codes: list[dict] = []
        self.volumes: list[np.ndarray] = []
        self.labels: list[dict] = []

    def measure(self, batch: np.ndarray, originals: np.ndarray, results: dict[str, np.ndarray]) -> Rows:
        """Rows of results (B, 1, x, y, z) by method against the scans; those that are shown on our grid are kept."""
        rows = []
        for method, result in results.items():
            if method != "original":
                rows += scan_rows(self.inputs, batch, method, originals, result, self.perceptual, self.device)
            for position in np.flatnonzero(np.isin(batch, self.shown)):
                if not method.endswith(OWN_GRID):
                    self.volumes.append(np.nan_to_num(result[position, 0]))
                    self.labels.append(keys_of(self.inputs, batch[position]) | {"method": method})
        return rows

    def take(self, rows: Rows) -> None:
        """Rows of scans and methods, and of codes."""
        self.scans += [row for row in rows if "method" in row]
        self.codes += [row for row in rows if "code" in row]

    def table(self) -> pd.DataFrame:
        """The rows in the order of :data:`METHODS`."""
        table = pd.DataFrame(self.scans)
        return table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")


def with_mapped(table: pd.DataFrame, calibration: VentricleCalibration) -> pd.DataFrame:
    """The table with the ventricles on the scale of scans. What another decoder made (the voxel-space baseline's) has
    no line."""
    own, kinds = table["ventricle_ml"].to_numpy(float), table["method"].astype(str)
    mapped = [
        np.nan if kind in METHODS[len(LDAE_METHODS) :] else calibration.scan_ml(value, kind not in FROM_VOXELS)
        for value, kind in zip(own.tolist(), kinds, strict=True)
    ]
    return table.assign(ventricle_ml_mapped=mapped)


def reconstruct(
    decoder: Decoder,
    reads: Reads,
    batch: np.ndarray,
    originals: np.ndarray,
    mean: np.ndarray | None,
    partner: dict[str, str],
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Volumes (B, 1, X, Y, Z) of every method but the voxel-space baseline's, and the x_T they started from.

    ``ldae_noise`` and ``ldae_shuffled_y`` start from the same noise and differ in y_sem alone; so do ``ldae_encoded``
    and ``ldae_noise`` in x_T alone.
    """
    inputs = reads.inputs
    y = inputs.code("y_sem", batch)
    encoded, unconditional = (reads.x_T(decoder.ldae, with_y, batch) for with_y in (True, False))
    names = [inputs.scan_id(row) for row in batch]
    noise = decoder.noise(names, seed)
    rebuilt = {}
    if mean is not None:
        rebuilt["mean_volume"] = np.broadcast_to(mean, originals.shape)
        rebuilt["nearest_age"] = nearest_volumes(inputs, batch)
    if partner:
        rebuilt["ldae_shuffled_y"] = decoder.generate(noise, other_codes(inputs, batch, partner))
    rebuilt["ldae_noise"] = decoder.generate(noise, y)
    rebuilt["lddim_encoded"] = decoder.generate(unconditional, None)
    rebuilt["ldae_encoded"] = decoder.generate(encoded, y)
    rebuilt["ae"] = decoder.autoencode(originals, names)
    return rebuilt, {"x_T": encoded, "x_T_unconditional": unconditional, "noise": noise}


def by_dae(dae: DaeDecoder, inputs: Inputs, batch: np.ndarray, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """``original``, ``dae_noise`` and ``dae_encoded`` on the baseline's grid, and the x_T it inverted them to."""
    small, y = inputs.volumes_dae.volumes(batch)[:, None], inputs.code("y_dae", batch)
    noise = dae.noise([inputs.scan_id(row) for row in batch], seed)
    x_T = dae.invert(small, y)
    volumes = {
        "original": small,
        "dae_noise": dae.generate(noise, y, encoded=False),
        "dae_encoded": dae.generate(x_T, y, encoded=True),
    }
    return volumes, x_T


def code_sizes(
    latent: tuple[int, ...], dimension: int, box: tuple[int, ...] | None, dae_dimension: int
) -> pd.DataFrame:
    """How many numbers each method keeps of a scan: of y and of x_T or z (all channels), and in all.

    At the paper's size a latent has 3 x 16 x 20 x 16 = 15,360 numbers and y_sem 768; its Table 6 leaves the channels
    out and says 5,120 and 5,888.
    """
    z = int(np.prod(latent))
    sizes = {
        "mean_volume": (0, 0),
        "ldae_shuffled_y": (dimension, 0),
        "ldae_noise": (dimension, 0),
        "lddim_encoded": (0, z),
        "ldae_encoded": (dimension, z),
        "ae": (0, z),
    }
    if box is not None:
        x = int(np.prod(box))
        sizes |= {"dae_noise": (dae_dimension, 0), "dae_encoded": (dae_dimension, x), "dae_grid": (0, x)}
        sizes |= {f"{name}{OWN_GRID}": sizes[name] for name in DAE_METHODS[:2]}
    rows = [(name, *sizes[name], sum(sizes[name])) for name in METHODS if name in sizes]
    return pd.DataFrame(rows, columns=["method", "y_values", "x_values", "values"])


def write_tables(
    table: pd.DataFrame, bootstrap: int, seed: int, out: Path, absent: Mapping[str, str] | None = None
) -> None:
    """The rows per scan, and estimates with intervals from them.

    Args:
        absent: method -> why it has no row.
    """
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "summary.tsv", summary(table, bootstrap, seed, absent))
    write_tsv(out / "differences.tsv", statistics.paired_differences(table, PAIRS, IMAGE_METRICS, bootstrap, seed))
    write_tsv(out / "ventricles.tsv", ventricle_agreement(table, bootstrap, seed))


def summary(table: pd.DataFrame, bootstrap: int, seed: int, absent: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Mean of every image metric by method, or why it is n/a.

    Args:
        absent: method -> why it has no row.
    """
    rows, without = [], table[LPIPS].isna().all(axis=None)
    for method, group in table.groupby("method", sort=False):
        for metric in IMAGE_METRICS + LPIPS:
            if metric in LPIPS and without:
                estimate = not_available("no weights given (evaluation.lpips_weights)")
            elif str(method).endswith(OWN_GRID) and group[metric].isna().all():
                estimate = not_available("the baseline's grid is too small for this metric")
            else:
                values = group[metric].to_numpy(float)
                estimate = interval(values, group["participant_id"], statistics.mean_of(metric), bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric))
    for method, reason in (absent or {}).items():
        rows += [not_available(reason).row(method=method, metric=metric) for metric in IMAGE_METRICS]
    return estimates_table(rows)


def ventricle_agreement(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Of the ventricles in each reconstruction: correlation with the truth (phantoms) and with the scan's own; and the
    mean absolute difference from the scan's own (ml), as measured and on the scale of scans."""
    rows = []
    for method, group in table.groupby("method", sort=False):
        if str(method).endswith(OWN_GRID):
            continue
        for metric, column in (("r_truth", "truth_ventricle_ml"), ("r_original", "original_ventricle_ml")):
            if group[column].isna().all():
                estimate = not_available("no true volumes: not a phantom cohort")
            else:
                values = group[["ventricle_ml", column]].to_numpy(float)
                estimate = interval(values, group["participant_id"], statistics.correlation, bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric))
        for metric, column in VENTRICLE_ERRORS.items():
            error = (group[column] - group["original_ventricle_ml"]).abs().to_numpy(float)
            if np.isnan(error).all():
                estimate = not_available("no line to the scale of scans: no training scans, or another decoder")
            else:
                estimate = interval(error, group["participant_id"], statistics.mean, bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric))
    return estimates_table(rows)
