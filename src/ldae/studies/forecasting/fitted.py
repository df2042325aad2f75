"""Everything that the forecasts and their measures learn, from training and validation subjects alone."""

from dataclasses import dataclass

import numpy as np

from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.inference.decoder import Decoder
from ldae.inference.probe import Probe
from ldae.studies.common.anatomy import Grid, hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.cached_latents import cached_latents
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import can_be_fitted, fit_with_penalty, moments
from ldae.studies.common.ventricle_truth import VentricleCalibration, VolumeLine
from ldae.studies.forecasting.cases import Course, courses
from ldae.studies.forecasting.training_course import CourseRidge, change_per_year

LEARNT = ("train", "validation")  # splits


@dataclass(frozen=True)
class Volumes:
    """Ventricles and hippocampal region (ml) of any picture on a grid."""

    grid: Grid
    region: np.ndarray

    @classmethod
    def of(cls, grid: Grid) -> "Volumes":
        """With the hippocampal region on it."""
        return cls(grid, hippocampus_region(grid))

    def ml(self, picture: np.ndarray) -> np.ndarray:
        """(2,) of a picture (X, Y, Z)."""
        return np.array([ventricle_ml(picture, self.grid), hippocampus_region_ml(picture, self.grid, self.region)])


@dataclass(frozen=True)
class Fitted:
    """What is learnt.

    Attributes:
        codes: (scans, dimension) y_sem of every scan.
        spread: (dimension,) its standard deviation.
        code_rate, voxel_rate, latent_rate: mean change per year; none where no training subject has two visits.
        ridge, volume_ridge: of the code, and of the two measured volumes.
        scan_ml: (scans, 2) measured volumes of the training scans that were measured, NaN elsewhere.
        ad, mmse: probes of y_sem; none where it is unknown, or the same in all.
        ventricles: lines to the scale of scans and to the truth.
        hippocampus: line from the measured region to the true hippocampi; none but in a phantom.
    """

    codes: np.ndarray
    spread: np.ndarray
    code_rate: np.ndarray | None
    voxel_rate: np.ndarray | None
    latent_rate: np.ndarray | None
    ridge: CourseRidge | None
    volume_ridge: CourseRidge | None
    ad: Probe | None
    mmse: Probe | None
    ventricles: VentricleCalibration
    hippocampus: VolumeLine | None

    @classmethod
    def fit(
        cls, decoder: Decoder, inputs: Inputs, volumes: Volumes, subjects: int, calibration_scans: int, seed: int
    ) -> "Fitted":
        """On training and validation subjects.

        Args:
            subjects: so many of them, drawn at random, say how voxels, latents and measured volumes change: to read
                them of a whole cohort would take longer than all forecasts. Codes are read of everybody.

        Raises:
            UserError: the cached latents are of another autoencoder.
        """
        scans, rows = inputs.scans, inputs.rows(*LEARNT)
        codes = inputs.code("y_sem", range(len(scans))).astype(float)
        everyone = courses(scans, *LEARNT)
        drawn = sorted(study_stream(seed, "forecasting").permutation(len(everyone))[:subjects])
        few = [everyone[place] for place in drawn]
        scan_ml = np.full((len(scans), 2), np.nan)

        def pictures(own: np.ndarray) -> np.ndarray:
            read = inputs.volumes.volumes(own)
            scan_ml[own] = [volumes.ml(picture) for picture in read]
            return read

        voxel_rate = change_per_year(few, pictures)
        return cls(
            codes,
            moments(codes[rows])[1] if len(rows) else np.ones(codes.shape[1]),
            change_per_year(everyone, lambda own: codes[own]),
            voxel_rate,
            change_per_year(few, lambda own: _latents(decoder, inputs, own)),
            CourseRidge.fit(codes, scans, everyone, seed),
            CourseRidge.fit(scan_ml, scans, [course for course in few if len(course[0]) > 1], seed),
            _probe("ad", inputs, codes, seed),
            _probe("mmse", inputs, codes, seed),
            VentricleCalibration.fit(decoder, inputs, calibration_scans, seed),
            _hippocampus_line(inputs, scan_ml, few),
        )


def mmse_of(inputs: Inputs) -> np.ndarray:
    """(scans,) score at the visit; NaN where it is unknown."""
    return inputs.volumes.index.reindex(columns=["mmse"])["mmse"].to_numpy(float, na_value=np.nan)


def _latents(decoder: Decoder, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([cached_latents(decoder, inputs, part) for part in batches(rows, decoder.batch)])


def _probe(name: str, inputs: Inputs, codes: np.ndarray, seed: int) -> Probe | None:
    """AD against CN, or the score, at the same visit."""
    rows = inputs.rows(*LEARNT)
    diagnosis = inputs.scans.loc[rows, "diagnosis"]
    known = diagnosis.isin(["CN", "AD"]).to_numpy() if name == "ad" else np.isfinite(mmse_of(inputs)[rows])
    rows = rows[known]
    scans = inputs.scans.loc[rows]
    target = (scans["diagnosis"] == "AD").to_numpy(float) if name == "ad" else mmse_of(inputs)[rows]
    subjects = scans["participant_id"].to_numpy()
    if not can_be_fitted(target) or len(np.unique(subjects)) < 2:
        return None
    strata = scans["diagnosis"].fillna("n/a").to_numpy()
    return fit_with_penalty("ad" if name == "ad" else "age", codes[rows], target, subjects, strata, seed)


def _hippocampus_line(inputs: Inputs, scan_ml: np.ndarray, few: list[Course]) -> VolumeLine | None:
    true = true_hippocampi(inputs)
    rows = np.concatenate([rows for rows, _ in few]) if few else np.empty(0, int)
    rows = rows[np.isfinite(scan_ml[rows, 1])]
    if true is None or len(rows) == 0:
        return None
    return VolumeLine.fit(scan_ml[rows, 1], true[rows], inputs.scans.loc[rows, "participant_id"].tolist())


def true_hippocampi(inputs: Inputs) -> np.ndarray | None:
    """(scans,) true volume of both (ml in MNI space); none where it is unknown."""
    sides = [f"truth_hippocampus_{side}_ml" for side in "lr"]
    if not set(sides) <= set(inputs.scans):
        return None
    return (inputs.scans[sides].sum(axis=1) * inputs.scans["determinant"]).to_numpy(float)
