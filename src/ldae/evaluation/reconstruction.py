"""How well a held-out scan is rebuilt, from what, and how much of it each code carries (paper Table 6).

Three rows come first because every number has to beat them: the mean volume of the training split, the training scan of
the same sex and nearest age, and the semantic code of another subject.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.evaluation import statistics
from ldae.evaluation.inputs import Inputs, write_volumes
from ldae.evaluation.metrics import image_metrics
from ldae.evaluation.perceptual import LPIPS, Perceptual
from ldae.evaluation.sampling import Decoder, batches, volumes_of
from ldae.evaluation.statistics import estimates_table, interval, not_available
from ldae.evaluation.ventricles import ventricle_ml
from ldae.files import write_tsv
from ldae.training.pipeline import LDAE

METHODS = ["mean_volume", "nearest_age", "ldae_shuffled_y", "ldae_noise", "lddim_encoded", "ldae_encoded", "ae"]
IMAGE_METRICS = ["ssim_w11_brain", "ssim_w3_paper", "mse", "psnr"]
PAIRS = [
    ("ae", "mean_volume"),
    ("ldae_noise", "ldae_shuffled_y"),
    ("ldae_noise", "mean_volume"),
    ("ldae_noise", "nearest_age"),
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
    decoder, perceptual = Decoder(ldae, settings.batch), Perceptual.of(settings, ldae.device)
    for batch in batches(rows, settings.batch):
        originals = volumes_of(inputs, batch)
        rebuilt, x_T = reconstruct(decoder, inputs, batch, originals, mean, partner, seed)
        for method, result in rebuilt.items():
            scans += scan_rows(decoder, inputs, batch, method, originals, result, perceptual)
        codes += _code_rows(inputs, batch, x_T)
        for position, row in enumerate(batch):
            if row in shown:
                kinds = {"original": originals} | rebuilt
                volumes += [np.nan_to_num(result[position, 0]) for result in kinds.values()]
                labels += [_keys(inputs, row) | {"method": method} for method in kinds]
    table = pd.DataFrame(scans)
    table = table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "x_T.tsv", pd.DataFrame(codes))
    write_tables(table, settings.bootstrap, seed, out)
    write_volumes(out / "examples", volumes, labels)


def write_tables(table: pd.DataFrame, bootstrap: int, seed: int, out: Path) -> None:
    """Estimates with intervals from the rows per scan."""
    write_tsv(out / "summary.tsv", summary(table, bootstrap, seed))
    write_tsv(out / "differences.tsv", statistics.paired_differences(table, PAIRS, IMAGE_METRICS, bootstrap, seed))
    write_tsv(out / "ventricles.tsv", ventricle_agreement(table, bootstrap, seed))


def summary(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Mean of every image metric by method; LPIPS is n/a with its reason when its weights were not given."""
    if table[LPIPS].notna().any(axis=None):
        return statistics.summarise(table, IMAGE_METRICS + LPIPS, bootstrap, seed)
    reason = not_available("no weights given (evaluation.lpips_weights)")
    absent = [reason.row(method=method, metric=metric) for method in table["method"].unique() for metric in LPIPS]
    return pd.concat(
        [statistics.summarise(table, IMAGE_METRICS, bootstrap, seed), estimates_table(absent)], ignore_index=True
    )


def mean_volume(inputs: Inputs, chunk: int) -> np.ndarray:
    """(X, Y, Z) voxelwise mean of the training split: what a method knows without looking at the scan."""
    rows, total = inputs.rows("train"), 0.0
    for batch in batches(rows, chunk):
        total = total + volumes_of(inputs, batch).sum(axis=(0, 1), dtype=np.float64)
    return (total / len(rows)).astype(np.float32)


def nearest_volumes(inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(B, 1, X, Y, Z) training scans of the same sex and nearest age; NaN where the age is unknown or nobody fits."""
    training = inputs.scans.loc[inputs.rows("train")]
    training = training[training["age"].notna()]
    volumes = np.full((len(rows), 1, *inputs.grid.shape), np.nan, dtype=np.float32)
    for place, row in enumerate(rows):
        scan = inputs.scans.loc[row]
        distance = (training.loc[training["sex"] == scan["sex"], "age"] - scan["age"]).abs()
        if distance.notna().any():
            volumes[place] = volumes_of(inputs, np.array([distance.idxmin()]))[0]
    return volumes


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
    names = [inputs.scan_id(row) for row in batch]
    noise = decoder.noise(names, seed)
    rebuilt = {
        "mean_volume": np.broadcast_to(mean, originals.shape),
        "nearest_age": nearest_volumes(inputs, batch),
    }
    if partner:
        first = dict(zip(inputs.scans.loc[rows := inputs.first_scans("test"), "participant_id"], rows, strict=True))
        others = [first[partner[subject]] for subject in inputs.scans.loc[batch, "participant_id"]]
        rebuilt["ldae_shuffled_y"] = decoder.generate(noise, inputs.code("y_sem", others))
    rebuilt["ldae_noise"] = decoder.generate(noise, y)
    rebuilt["lddim_encoded"] = decoder.generate(unconditional, None)
    rebuilt["ldae_encoded"] = decoder.generate(encoded, y)
    rebuilt["ae"] = decoder.autoencode(originals, names)
    return rebuilt, {"x_T": encoded, "x_T_unconditional": unconditional, "noise": noise}


def _keys(inputs: Inputs, row: int) -> dict[str, str]:
    return inputs.scans.loc[row, ["participant_id", "session_id", "diagnosis"]].to_dict()


def scan_rows(
    decoder: Decoder,
    inputs: Inputs,
    batch: np.ndarray,
    method: str,
    originals: np.ndarray,
    result: np.ndarray,
    perceptual: Perceptual,
) -> list[dict]:
    """One row per scan: image metrics and ventricle volumes of ``result`` against ``originals``."""
    pair = decoder.tensor(originals), decoder.tensor(result)
    metrics = image_metrics(*pair) | perceptual.columns(*pair)
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
    rows = []
    for i, row in enumerate(batch):
        rows += [_keys(inputs, row) | {"code": name} | code_moments(code[i]) for name, code in codes.items()]
    return rows


def code_moments(code: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation and excess kurtosis of an x_T: 0, 1, 0 if it is normal; large where inversion leaks."""
    values = code.astype(np.float64)
    spread = values.std()
    fourth = ((values - values.mean()) ** 4).mean()
    return {"mean": values.mean(), "std": spread, "kurtosis": fourth / spread**4 - 3 if spread > 0 else np.nan}


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
