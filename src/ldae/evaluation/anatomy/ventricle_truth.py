"""From measured to true ventricle volumes, for phantom cohorts.

The estimator holds some fissures beside the ventricles and blurs with the voxel. A straight line fitted on the real
scans of the training subjects takes that out, so that an error in true millilitres can be given for any volume.
"""

from dataclasses import dataclass

import numpy as np

from ldae.evaluation.anatomy.ventricles import ventricle_ml
from ldae.evaluation.inputs import Inputs


@dataclass(frozen=True)
class TrueScale:
    """true volume (ml in MNI space) = slope x measured + offset."""

    slope: float
    offset: float

    @classmethod
    def fit(cls, inputs: Inputs) -> "TrueScale | None":
        """Least squares over the training and validation scans; none without truth or with fewer than two volumes."""
        if not inputs.has_truth:
            return None
        rows = inputs.rows("train", "validation")
        measured = np.array([ventricle_ml(inputs.volumes.volumes(row), inputs.grid) for row in rows])
        true = inputs.scans.loc[rows, "truth_ventricle_ml_mni"].to_numpy(float)
        if len(rows) < 2 or np.ptp(measured) == 0:
            return None
        slope, offset = np.polyfit(measured, true, 1)
        return cls(float(slope), float(offset))

    def true_ml(self, measured: float) -> float:
        return self.slope * measured + self.offset
