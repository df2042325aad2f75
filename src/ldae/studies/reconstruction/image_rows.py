"""One row per scan and reconstruction: image metrics and ventricle volumes; and the moments of an x_T."""

import numpy as np
import torch

from ldae.core.keys import KEY
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.image_metrics import image_metrics
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.perceptual import Perceptual

IMAGE_METRICS = ["ssim_w11_brain", "ssim_w11", "ssim_w3_paper", "mse", "psnr"]


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
