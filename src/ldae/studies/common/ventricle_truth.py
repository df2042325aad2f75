"""Lines between volumes of ventricles: as they are measured in decoded volumes, in scans, and as they truly are.

What the autoencoder decodes is smoother than a scan and is measured smaller. A straight line from the measured volumes
of reconstructions of training scans to those of the scans themselves brings every decoded volume, whatever made its
latents, to the scale of scans; it needs no truth and is fitted in every cohort.

In phantom cohorts two further lines lead to the true volumes: the estimator holds some fissures beside the ventricles
and blurs with the voxel, and a line fitted on training scans takes that out; decoded volumes have a line of their own,
fitted on reconstructions of training scans. Nothing here reads a test scan or its truth.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.inference.decoder import Decoder
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.cached_latents import cached_latents
from ldae.studies.common.inputs import Inputs

TRUTH = "truth_ventricle_ml_mni"


@dataclass(frozen=True)
class VolumeLine:
    """wanted volume (ml in MNI space) = slope x measured + offset, and what it rests on: scans, subjects, their
    correlation and the standard deviation of the wanted volumes about the line (ml)."""

    slope: float
    offset: float
    scans: int
    subjects: int
    r: float
    residual_ml: float

    @classmethod
    def fit(cls, measured: np.ndarray, wanted: np.ndarray, subjects: Sequence[str]) -> "VolumeLine | None":
        """Least squares of the wanted on the measured volumes; none with fewer than two different ones."""
        if len(measured) < 2 or np.ptp(measured) == 0:
            return None
        slope, offset = np.polyfit(measured, wanted, 1)
        r = float(np.corrcoef(measured, wanted)[0, 1]) if np.ptp(wanted) > 0 else float("nan")
        residual = float(np.std(wanted - slope * measured - offset))
        return cls(float(slope), float(offset), len(measured), len(set(subjects)), r, residual)

    def ml(self, measured: float) -> float:
        """Wanted volume (ml in MNI space) of a measured one (ml)."""
        return self.slope * measured + self.offset


@dataclass(frozen=True)
class VentricleCalibration:
    """Three lines.

    Attributes:
        of_scans: from scans (their voxels, copied or averaged) to the truth; none where that is unknown.
        of_decoded: from decoded volumes to the truth; none where that is unknown.
        to_scans: from decoded volumes to the scale of scans; none without training scans that differ.
    """

    of_scans: VolumeLine | None
    of_decoded: VolumeLine | None
    to_scans: VolumeLine | None = None

    @classmethod
    def fit(cls, decoder: Decoder, inputs: Inputs, count: int, seed: int) -> "VentricleCalibration":
        """``of_scans`` on all training and validation scans, the others on reconstructions of training scans.

        Args:
            count: how many training scans are decoded at most, drawn at random.

        Raises:
            UserError: the cached latents are of another autoencoder.
        """
        known, drawn = inputs.rows("train", "validation"), inputs.rows("train")
        drawn = np.sort(study_stream(seed, "ventricle calibration").permutation(drawn)[:count])
        decoded = measured_reconstructions(decoder, inputs, drawn)
        subjects = inputs.scans.loc[drawn, "participant_id"].tolist()
        to_scans = VolumeLine.fit(decoded, measured_scans(inputs, drawn), subjects)
        if not inputs.has_truth:
            return cls(None, None, to_scans)
        return cls(_line(inputs, known, measured_scans(inputs, known)), _line(inputs, drawn, decoded), to_scans)

    def true_ml(self, measured: float, decoded: bool) -> float:
        """True volume (ml) by the line of its kind; NaN where there is none."""
        line = self.of_decoded if decoded else self.of_scans
        return float("nan") if line is None else line.ml(measured)

    def scan_ml(self, measured: float, decoded: bool = True) -> float:
        """Volume (ml) on the scale of scans, on which what is made of their voxels is already; NaN where there is no
        line."""
        if not decoded:
            return measured
        return float("nan") if self.to_scans is None else self.to_scans.ml(measured)

    def table(self) -> pd.DataFrame:
        """One row per line."""
        lines = {"scans": self.of_scans, "decoded": self.of_decoded, "decoded_to_scans": self.to_scans}
        rows = [{"volumes": name} | asdict(line) for name, line in lines.items() if line is not None]
        return pd.DataFrame(rows, columns=["volumes", *VolumeLine.__dataclass_fields__])


def measured_scans(inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(N,) measured ventricles (ml) of these scans."""
    return np.array([ventricle_ml(inputs.volumes.volumes(row), inputs.grid) for row in rows])


def measured_reconstructions(decoder: Decoder, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(N,) measured ventricles (ml) of the autoencoder's reconstructions of these scans, from their cached latents.

    Raises:
        UserError: the latents are of another autoencoder.
    """
    measured = []
    for batch in batches(rows, decoder.batch):
        volumes = decoder.decode_latent(cached_latents(decoder, inputs, batch))
        measured += [ventricle_ml(volume[0], inputs.grid) for volume in volumes]
    return np.array(measured)


def _line(inputs: Inputs, rows: np.ndarray, measured: np.ndarray) -> VolumeLine | None:
    scans = inputs.scans.loc[rows]
    return VolumeLine.fit(measured, scans[TRUTH].to_numpy(float), scans["participant_id"].tolist())
