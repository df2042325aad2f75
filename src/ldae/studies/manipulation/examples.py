"""The manipulated scans that are shown: a small store for the figure, and NIfTI files for any viewer."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.core.files import atomic_path
from ldae.core.keys import KEY
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.inputs import Inputs, write_volumes
from ldae.studies.common.linear_probes import Probe
from ldae.studies.manipulation.counterfactual import Counterfactuals

COLUMNS = [*KEY, "diagnosis", "kind", "alpha", "probability", "ventricle_ml"]
SHOWN_DOSES = (0.02, 0.1, 0.5, 0.9, 0.98)  # probabilities whose true counterfactuals are made, where known


def example_table(table: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    """The measured moves of the shown scans along the probe, with the ``kind`` of picture each is: ``reconstruction``
    (unmoved), ``sweep`` (calibrated) or ``paper`` (fixed alpha)."""
    shown = table[table["row"].isin(rows) & table["direction"].isin(["none", "probe"])]
    kinds = {"none": "reconstruction", "probability": "sweep", "alpha": "paper"}
    return shown.assign(kind=shown["calibration"].map(kinds), probability=shown["target_probability"])


def original_rows(inputs: Inputs, rows: list[int]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """The scans themselves."""
    volumes = [inputs.volumes.volumes(row) for row in rows]
    table = inputs.scans.loc[rows, [*KEY, "diagnosis"]].assign(
        kind="original", ventricle_ml=[ventricle_ml(volume, inputs.grid) for volume in volumes]
    )
    return table, volumes


def truth_rows(
    inputs: Inputs, probe: Probe, truth: Counterfactuals | None, pictures: pd.DataFrame
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """The true counterfactuals of a phantom: ``true_reconstruction`` is a scan's clean twin, ``truth`` the twin at the
    swept doses nearest to those that are shown. ``ventricle_ml`` is the true volume.

    Args:
        pictures: made by :func:`example_table`.
    """
    lines: list[dict] = []
    volumes: list[np.ndarray] = []
    if truth is None:
        return pd.DataFrame(lines, columns=COLUMNS), volumes
    for row, own in pictures.groupby("row", sort=False):
        sweep = own[own["kind"] == "sweep"]
        shown = {(sweep["probability"] - dose).abs().idxmin() for dose in SHOWN_DOSES} if len(sweep) else set()
        for line in [own[own["kind"] == "reconstruction"].iloc[0], *(sweep.loc[place] for place in sorted(shown))]:
            volume, ventricles = truth.picture(int(row), line["alpha"] * float(np.linalg.norm(probe.weight)))
            kind = {"reconstruction": "true_reconstruction", "sweep": "truth"}[line["kind"]]
            lines.append({**line, "kind": kind, "ventricle_ml": ventricles})
            volumes.append(volume)
    return pd.DataFrame(lines, columns=COLUMNS), volumes


def write_examples(inputs: Inputs, tables: list[pd.DataFrame], volumes: list[np.ndarray], out: Path) -> None:
    """``examples/``, a store, and ``nifti/``, one file per volume on the cohort's grid in MNI millimetres."""
    index = pd.concat([table.reindex(columns=COLUMNS).astype(object) for table in tables], ignore_index=True)
    rows = index.to_dict("records")
    write_volumes(out / "examples", volumes, rows)
    shutil.rmtree(out / "nifti", ignore_errors=True)
    affine = np.asarray(inputs.volumes.meta["affine"], dtype=float)
    for row, volume in zip(rows, volumes, strict=True):
        write_nifti(out / "nifti" / f"{nifti_name(row)}.nii.gz", volume, affine)


def nifti_name(row: dict) -> str:
    """``sub-X_ses-Y_desc-sweep0p90_T1w``; BIDS allows letters and digits in a value only."""
    dose = ""
    if row["kind"] == "paper":
        dose = f"{abs(row['alpha']):g}".replace(".", "p") + ("TowardsAD" if row["alpha"] > 0 else "TowardsCN")
    elif row["kind"] in ("sweep", "truth"):
        dose = f"{row['probability']:.2f}".replace(".", "p")
    kind = "".join(part if place == 0 else part.title() for place, part in enumerate(row["kind"].split("_")))
    return f"{row['participant_id']}_{row['session_id']}_desc-{kind}{dose}_T1w"


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Float32, voxel axes R-A-S, both affines set with the code of MNI space; equal input gives equal bytes."""
    image = nib.Nifti1Image(np.asarray(volume, dtype=np.float32), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, "mni")
    image.set_qform(affine, "mni")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
