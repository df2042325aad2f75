"""A visit from the visits around it (paper 4.5, Figs. 8 and 9), beside what needs no network: copying and averaging.

Predictions are held against the scan, its reconstruction, and the true ventricles of a phantom.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.image_metrics import mse, ssim_brain, ssim_whole
from ldae.studies.common.inputs import Inputs, volumes_of, write_volumes
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.statistics import (
    estimates_table,
    interval,
    mean_of,
    not_available,
    paired_differences,
    summarise,
)
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.interpolation.predictors import FROM_VOXELS, METHODS, Triplet, find_triplets, interpolate, longest

ONE_LINE, BY_KIND = "ventricle_ml_error_truth", "ventricle_ml_error_truth_calibrated_by_kind"
RAW, MAPPED = "ventricle_ml_error", "ventricle_ml_error_mapped"
AGAINST_TRUTH = (ONE_LINE, BY_KIND, "ventricle_change_ml_error_truth")
METRICS = [
    "ssim_w11_brain",
    "mse",
    "ssim_w11_brain_vs_ae",
    "mse_vs_ae",
    "ssim_w4_paper",
    RAW,
    MAPPED,
    *AGAINST_TRUTH,
]
RIVALS = ["copy_nearest", "voxel_lerp", "latent_lerp", "y_only", "x_T_only", "ldae_months"]
PAIRS = [("ldae", rival) for rival in RIVALS]
GROUPINGS = ["gap_months", "prediction_gap_months", "position"]
GROUPED_METRICS = ["ssim_w11_brain", "mse", "ssim_w4_paper", "mse_vs_ae", RAW, MAPPED]
EXAMPLES = 2
KEYS = ["participant_id", "session_start", "session_target", "session_end"]
GROUP_KEYS = ("method", "metric", "grouping", "level")
COLUMNS = [
    *KEYS,
    "months_start",
    "months_target",
    "months_end",
    "gap_months",
    "prediction_gap_months",
    "alpha",
    "alpha_months",
    "position",
    "method",
    *METRICS,
]


def measure(
    decoder: Decoder,
    inputs: Inputs,
    triplets: list[Triplet],
    results: dict[str, np.ndarray],
    calibration: VentricleCalibration,
) -> list[dict]:
    """One row per triplet and method, against the scan and, as the paper does, against its AE reconstruction; against
    the true ventricles where they are known."""
    scans = volumes_of(inputs, np.array([triplet.target for triplet in triplets]))
    target, rebuilt = decoder.tensor(scans), decoder.tensor(results["ae"])
    rows = []
    for method in METHODS:
        volume = decoder.tensor(results[method])
        values = {
            "ssim_w11_brain": ssim_brain(target, volume),
            "mse": mse(target, volume),
            "ssim_w11_brain_vs_ae": ssim_brain(rebuilt, volume, mask=target > 0),
            "mse_vs_ae": mse(rebuilt, volume),
            "ssim_w4_paper": ssim_whole(rebuilt, volume, window=4),
        }
        columns = {name: value.double().cpu().tolist() for name, value in values.items()}
        decoded = method not in FROM_VOXELS
        for i, triplet in enumerate(triplets):
            own = {name: column[i] for name, column in columns.items()}
            own |= ventricle_errors(inputs, triplet, scans[i, 0], results[method][i, 0], calibration, decoded)
            rows.append(keys_of(inputs.scans, triplet) | {"method": method} | own)
    return rows


def ventricle_errors(
    inputs: Inputs,
    triplet: Triplet,
    target: np.ndarray,
    predicted: np.ndarray,
    calibration: VentricleCalibration,
    decoded: bool,
) -> dict[str, float]:
    """Absolute errors (ml) of the predicted ventricles.

    ``ventricle_ml_error``: against the target scan, by the same estimator. ``ventricle_ml_error_mapped``: the same,
    with what was decoded brought to the scale of scans first. In a phantom also against the true volume of
    the target: ``_truth`` with the line of scans for every method, ``_truth_calibrated_by_kind`` with that of scans
    or of decoded volumes. ``ventricle_change_ml_error_truth``: their change since the start scan against the true one;
    the estimator's offset cancels where the prediction is made of voxels.
    """
    grid, own = inputs.grid, ventricle_ml(predicted, inputs.grid)
    wanted = ventricle_ml(target, grid)
    errors = {RAW: abs(own - wanted), MAPPED: abs(calibration.scan_ml(own, decoded) - wanted)}
    errors |= dict.fromkeys(AGAINST_TRUTH, np.nan)
    if inputs.has_truth:
        truth = inputs.scans["truth_ventricle_ml_mni"]
        for name, kind in ((ONE_LINE, False), (BY_KIND, decoded)):
            errors[name] = abs(calibration.true_ml(own, kind) - truth[triplet.target])
        change = own - ventricle_ml(volumes_of(inputs, np.array([triplet.start]))[0, 0], grid)
        errors["ventricle_change_ml_error_truth"] = abs(change - (truth[triplet.target] - truth[triplet.start]))
    return errors


def keys_of(scans: pd.DataFrame, triplet: Triplet) -> dict:
    """Who, which visits, and where the target lies between the others."""
    start, target, end = (scans.loc[row] for row in (triplet.start, triplet.target, triplet.end))
    to_start, to_end = target["months"] - start["months"], end["months"] - target["months"]
    return {
        "participant_id": start["participant_id"],
        "session_start": start["session_id"],
        "session_target": target["session_id"],
        "session_end": end["session_id"],
        "months_start": start["months"],
        "months_target": target["months"],
        "months_end": end["months"],
        "gap_months": end["months"] - start["months"],
        "prediction_gap_months": min(to_start, to_end),
        "alpha": triplet.alpha,
        "alpha_months": triplet.nominal_alpha,
        "position": round(10 * triplet.alpha) / 10,
    }


def run_interpolation(
    ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path, pieces: Pieces = WHOLE
) -> None:
    """Write triplets, summary, differences, by_group, reads, ventricle_calibration (.tsv) into ``out``, and examples/
    where there is a triplet.

    Read: y_sem of every scan, and the x_T of ``ldae``'s solver with y_sem (:class:`Reads`).

    Args:
        pieces: where the rows of every batch are kept until all are there; those of shown triplets are made again.

    Raises:
        UserError: no x_T of that key was computed.
    """
    triplets = find_triplets(inputs.scans, settings.max_triplets)
    decoder, reads = Decoder(ldae, settings.batch, settings.volumes), Reads(inputs, [(ldae, True)])
    calibration = VentricleCalibration.fit(decoder, inputs, settings.calibration_scans, seed)
    rows, shown = [], longest(inputs.scans, triplets, EXAMPLES)
    examples: dict[Triplet, dict[str, np.ndarray]] = {}

    def made(chosen: list[Triplet]) -> Rows:
        results = interpolate(decoder, reads, chosen)
        for place, triplet in enumerate(chosen):
            if triplet in shown:
                examples[triplet] = {name: volumes[place, 0].copy() for name, volumes in results.items()}
        return measure(decoder, inputs, chosen, results, calibration)

    for number, part in enumerate(batches(np.arange(len(triplets)), settings.batch)):
        chosen = [triplets[i] for i in part]
        rows += pieces.rows(str(number), reads, partial(made, chosen), not set(chosen) & set(shown))
    if pieces.share is not None:
        return
    write_tsv(out / "ventricle_calibration.tsv", calibration.table())
    found = len(find_triplets(inputs.scans))
    write_tsv(out / "drawn.tsv", pd.DataFrame({"triplets": [found], "measured": [len(triplets)]}))
    write_tsv(out / "reads.tsv", reads.table())
    _write_examples(inputs, {triplet: examples[triplet] for triplet in shown}, out)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")
    write_tsv(out / "triplets.tsv", table)
    write_tables(table, settings.bootstrap, seed, out)
    pieces.clear()


def write_tables(table: pd.DataFrame, bootstrap: int, seed: int, out: Path) -> None:
    """Estimates with intervals; every value is n/a with its reason when no test subject has three scans."""
    if table.empty:
        reason = not_available("no test subject has three scans")
        rows = [reason.row(method=method, metric=metric) for method in METHODS for metric in METRICS]
        write_tsv(out / "summary.tsv", estimates_table(rows))
        write_tsv(out / "by_group.tsv", estimates_table([], GROUP_KEYS))
    else:
        write_tsv(out / "summary.tsv", summarise(table, METRICS, bootstrap, seed))
        write_tsv(out / "by_group.tsv", by_group(table, bootstrap, seed))
    write_tsv(out / "differences.tsv", paired_differences(table, PAIRS, METRICS, bootstrap, seed, KEYS))


def by_group(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Estimates per method by months between the ends, by months to the nearer end, and by position between them."""
    metrics = [*GROUPED_METRICS, *(name for name in (ONE_LINE, BY_KIND) if table[name].notna().any())]
    rows = []
    for grouping in GROUPINGS:
        for (method, level), group in table.groupby(["method", grouping], sort=False):
            for metric in metrics:
                estimate = interval(group[metric], group["participant_id"], mean_of(metric), bootstrap, seed)
                rows.append(estimate.row(method=method, metric=metric, grouping=grouping, level=level))
    return estimates_table(rows, GROUP_KEYS)


def _write_examples(inputs: Inputs, examples: dict[Triplet, dict[str, np.ndarray]], out: Path) -> None:
    """Scans and predictions of the shown triplets, in their order."""
    volumes: list[np.ndarray] = []
    labels: list[dict] = []
    for triplet, results in examples.items():
        ends = {
            name: volumes_of(inputs, np.array([getattr(triplet, name)]))[0, 0] for name in ("start", "target", "end")
        }
        keys = keys_of(inputs.scans, triplet)
        label = {"participant_id": keys["participant_id"], "session_id": keys["session_target"]}
        about = {"alpha": keys["alpha"], "gap_months": keys["gap_months"]}
        shown = ends | {method: results[method] for method in METHODS}
        volumes += shown.values()
        labels += [label | {"method": name} | about for name in shown]
    write_volumes(out / "examples", volumes, labels)
