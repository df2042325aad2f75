"""Several samples of one semantic code: what y_sem fixes, and what is left to the stochastic code (paper Fig. 4)."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Evaluation
from ldae.core.files import write_tsv
from ldae.core.keys import KEY
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.image_metrics import ssim_brain
from ldae.studies.common.inputs import Inputs, volumes_of, write_volumes
from ldae.studies.common.references import example_rows
from ldae.studies.common.ventricle_truth import VentricleCalibration

SCANS = 3


def run_variation(ldae: LDAE, inputs: Inputs, settings: Evaluation, seed: int, out: Path) -> None:
    """Write scans.tsv, samples/ and std/ (voxelwise standard deviation over the samples) into ``out``."""
    decoder = Decoder(ldae, settings.batch, settings.volumes)
    calibration = VentricleCalibration.fit(decoder, inputs, settings.calibration_scans, seed)
    rows, volumes, labels, spreads, keys = [], [], [], [], []
    for row in example_rows(inputs, SCANS):
        scan = inputs.scans.loc[row, [*KEY, "diagnosis"]].to_dict()
        original = volumes_of(inputs, np.array([row]))
        samples = draw(decoder, inputs, row, settings.variations, seed)
        spread = samples[:, 0].std(axis=0)
        rows.append(scan | describe(inputs, original, samples, spread, calibration))
        key = {name: scan[name] for name in KEY}
        volumes += [original[0, 0], *samples[:, 0]]
        labels.append(key | {"kind": "original", "sample": np.nan})
        labels += [key | {"kind": "sample", "sample": i} for i in range(len(samples))]
        spreads.append(spread)
        keys.append(key)
    write_tsv(out / "scans.tsv", pd.DataFrame(rows))
    write_volumes(out / "samples", volumes, labels)
    write_volumes(out / "std", spreads, keys, dtype="float32")


def draw(decoder: Decoder, inputs: Inputs, row: int, samples: int, seed: int) -> np.ndarray:
    """(samples, 1, X, Y, Z) volumes with the scan's y_sem and noise fixed by (seed, scan, sample)."""
    noise = decoder.noise([f"{inputs.scan_id(row)}_variation-{i}" for i in range(samples)], seed)
    return decoder.generate(noise, np.repeat(inputs.code("y_sem", [row]), samples, axis=0))


def describe(
    inputs: Inputs, original: np.ndarray, samples: np.ndarray, spread: np.ndarray, calibration: VentricleCalibration
) -> dict:
    """How much the samples of one y_sem vary: spread in the brain, similarity to the scan, ventricles (ml) as measured
    and on the scale of scans.

    Args:
        original: (1, 1, X, Y, Z) the scan.
        samples: (N, 1, X, Y, Z) decoded with its y_sem.
        spread: (X, Y, Z) standard deviation over the samples.
        calibration: its line from decoded volumes to the scale of scans.
    """
    brain = original[0, 0] > 0
    ventricles = np.array([ventricle_ml(volume, inputs.grid) for volume in samples[:, 0]])
    mapped = np.array([calibration.scan_ml(measured) for measured in ventricles.tolist()])
    repeated = torch.from_numpy(original).expand(len(samples), -1, -1, -1, -1)
    return {
        "samples": len(samples),
        "std_brain_mean": float(spread[brain].mean()),
        "std_brain_p95": float(np.percentile(spread[brain], 95)),
        "ssim_w11_brain_mean": float(ssim_brain(repeated, torch.from_numpy(samples)).mean()),
        "ventricle_ml_mean": float(ventricles.mean()),
        "ventricle_ml_std": float(ventricles.std()),
        "ventricle_ml_mapped_mean": float(mapped.mean()),
        "ventricle_ml_mapped_std": float(mapped.std()),
        "original_ventricle_ml": ventricle_ml(original[0, 0], inputs.grid),
    }
