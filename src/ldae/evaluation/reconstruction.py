"""How well a held-out scan is rebuilt, from what, and how much of it each code carries (paper Table 6).

Two rows come first because every number has to beat them: the mean volume of the training split, and the semantic code
of another subject.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.evaluation import statistics
from ldae.evaluation.inputs import Inputs, write_volumes
from ldae.evaluation.metrics import image_metrics
from ldae.evaluation.sampling import Decoder, batches, volumes_of
from ldae.evaluation.statistics import estimates_table, interval, not_available
from ldae.evaluation.ventricles import ventricle_ml
from ldae.files import write_tsv
from ldae.training.pipeline import LDAE

METHODS = ["mean_volume", "ldae_shuffled_y", "ldae_noise", "lddim_encoded", "ldae_encoded", "ae"]
METRICS = ["ssim_w11_brain", "ssim_w3_paper", "mse", "psnr"]
PAIRS = [
    ("ae", "mean_volume"),
    ("ldae_noise", "ldae_shuffled_y"),
    ("ldae_noise", "mean_volume"),
    ("ldae_encoded", "ldae_noise"),
    ("ldae_encoded", "lddim_encoded"),
]
EXAMPLES = 2


def run_reconstruction(ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path) -> None:
    """Write scans, summary, differences, ventricles, x_T (.tsv) and examples/ into ``out``."""
    rows = inputs.first_scans("test", settings.scans_per_subject)
    shown = example_rows(inputs, EXAMPLES)
    scans, codes, volumes, labels = [], [], [], []
    mean = mean_volume(inputs, settings.batch)
    partner = derangement(inputs.scans.loc[rows, "participant_id"].unique(), seed)
    decoder = Decoder(ldae, settings.batch)
    for batch in batches(rows, settings.batch):
        originals = volumes_of(inputs, batch)
        rebuilt, x_T = reconstruct(decoder, inputs, batch, originals, mean, partner, seed)
        for method, result in rebuilt.items():
            scans += _scan_rows(decoder, inputs, batch, method, originals, result)
        codes += _code_rows(inputs, batch, x_T)
        for position, row in enumerate(batch):
            if row in shown:
                kinds = {"original": originals} | rebuilt
                volumes += [result[position, 0] for result in kinds.values()]
                labels += [_keys(inputs, row) | {"method": method} for method in kinds]
    table = pd.DataFrame(scans)
    table = table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "x_T.tsv", pd.DataFrame(codes))
    write_tables(table, settings.bootstrap, seed, out)
    write_volumes(out / "examples", volumes, labels)


def write_tables(table: pd.DataFrame, bootstrap: int, seed: int, out: Path) -> None:
    """Estimates with intervals from the rows per scan."""
    write_tsv(out / "summary.tsv", statistics.summarise(table, METRICS, bootstrap, seed))
    write_tsv(out / "differences.tsv", statistics.paired_differences(table, PAIRS, METRICS, bootstrap, seed))
    write_tsv(out / "ventricles.tsv", ventricle_agreement(table, bootstrap, seed))


def mean_volume(inputs: Inputs, chunk: int) -> np.ndarray:
    """(X, Y, Z) voxelwise mean of the training split: what a method knows without looking at the scan."""
    rows, total = inputs.rows("train"), 0.0
    for batch in batches(rows, chunk):
        total = total + volumes_of(inputs, batch).sum(axis=(0, 1), dtype=np.float64)
    return (total / len(rows)).astype(np.float32)


def derangement(names: np.ndarray, seed: int) -> dict[str, str]:
    """Another name for every name: a seeded shuffle closed to one ring. Empty with fewer than two names."""
    names = np.sort(np.asarray(names))
    if len(names) < 2:
        return {}
    ring = statistics.generator(seed, "derangement").permutation(names)
    return dict(zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True))


def example_rows(inputs: Inputs, count: int) -> list[int]:
    """First test scans to show: one AD, one CN if there are, then the others in order."""
    rows = inputs.first_scans("test")
    diagnosis = inputs.scans.loc[rows, "diagnosis"]
    picked = [int(rows[(diagnosis == name).to_numpy()][0]) for name in ("AD", "CN") if (diagnosis == name).any()]
    picked += [int(row) for row in rows if row not in picked]
    return picked[:count]


def reconstruct(
    decoder: Decoder,
    inputs: Inputs,
    batch: np.ndarray,
    originals: np.ndarray,
    mean: np.ndarray,
    partner: dict[str, str],
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every method's volumes (B, 1, X, Y, Z) of one batch of scans, and the x_T they started from.

    ``ldae_noise`` and ``ldae_shuffled_y`` start from the same noise and differ in y_sem alone; so do ``ldae_encoded``
    and ``ldae_noise`` in x_T alone.
    """
    y = inputs.code("y_sem", batch)
    encoded, unconditional = (inputs.code(name, batch) for name in ("x_T", "x_T_unconditional"))
    noise = decoder.noise([inputs.scan_id(row) for row in batch], seed)
    rebuilt = {"mean_volume": np.broadcast_to(mean, originals.shape)}
    if partner:
        first = dict(zip(inputs.scans.loc[rows := inputs.first_scans("test"), "participant_id"], rows, strict=True))
        others = [first[partner[subject]] for subject in inputs.scans.loc[batch, "participant_id"]]
        rebuilt["ldae_shuffled_y"] = decoder.generate(noise, inputs.code("y_sem", others))
    rebuilt["ldae_noise"] = decoder.generate(noise, y)
    rebuilt["lddim_encoded"] = decoder.generate(unconditional, None)
    rebuilt["ldae_encoded"] = decoder.generate(encoded, y)
    rebuilt["ae"] = decoder.autoencode(originals)
    return rebuilt, {"x_T": encoded, "x_T_unconditional": unconditional, "noise": noise}


def _keys(inputs: Inputs, row: int) -> dict[str, str]:
    return inputs.scans.loc[row, ["participant_id", "session_id", "diagnosis"]].to_dict()


def _scan_rows(
    decoder: Decoder, inputs: Inputs, batch: np.ndarray, method: str, originals: np.ndarray, result: np.ndarray
) -> list[dict]:
    metrics = image_metrics(decoder.tensor(originals), decoder.tensor(result))
    truth = inputs.scans["truth_ventricle_ml_mni"] if inputs.has_truth else None
    rows = []
    for i, row in enumerate(batch):
        rows.append(
            _keys(inputs, row)
            | {"method": method}
            | {name: values[i] for name, values in metrics.items()}
            | {
                "ventricle_ml": ventricle_ml(result[i, 0], inputs.grid),
                "original_ventricle_ml": ventricle_ml(originals[i, 0], inputs.grid),
                "truth_ventricle_ml": np.nan if truth is None else truth[row],
            }
        )
    return rows


def _code_rows(inputs: Inputs, batch: np.ndarray, codes: dict[str, np.ndarray]) -> list[dict]:
    """Mean, standard deviation and excess kurtosis of x_T: 0, 1, 0 for a normal code; large where inversion leaks."""
    rows = []
    for i, row in enumerate(batch):
        for name, code in codes.items():
            values = code[i].astype(np.float64)
            spread = values.std()
            fourth = ((values - values.mean()) ** 4).mean()
            kurtosis = fourth / spread**4 - 3 if spread > 0 else np.nan
            rows.append(_keys(inputs, row) | {"code": name, "mean": values.mean(), "std": spread, "kurtosis": kurtosis})
    return rows


def ventricle_agreement(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Correlation of the ventricle volume in each reconstruction with the truth (phantoms) and with the scan's own."""
    rows = []
    for method, group in table.groupby("method", sort=False):
        for metric, column in (("r_truth", "truth_ventricle_ml"), ("r_original", "original_ventricle_ml")):
            if group[column].isna().all():
                estimate = not_available("no true volumes: not a phantom cohort")
            else:
                values = group[["ventricle_ml", column]].to_numpy(float)
                estimate = interval(values, group["participant_id"], statistics.correlation, bootstrap, seed)
            rows.append(estimate.row(method=method, metric=metric))
    return estimates_table(rows)
