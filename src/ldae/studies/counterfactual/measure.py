"""Edits of the diagnosis in y_sem, held to what a counterfactual must be, and on phantoms to the true one.

Every chosen test scan is moved to the other diagnosis by every edit, by directions that are no such edit, and by the
same network before its training; x_T is kept. On phantoms the head is made again at the other stage, and three more
rows say what could be had: the true change itself, the true change as the autoencoder sees it, and the change that the
encoder itself sees, decoded. Noise as large as the true change is the row that must fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from ldae.config import Counterfactual, Evaluation, Phantom
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_tsv
from ldae.core.keyed import normal, study_stream
from ldae.core.keys import KEY
from ldae.core.lineage import require
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import SAME_SCORE, Probe
from ldae.studies.common.anatomy import hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.random_direction import random_direction
from ldae.studies.common.statistics import auc, estimates_table, interval
from ldae.studies.common.true_twins import Twins
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.counterfactual.axioms import against_truth, cosine, left_over, mean_change
from ldae.studies.counterfactual.directions import REQUEST, Steps, chosen, class_gap, whole_steps
from ldae.studies.counterfactual.estimates import NO_OPINION, NO_TRUTH, differences, no_summary, summary
from ldae.studies.counterfactual.names import (
    AGAINST_TRUTH,
    CONTROLS,
    EDITS,
    INDEPENDENT,
    NOISE,
    NULL,
    TRUE,
    TRUE_AE,
    TRUE_CODE,
    UNTRAINED,
)
from ldae.studies.counterfactual.second_opinion import SecondOpinion

COLUMNS = [
    *KEY,
    "diagnosis",
    "method",
    "request",
    "image_error",
    "image_cosine",
    "image_amount",
    "outside_share",
    "code_cosine",
    "scan_ventricle_ml",
    "ventricle_ml_change",
    "ventricle_ml_change_mapped",
    "ventricle_ml_change_truth",
    "ventricle_ml_change_mapped_error_truth",
    "hippocampus_region_ml_change",
    "hippocampus_region_ml_change_truth",
    "independent_effect",
    "own_effect",
    "composition_mae",
    "composition_mae_ae",
    "back_mae",
    "back_share",
]
Arrays = np.ndarray


class Truth(Protocol):
    """What is known of a scan's true counterfactual. ``request``: whole steps, from control to patient."""

    def pictures(self, row: int, request: float) -> tuple[Arrays, Arrays]:
        """(X, Y, Z) the scan without noise as it is, and at the other stage."""

    def ventricle_change(self, row: int, request: float) -> float:
        """Of the true ventricles (ml in MNI space)."""


@dataclass(frozen=True)
class TrueStages:
    """A phantom's: a whole step is the difference of the mean true stages of training scans with AD and of controls."""

    twins: Twins

    @cached_property
    def gap(self) -> float:
        """Stages of a whole step."""
        training = self.twins.inputs.scans.loc[self.twins.inputs.rows("train", "validation")]
        return float(class_gap(training["truth_stage"].to_numpy(float), training["diagnosis"]))

    def pictures(self, row: int, request: float) -> tuple[Arrays, Arrays]:
        """As the protocol says."""
        now, then, _ = self.twins.pictures(row, self.twins.stage(row) + request * self.gap)
        return now, then

    def ventricle_change(self, row: int, request: float) -> float:
        """As the protocol says."""
        return self.twins.ventricle_change(row, self.twins.stage(row) + request * self.gap)


def true_stages(inputs: Inputs, phantom: Phantom | None, seed: int, anatomy: str | Path | None) -> TrueStages | None:
    """Of a phantom cohort whose truth was read; none for any other.

    Args:
        anatomy: where make_phantom keeps its anatomy.
    """
    if phantom is None or anatomy is None or not inputs.has_truth:
        return None
    return TrueStages(Twins(inputs, phantom, seed, Path(anatomy)))


@dataclass(frozen=True)
class Pair:
    """An unedited picture and an edited one, (X, Y, Z), made in the same way; ``decoded``: by the autoencoder."""

    before: Arrays
    after: Arrays
    decoded: bool = True


@dataclass(frozen=True)
class Bench:
    """Everything that an edit is made and measured with.

    Attributes:
        untrained: the chain before stage 3, or none where there is none.
        steps: of the trained code; ``untrained_steps``: of the untrained one.
    """

    decoder: Decoder
    untrained: Decoder | None
    inputs: Inputs
    probe: Probe
    steps: Steps
    untrained_step: np.ndarray
    opinion: SecondOpinion
    calibration: VentricleCalibration
    truth: Truth | None
    seed: int

    @cached_property
    def region(self) -> Arrays:
        """(X, Y, Z) the hippocampal region."""
        return hippocampus_region(self.inputs.grid)

    def opinion_on_test(self) -> dict:
        """How well the second opinion tells the test subjects with AD from the controls, one scan each: an estimate."""
        rows = self.inputs.first_scans("test")
        rows = rows[self.inputs.scans.loc[rows, "diagnosis"].isin(["CN", "AD"]).to_numpy()]
        volumes = [self.opinion.score(self.inputs.volumes.volumes([row])) for row in rows]
        scans = self.inputs.scans.loc[rows]
        values = np.column_stack([np.concatenate([*volumes, np.empty(0)]), scans["diagnosis"] == "AD"])
        estimate = interval(values, scans["participant_id"].to_numpy(), auc, 1, self.seed)
        return estimate.row(method=INDEPENDENT, metric="auc_ad_test")

    @cached_property
    def own_gap(self) -> float:
        """What a whole step along the probe adds to its logit."""
        step = self.steps["ldae_probe"]
        assert isinstance(step, np.ndarray)
        return float(step @ self.probe.weight)

    def lines(self, row: int) -> Rows:
        """All methods on one scan, one line each."""
        inputs, name = self.inputs, self.inputs.scan_id(row)
        request = REQUEST[inputs.scans.loc[row, "diagnosis"]]
        scan, code = volumes_of(inputs, np.array([row])), inputs.code("y_sem", [row])[0].astype(float)
        z = self.decoder.encode_latent(scan, [name])
        changes = {NULL: np.zeros_like(code)} | self.changes(name, request)
        true = None if self.truth is None else self.truth.pictures(row, request)
        true_change = None
        if true is not None:
            seen = self.decoder.encode_semantic(np.stack(true)[:, None]).astype(float)
            true_change = seen[1] - seen[0]
            changes[TRUE_CODE] = true_change
        codes = np.stack([code + change for change in changes.values()])
        x_T = self.decoder.invert(z, code[None].astype(np.float32))
        volumes = dict(zip(changes, self._generate(self.decoder, x_T, codes), strict=True))
        pairs = {method: Pair(volumes[NULL], volume) for method, volume in volumes.items()}
        pairs |= self._untrained(row, z, request) | self._references(name, true, volumes[NULL])
        there = {method: (volumes[method], changes[method]) for method in (NULL, *EDITS) if method in volumes}
        back = self._back(name, there)
        brain = scan[0, 0] > 0
        known = {**inputs.scans.loc[row, [*KEY, "diagnosis"]], "request": request}
        known["scan_ventricle_ml"] = ventricle_ml(scan[0, 0], inputs.grid)
        truly = {} if true is None else self._truly(row, request, true)
        rebuilt = self.decoder.autoencode(scan, [name])[0, 0]
        scores = self._scores(pairs)
        lines = []
        for method, pair in pairs.items():
            line = {**known, "method": method, **truly}
            if method == NULL:
                line["composition_mae"] = mean_change(pair.after, scan[0, 0], brain)
                line["composition_mae_ae"] = mean_change(pair.after, rebuilt, brain)
            else:
                line |= self._changed(pair, truly) | {key: value / request for key, value in scores[method].items()}
                if true is not None:
                    line |= against_truth(pair.after - pair.before, true[1] - true[0], brain)
                if true_change is not None and method in changes:
                    in_units = [one / self.probe.std for one in (changes[method], true_change)]
                    line["code_cosine"] = cosine(*in_units)
            if method in back:
                line["back_mae"] = mean_change(back[method], scan[0, 0], brain)
                if method != NULL:
                    line["back_share"] = left_over(pair.before, pair.after, back[method], back[NULL], brain)
            lines.append(line)
        return lines

    def changes(self, name: str, request: float) -> dict[str, np.ndarray]:
        """What every edit and control adds to a code (dimension,), in its own units."""
        length = np.linalg.norm(self.steps["ldae_mean_difference"])
        steps = self.steps | {"random": length * random_direction(self.probe, self.seed, name)}
        return {
            method: request * step * self.probe.std
            for method in (*EDITS, *CONTROLS)
            if isinstance(step := steps[method], np.ndarray)
        }

    @staticmethod
    def _generate(decoder: Decoder, x_T: np.ndarray, codes: np.ndarray) -> Arrays:
        """(B, X, Y, Z) decoded from x_T (1 or B, C, x, y, z) with each of the codes (B, dimension)."""
        noise = np.broadcast_to(x_T, (len(codes), *x_T.shape[1:]))
        return decoder.generate(noise, codes.astype(np.float32))[:, 0]

    def _back(self, name: str, edited: dict[str, tuple[Arrays, np.ndarray]]) -> dict[str, Arrays]:
        """Every edited volume encoded like any scan, and moved back by what its edit had added to the code."""
        volumes = np.stack([volume for volume, _ in edited.values()])[:, None]
        codes = self.decoder.encode_semantic(volumes)
        x_T = self.decoder.invert(self.decoder.encode_latent(volumes, [name] * len(volumes)), codes)
        away = np.stack([change for _, change in edited.values()])
        return dict(zip(edited, self._generate(self.decoder, x_T, codes - away), strict=True))

    def _untrained(self, row: int, z: np.ndarray, request: float) -> dict[str, Pair]:
        """The difference of the class means in the untrained code, decoded by the untrained estimator."""
        if self.untrained is None:
            return {}
        code = self.inputs.code("y_sem_untrained", [row]).astype(float)
        x_T = self.untrained.invert(z, code.astype(np.float32))
        codes = np.concatenate([code, code + request * self.untrained_step])
        return {UNTRAINED: Pair(*self._generate(self.untrained, x_T, codes))}

    def _references(self, name: str, true: tuple[Arrays, Arrays] | None, unedited: Arrays) -> dict[str, Pair]:
        """What has the truth in it, and noise that has its size alone."""
        if true is None:
            return {}
        rebuilt = self.decoder.autoencode(np.stack(true)[:, None], [name] * 2)[:, 0]
        size = float(np.sqrt(np.mean((true[1] - true[0])[true[0] > 0] ** 2))) if (true[0] > 0).any() else 0.0
        noise = size * normal(unedited.shape, self.seed, "noise for an edit", name).numpy()
        return {
            TRUE_AE: Pair(*rebuilt),
            TRUE: Pair(*true, decoded=False),
            NOISE: Pair(unedited, unedited + np.where(true[0] > 0, noise, 0)),
        }

    def _truly(self, row: int, request: float, true: tuple[Arrays, Arrays]) -> dict[str, float]:
        """The true changes of volumes; that of the hippocampal region by the estimator that edits are measured with."""
        assert self.truth is not None
        before, after = (self._hippocampus(picture) for picture in true)
        return {
            "ventricle_ml_change_truth": self.truth.ventricle_change(row, request),
            "hippocampus_region_ml_change_truth": after - before,
        }

    def _changed(self, pair: Pair, truly: dict[str, float]) -> dict[str, float]:
        """Changes of measured volumes (ml); ``mapped``: on the scale of scans, where decoded volumes are brought to."""
        raw = ventricle_ml(pair.after, self.inputs.grid) - ventricle_ml(pair.before, self.inputs.grid)
        line = self.calibration.to_scans
        slope = 1.0 if not pair.decoded else np.nan if line is None else line.slope
        found = {
            "ventricle_ml_change": raw,
            "ventricle_ml_change_mapped": raw * slope,
            "hippocampus_region_ml_change": self._hippocampus(pair.after) - self._hippocampus(pair.before),
        }
        if truly:
            error = abs(raw * slope - truly["ventricle_ml_change_truth"])
            found["ventricle_ml_change_mapped_error_truth"] = error
        return found

    def _hippocampus(self, volume: Arrays) -> float:
        return hippocampus_region_ml(volume, self.inputs.grid, self.region)

    def _scores(self, pairs: dict[str, Pair]) -> dict[str, dict[str, float]]:
        """Of every method the change of the second opinion, and of our own probe's when the volumes are encoded again,
        in whole steps."""
        stacked = np.stack([volume for pair in pairs.values() for volume in (pair.before, pair.after)])
        effects = {
            "independent_effect": self.opinion.score(stacked) / (self.opinion.gap if self.opinion.gap > 0 else np.nan),
            "own_effect": self.probe.score(self.decoder.encode_semantic(stacked[:, None])) / self.own_gap,
        }
        return {
            method: {name: float(both[2 * i + 1] - both[2 * i]) for name, both in effects.items()}
            for i, method in enumerate(pairs)
        }


def run_counterfactual(
    ldae: LDAE,
    untrained: Callable[[], LDAE] | None,
    inputs: Inputs,
    probe_json: Path,
    settings: Counterfactual,
    evaluation: Evaluation,
    seed: int,
    out: Path,
    truth: Truth | None = None,
    pieces: Pieces = WHOLE,
) -> None:
    """Write scans, summary and differences (.tsv) into ``out``.

    Read: y_sem of every scan, trained and untrained; x_T is made here, with the study's own solver.

    Args:
        untrained: loads the chain as it was before stage 3.
        probe_json: written by run_probes.
        pieces: where the rows of every scan are kept until all are there.

    Raises:
        UserError: a probe of other codes.
    """
    content = read_json(probe_json)
    if "imported" not in content:
        require(f"{probe_json} was fitted to other codes", content.get("codes"), inputs.code_store("y_sem").digest)
    reason = content.get("reason") or (SAME_SCORE if Probe.from_json(content).flat else None)
    rows = chosen(
        inputs.scans, inputs.first_scans("test").tolist(), settings.subjects, study_stream(seed, "counterfactuals")
    )
    fitted = inputs.rows("train", "validation")
    fitted = fitted[inputs.scans.loc[fitted, "diagnosis"].isin(["CN", "AD"]).to_numpy()]
    if reason is None and inputs.scans.loc[fitted, "diagnosis"].nunique() < 2:
        reason = "the training subjects have no scan with AD, or none of a control"
    if reason is None and not rows:
        reason = "no test subject is known to have AD, MCI or neither"
    if reason is not None:
        write_tsv(out / "scans.tsv", pd.DataFrame(columns=COLUMNS))
        write_tsv(out / "summary.tsv", no_summary(reason))
        write_tsv(out / "differences.tsv", differences(pd.DataFrame(columns=COLUMNS), 1, seed))
        return
    bench = _bench(ldae, untrained, inputs, Probe.from_json(content), settings, evaluation, seed, truth)
    found: Rows = []
    for row in rows:
        found += pieces.rows(inputs.scan_id(row), Reads(inputs, []), partial(bench.lines, row))
    table = pd.DataFrame(found).reindex(columns=COLUMNS)
    missing = {name: str(step) for name, step in bench.steps.items() if not isinstance(step, np.ndarray)}
    write_tsv(out / "scans.tsv", table)
    unknown = {} if truth is not None else dict.fromkeys(AGAINST_TRUTH, NO_TRUTH)
    unknown |= {} if bench.opinion.gap > 0 else {"independent_effect": NO_OPINION}
    told = summary(table, missing, unknown, evaluation.bootstrap, seed)
    write_tsv(out / "summary.tsv", estimates_table([*told, bench.opinion_on_test()]))
    write_tsv(out / "differences.tsv", differences(table, evaluation.bootstrap, seed))
    pieces.clear()


def _bench(
    ldae: LDAE,
    untrained: Callable[[], LDAE] | None,
    inputs: Inputs,
    probe: Probe,
    settings: Counterfactual,
    evaluation: Evaluation,
    seed: int,
    truth: Truth | None,
) -> Bench:
    """Directions and scales, fitted on training and validation subjects."""
    rows = inputs.rows("train", "validation")
    scans, codes = inputs.scans.loc[rows], inputs.code("y_sem", rows).astype(float)
    if codes.shape[1] != len(probe.weight):
        raise UserError("The probe belongs to codes of another length; run fit_probes again.")
    ends = rows[scans["diagnosis"].isin(["CN", "AD"]).to_numpy()]
    sampling = settings.sampling or evaluation.sampling
    decoder = Decoder(_with(ldae, sampling.solver, sampling.steps), evaluation.batch, evaluation.volumes)
    before, step = None, np.empty(0)
    if untrained is not None:
        chain = _with(untrained(), sampling.solver, sampling.steps)
        before = Decoder(chain, evaluation.batch, evaluation.volumes)
        step = class_gap(inputs.code("y_sem_untrained", rows).astype(float), scans["diagnosis"])
    return Bench(
        decoder,
        before,
        inputs,
        probe,
        whole_steps(probe.standardise(codes), scans, probe.weight),
        step,
        SecondOpinion.fit(inputs, ends, evaluation.batch, seed),
        VentricleCalibration.fit(decoder, inputs, evaluation.calibration_scans, seed),
        truth,
        seed,
    )


def _with(ldae: LDAE, solver: str, steps: int) -> LDAE:
    same = (ldae.sampling.solver, ldae.sampling.steps) == (solver, steps)
    return ldae if same else ldae.with_sampling(solver, steps)
