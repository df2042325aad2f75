"""Predicted visits against the scan, its reconstruction, and the true ventricles of a phantom."""

import numpy as np
import pandas as pd

from ldae.inference.decoder import Decoder
from ldae.studies.common.anatomy.ventricle_truth import VentricleCalibration
from ldae.studies.common.anatomy.ventricles import ventricle_ml
from ldae.studies.common.image_metrics import mse, ssim_brain, ssim_whole
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.interpolation.predictors import FROM_VOXELS, METHODS
from ldae.studies.interpolation.triplets import Triplet

ONE_LINE, BY_KIND = "ventricle_ml_error_truth", "ventricle_ml_error_truth_calibrated_by_kind"
AGAINST_TRUTH = (ONE_LINE, BY_KIND, "ventricle_change_ml_error_truth")
METRICS = [
    "ssim_w11_brain",
    "mse",
    "ssim_w11_brain_vs_ae",
    "mse_vs_ae",
    "ssim_w4_paper",
    "ventricle_ml_error",
    *AGAINST_TRUTH,
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
    target, ceiling = decoder.tensor(scans), decoder.tensor(results["ae"])
    rows = []
    for method in METHODS:
        volume = decoder.tensor(results[method])
        values = {
            "ssim_w11_brain": ssim_brain(target, volume),
            "mse": mse(target, volume),
            "ssim_w11_brain_vs_ae": ssim_brain(ceiling, volume, mask=target > 0),
            "mse_vs_ae": mse(ceiling, volume),
            "ssim_w4_paper": ssim_whole(ceiling, volume, window=4),
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

    ``ventricle_ml_error``: against the target scan, by the same estimator. In a phantom also against the true volume
    of the target: ``_truth`` with the line of scans for every method, ``_truth_calibrated_by_kind`` with that of scans
    or of decoded volumes. ``ventricle_change_ml_error_truth``: their change since the start scan against the true one;
    the estimator's offset cancels where the prediction is made of voxels.
    """
    grid, own = inputs.grid, ventricle_ml(predicted, inputs.grid)
    errors = {"ventricle_ml_error": abs(own - ventricle_ml(target, grid))}
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
