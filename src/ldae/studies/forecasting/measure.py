"""The next visit of test subjects forecast from one or two earlier ones, by the code and by what needs less.

Forecasts are held against the real next scan, its measured volumes, its diagnosis and score, and on phantoms against
the true volumes.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Forecasting
from ldae.core.batches import batches
from ldae.core.files import write_tsv
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.image_metrics import ssim_brain
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.forecasting.cases import Case, find_cases, partners
from ldae.studies.forecasting.estimates import by_group, differences, summary
from ldae.studies.forecasting.fitted import Fitted, Volumes, mmse_of, true_hippocampi
from ldae.studies.forecasting.names import BASE, CARRIED, COPY, METHODS, VOLUME_RIDGE
from ldae.studies.forecasting.predictors import forecast

KNOWN = (1, 2)  # visits
SEVERITY = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
COLUMNS = [
    "participant_id",
    "session_last",
    "session_target",
    "visits_known",
    "gap_years",
    "diagnosis",
    "method",
    "ssim_w11_brain",
    "mae_brain",
    "ventricle_ml_error_mapped",
    "ventricle_ml_step",
    "ventricle_ml_step_scan",
    "ventricle_ml_step_error",
    "ventricle_ml_step_error_truth",
    "hippocampus_region_ml_step_error",
    "hippocampus_ml_step_error_truth",
    "code_error",
    "ad_score",
    "target_ad",
    "mmse_forecast",
    "mmse_target",
]


def run_forecasting(
    ldae: LDAE,
    inputs: Inputs,
    settings: Forecasting,
    evaluation: Evaluation,
    seed: int,
    out: Path,
    pieces: Pieces = WHOLE,
) -> None:
    """Write forecasts, one_visit, two_visits, differences, by_group, drawn and reads (.tsv) into ``out``.

    Read: y_sem of every scan, the x_T of ``ldae``'s solver with y_sem of the last visits (:class:`Reads`), latents.

    Args:
        pieces: where the rows of every batch are kept until all are there.

    Raises:
        UserError: no x_T of that key was computed.
    """
    decoder, reads = Decoder(ldae, evaluation.batch, evaluation.volumes), Reads(inputs, [(ldae, True)])
    chosen = {known: find_cases(inputs.scans, known, settings.visits) for known in KNOWN}
    bench = None
    rows: Rows = []
    for known, cases in chosen.items():
        others = partners(inputs.scans, cases)
        for number, part in enumerate(batches(np.arange(len(cases)), evaluation.batch)):
            bench = bench or _bench(decoder, reads, settings, evaluation, seed)
            own = [cases[place] for place in part]
            rows += pieces.rows(f"{known}-{number}", reads, partial(bench.rows, own, others))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values("method", key=lambda names: names.map(METHODS.index), kind="stable")
    counts = [(known, len(find_cases(inputs.scans, known)), len(cases)) for known, cases in chosen.items()]
    write_tsv(out / "drawn.tsv", pd.DataFrame(counts, columns=["visits_known", "next_visits", "measured"]))
    write_tsv(out / "reads.tsv", reads.table())
    write_tsv(out / "forecasts.tsv", table)
    for known, name in zip(KNOWN, ("one_visit", "two_visits"), strict=True):
        own = table[table["visits_known"] == known]
        write_tsv(out / f"{name}.tsv", summary(own, known, inputs.has_truth, evaluation.bootstrap, seed))
    write_tsv(out / "by_group.tsv", by_group(table, evaluation.bootstrap, seed))
    write_tsv(out / "differences.tsv", differences(table, evaluation.bootstrap, seed))
    pieces.clear()


def _bench(decoder: Decoder, reads: Reads, settings: Forecasting, evaluation: Evaluation, seed: int) -> "Bench":
    volumes = Volumes.of(reads.inputs.grid)
    learnt = settings.training_subjects, evaluation.calibration_scans
    return Bench(decoder, reads, volumes, Fitted.fit(decoder, reads.inputs, volumes, *learnt, seed))


class Bench:
    """What makes the rows of cases.

    Args:
        fitted: from training subjects.
    """

    def __init__(self, decoder: Decoder, reads: Reads, volumes: Volumes, fitted: Fitted):
        self.decoder, self.reads, self.volumes, self.fitted = decoder, reads, volumes, fitted
        self.mmse, self.hippocampi = mmse_of(reads.inputs), true_hippocampi(reads.inputs)

    def rows(self, cases: Sequence[Case], others: Mapping[Case, Case]) -> Rows:
        """One per case and method; all cases know equally many visits."""
        inputs, fitted = self.reads.inputs, self.fitted
        made = forecast(self.decoder, self.reads, fitted, cases, others)
        last, targets = (np.array([getattr(case, name) for case in cases]) for name in ("last", "target"))
        scans = volumes_of(inputs, targets)
        brain, target = scans > 0, self.decoder.tensor(scans)
        measured = {name: self._ml(pictures) for name, pictures in made.pictures.items()}
        before, after = measured[COPY], self._ml(scans)
        rows: Rows = []
        for method in METHODS:
            columns: dict[str, np.ndarray] = {}
            if method in made.pictures:
                pictures = made.pictures[method]
                similar = ssim_brain(target, self.decoder.tensor(pictures))
                missed = np.where(brain, np.abs(pictures - scans), 0).sum(axis=(1, 2, 3, 4))
                columns |= {
                    "ssim_w11_brain": similar.double().cpu().numpy(),
                    "mae_brain": missed / np.maximum(brain.sum(axis=(1, 2, 3, 4)), 1),
                }
                columns |= self._whole(measured[method], after, method)
                columns |= self._steps(
                    self._on_scale(measured[method] - measured[BASE[method]], method), cases, after - before
                )
            elif method == VOLUME_RIDGE and fitted.volume_ridge is not None:
                known = np.full((len(inputs.scans), 2), np.nan)
                known[last] = before
                step = fitted.volume_ridge.changes(known, inputs.scans, cases)
                columns |= self._steps(step, cases, after - before)
            if method in made.codes:
                columns |= self._read(made.codes[method], targets)
            elif method == CARRIED:
                columns["ad_score"] = inputs.scans.loc[last, "diagnosis"].map(SEVERITY).to_numpy(float)
                columns["mmse_forecast"] = self.mmse[last]
            if columns:
                rows += [
                    {**self._known(case), "method": method, **{name: float(own[i]) for name, own in columns.items()}}
                    for i, case in enumerate(cases)
                ]
        return rows

    def _ml(self, pictures: np.ndarray) -> np.ndarray:
        """(B, 2) measured volumes of pictures (B, 1, X, Y, Z)."""
        return np.stack([self.volumes.ml(picture[0]) for picture in pictures])

    def _known(self, case: Case) -> dict:
        """Who, which visits, and how it truly went on."""
        scans = self.reads.inputs.scans
        last, target = scans.loc[case.last], scans.loc[case.target]
        return {
            "participant_id": last["participant_id"],
            "session_last": last["session_id"],
            "session_target": target["session_id"],
            "visits_known": case.known,
            "gap_years": case.gap,
            "diagnosis": last["diagnosis"],
            "target_ad": {"CN": 0.0, "AD": 1.0}.get(target["diagnosis"], np.nan),
            "mmse_target": self.mmse[case.target],
        }

    def _whole(self, measured: np.ndarray, after: np.ndarray, method: str) -> dict[str, np.ndarray]:
        """Error of the forecast ventricles (ml) against the next scan's, decoded ones on the scale of scans."""
        own = [self.fitted.ventricles.scan_ml(ml, BASE[method] != COPY) for ml in measured[:, 0]]
        return {"ventricle_ml_error_mapped": np.abs(np.array(own) - after[:, 0])}

    def _on_scale(self, step: np.ndarray, method: str) -> np.ndarray:
        """(B, 2) changes of volumes (ml), those of decoded ventricles on the scale of scans."""
        line = self.fitted.ventricles.to_scans
        slope = 1.0 if BASE[method] == COPY else np.nan if line is None else line.slope
        return step * [slope, 1.0]

    def _steps(self, step: np.ndarray, cases: Sequence[Case], real: np.ndarray) -> dict[str, np.ndarray]:
        """Errors of the forecast changes since the last visit (B, 2), against the measured and the true ones."""
        found = {
            "ventricle_ml_step": step[:, 0],
            "ventricle_ml_step_scan": real[:, 0],
            "ventricle_ml_step_error": np.abs(step - real)[:, 0],
            "hippocampus_region_ml_step_error": np.abs(step - real)[:, 1],
        }
        inputs, last, target = self.reads.inputs, [case.last for case in cases], [case.target for case in cases]
        line = self.fitted.ventricles.of_scans
        if inputs.has_truth and line is not None:
            truth = inputs.scans["truth_ventricle_ml_mni"].to_numpy(float)
            found["ventricle_ml_step_error_truth"] = np.abs(line.slope * step[:, 0] - (truth[target] - truth[last]))
        line = self.fitted.hippocampus
        if self.hippocampi is not None and line is not None:
            true = self.hippocampi[target] - self.hippocampi[last]
            found["hippocampus_ml_step_error_truth"] = np.abs(line.slope * step[:, 1] - true)
        return found

    def _read(self, codes: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """How far the forecast codes are from those of the next scans, and what the probes say of them."""
        fitted = self.fitted
        missed = (codes - fitted.codes[targets]) / fitted.spread
        found = {"code_error": np.sqrt((missed**2).mean(axis=1))}
        if fitted.ad is not None:
            found["ad_score"] = fitted.ad.score(codes)
        if fitted.mmse is not None:
            found["mmse_forecast"] = fitted.mmse.score(codes)
        return found
