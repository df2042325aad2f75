"""What a phantom's head would truly look like at another stage of the disease: the answer a manipulation is held to.

Along the probe a change of the logit stands for the change of the true stage that it lets expect: the slope of the
regression of the stage on the logit over the training scans with AD or CN. (The ratio of the differences of both group
means is no such expectation: a logit is a noisy reading of the stage, and the ratio, which is larger, takes its noise
for disease.) The stage stays within the one found among those subjects. Everything else about the subject, age and
scanner included, is kept. With the originals they make the examples that are shown.
"""

import dataclasses
import shutil
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import atomic_path
from ldae.core.keys import KEY
from ldae.inference.probe import Probe
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.inputs import Inputs, write_volumes
from ldae.studies.common.true_twins import Twins

COLUMNS = [*KEY, "diagnosis", "kind", "alpha", "probability", "ventricle_ml", "ventricle_ml_mapped"]
SHOWN_DOSES = (0.02, 0.1, 0.5, 0.9, 0.98)  # probabilities whose true counterfactuals are made, where known


@dataclasses.dataclass(frozen=True)
class Counterfactuals:
    """True counterfactuals of the scans of a phantom cohort.

    Args:
        probe: the AD probe along which scans are moved.
        twins: the scans at any stage.
    """

    probe: Probe
    twins: Twins

    @property
    def inputs(self) -> Inputs:
        """Of the cohort, opened with its truth."""
        return self.twins.inputs

    @cached_property
    def stage_per_logit(self) -> float:
        """Change of the stage that stands for one unit of the probe's logit; 0 where the probe separates nothing.

        Raises:
            UserError: the training split lacks AD or CN.
        """
        rows = self.inputs.rows("train")
        scans, score = self.inputs.scans.loc[rows], self.probe.score(self.inputs.code("y_sem", rows))
        groups = [(scans["diagnosis"] == name).to_numpy() for name in ("AD", "CN")]
        if not all(group.any() for group in groups):
            raise UserError(
                "The training subjects have no scan with AD, or none of a control, so that a step along the probe "
                "cannot be turned into a change of the true stage of the disease."
            )
        chosen = groups[0] | groups[1]
        stage, logit = scans["truth_stage"].to_numpy(float)[chosen], score[chosen] - score[chosen].mean()
        spread = float((logit**2).sum())
        return max(float((logit * (stage - stage.mean())).sum() / spread), 0.0) if spread > 0 else 0.0

    def stage(self, row: int, logits: float) -> float:
        """True stage of a scan that was moved by so many logits."""
        training = self.inputs.scans.loc[self.inputs.rows("train"), "truth_stage"]
        own = float(self.inputs.scans.loc[row, "truth_stage"])
        return float(np.clip(own + self.stage_per_logit * logits, min(own, training.min()), max(own, training.max())))

    def ventricle_change(self, row: int, logits: float) -> float:
        """Change of the true ventricles (ml in MNI space) of a scan that was moved by so many logits."""
        return self.twins.ventricle_change(row, self.stage(row, logits))

    def picture(self, row: int, logits: float) -> tuple[np.ndarray, float]:
        """The clean twin of a scan as it would be, moved by so many logits, and its true ventricles
        (:meth:`Twins.pictures`)."""
        _, picture, ventricles = self.twins.pictures(row, self.stage(row, logits))
        return picture, ventricles


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
            lines.append({**line, "kind": kind, "ventricle_ml": ventricles, "ventricle_ml_mapped": np.nan})
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
