"""The travelling heads: test subjects of a phantom cohort on several scanners, several times, ready to be encoded.

Every scan is made as the cohort's were: its scanner's contrast curve, voxels, inhomogeneity, noise and gain, and in
every session its own pose, contrast, inhomogeneity and noise. N4 and the scale of intensities are the cohort's. Brain
mask and registration are the true ones, so that what differs between two scans of a head is the scanner alone.
"""

import dataclasses
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.config import BiasField, Conform, Reliability
from ldae.core.batches import track
from ldae.core.keyed import study_stream
from ldae.core.store import write_store
from ldae.phantom.scan import Scan
from ldae.preprocessing.bias_field import correct_bias_field
from ldae.preprocessing.conform import scale_intensity, without_outliers
from ldae.preprocessing.pack import in_256_steps
from ldae.studies.common.by_diagnosis import chosen
from ldae.studies.common.feature_sets import FACTORS
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.true_twins import Twins, on_grid

SPLINES = {"linear": 1, "bspline": 3}


def make_travellers(
    inputs: Inputs,
    twins: Twins,
    settings: Reliability,
    bias_field: BiasField,
    conform: Conform,
    seed: int,
    out: Path,
) -> None:
    """Write the volume store ``out`` (uint8, as ``store/volumes``): heads x scanners x repeats, in this order.

    Its index: participant_id, session_id (one of its own), scanner and repeat (from 0), diagnosis and age of the
    subject's first scan, which is the day on which the head travels, and what the phantom was made from (``truth_*``).
    """
    rows = chosen(
        inputs.scans,
        inputs.first_scans("test").tolist(),
        settings.heads,
        study_stream(seed, "travelling heads"),
    )
    index: list[dict] = []
    volumes: list[np.ndarray] = []
    for row in track(rows, "make_travellers", total=len(rows)):
        displacement = twins.displacement(row)
        known = inputs.scans.loc[row, ["participant_id", "diagnosis", "age"]].to_dict()
        for site, again in product(range(settings.scanners), range(settings.repeats)):
            session = f"T{site + 1}R{again + 1}"
            scan = twins.travelled(row, site, session, displacement)
            truth = {f"truth_{name}": scan.truth[name] for name in FACTORS}
            index.append(known | {"session_id": f"ses-{session}", "scanner": site, "repeat": again} | truth)
            volumes.append(in_256_steps(conformed(scan, inputs, bias_field, conform)))
    facts = {"affine": inputs.volumes.meta["affine"], "volumes": inputs.volumes.digest}
    write_store(out, volumes, pd.DataFrame(index), dtype="uint8", **facts)


def conformed(scan: Scan, inputs: Inputs, bias_field: BiasField, conform: Conform) -> np.ndarray:
    """(X, Y, Z) float32 in [0, 1], of the scan as the chain would hand it on, were its mask and registration true.

    Raises:
        QuarantinedScan: nothing of its brain lies in the grid, or it has no contrast.
    """
    inside = scan.labels > 0
    raw = nib.Nifti1Image(scan.image.astype(np.float32), scan.affine)
    corrected, _ = correct_bias_field(raw, bias_field)
    if conform.intensity == "minmax" and conform.clip_at is not None:
        corrected = without_outliers(corrected, inside, conform.clip_at)
    order = SPLINES[conform.interpolation]
    volume = on_grid(dataclasses.replace(scan, image=corrected.get_fdata(dtype=np.float32)), inputs, order)
    brain = on_grid(dataclasses.replace(scan, image=inside), inputs) > 0.5
    affine = np.asarray(inputs.volumes.meta["affine"], dtype=float)
    return np.where(brain, scale_intensity(volume, brain, affine, conform.intensity), 0).astype(np.float32)
