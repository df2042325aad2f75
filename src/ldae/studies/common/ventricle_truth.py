"""From measured to true ventricle volumes, for phantom cohorts.

The estimator holds some fissures beside the ventricles and blurs with the voxel. A straight line fitted on training
scans takes that out, so that an error in true millilitres can be given for any volume. What the autoencoder decodes is
smoother than a scan and is measured smaller, so it has a line of its own, fitted on reconstructions of training scans:
one for all that is decoded, whatever made the latents. Nothing here reads a test scan or its truth.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.core.lineage import require_maker, require_scale_factor
from ldae.inference.decoder import Decoder
from ldae.inference.readers import Latents
from ldae.studies.common.anatomy import ventricle_ml
from ldae.studies.common.inputs import Inputs

TRUTH = "truth_ventricle_ml_mni"


@dataclass(frozen=True)
class TrueScale:
    """true volume (ml in MNI space) = slope x measured + offset, and what it rests on: scans, subjects, their
    correlation and the standard deviation of the true volumes about the line (ml)."""

    slope: float
    offset: float
    scans: int
    subjects: int
    r: float
    residual_ml: float

    @classmethod
    def fit(cls, measured: np.ndarray, true: np.ndarray, subjects: Sequence[str]) -> "TrueScale | None":
        """Least squares of the true on the measured volumes; none with fewer than two different ones."""
        if len(measured) < 2 or np.ptp(measured) == 0:
            return None
        slope, offset = np.polyfit(measured, true, 1)
        r = float(np.corrcoef(measured, true)[0, 1]) if np.ptp(true) > 0 else float("nan")
        residual = float(np.std(true - slope * measured - offset))
        return cls(float(slope), float(offset), len(measured), len(set(subjects)), r, residual)

    def true_ml(self, measured: float) -> float:
        """True volume (ml in MNI space) of a measured one (ml)."""
        return self.slope * measured + self.offset


@dataclass(frozen=True)
class VentricleCalibration:
    """The lines of scans (their voxels, copied or averaged) and of decoded volumes; none where the truth is unknown."""

    of_scans: TrueScale | None
    of_decoded: TrueScale | None

    @classmethod
    def fit(cls, decoder: Decoder, inputs: Inputs, count: int, seed: int) -> "VentricleCalibration":
        """``of_scans`` on all training and validation scans, ``of_decoded`` on reconstructions of training scans.

        Args:
            count: how many training scans are decoded at most, drawn at random.

        Raises:
            UserError: the cached latents are of another autoencoder.
        """
        if not inputs.has_truth:
            return cls(None, None)
        known, drawn = inputs.rows("train", "validation"), inputs.rows("train")
        drawn = np.sort(study_stream(seed, "ventricle calibration").permutation(drawn)[:count])
        scans = np.array([ventricle_ml(inputs.volumes.volumes(row), inputs.grid) for row in known])
        decoded = measured_reconstructions(decoder, inputs, drawn)
        return cls(*(_line(inputs, rows, found) for rows, found in ((known, scans), (drawn, decoded))))

    def true_ml(self, measured: float, decoded: bool) -> float:
        """True volume (ml) by the line of its kind; NaN where there is none."""
        line = self.of_decoded if decoded else self.of_scans
        return float("nan") if line is None else line.true_ml(measured)

    def table(self) -> pd.DataFrame:
        """One row per line."""
        lines = {"scans": self.of_scans, "decoded": self.of_decoded}
        rows = [{"volumes": name} | asdict(line) for name, line in lines.items() if line is not None]
        return pd.DataFrame(rows, columns=["volumes", *TrueScale.__dataclass_fields__])


def measured_reconstructions(decoder: Decoder, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    """(N,) measured ventricles (ml) of the autoencoder's reconstructions of these scans, from their cached latents.

    Raises:
        UserError: the latents are of another autoencoder.
    """
    store, measured = inputs.latents, []
    require_maker(store, decoder.ldae.autoencoder_digest, "autoencoder")
    require_scale_factor(store, decoder.ldae.scale_factor)
    for batch in batches(rows, decoder.batch):
        latents = Latents(store, batch, decoder.ldae.device)
        z = latents.evaluated(list(range(len(batch))), decoder.ldae.method.posterior)
        measured += [ventricle_ml(volume[0], inputs.grid) for volume in decoder.decode_latent(z.cpu().numpy())]
    return np.array(measured)


def _line(inputs: Inputs, rows: np.ndarray, measured: np.ndarray) -> TrueScale | None:
    scans = inputs.scans.loc[rows]
    return TrueScale.fit(measured, scans[TRUTH].to_numpy(float), scans["participant_id"].tolist())
