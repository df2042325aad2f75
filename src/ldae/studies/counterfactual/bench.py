"""One scan on the bench: moved by every edit and control, measured, moved back, and held against the truth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ldae.core.keyed import normal
from ldae.core.keys import KEY
from ldae.inference.decoder import Decoder
from ldae.inference.probe import Probe
from ldae.studies.common.anatomy import hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.pieces import Rows
from ldae.studies.common.random_direction import random_direction
from ldae.studies.common.statistics import auc, interval
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.counterfactual.axioms import against_truth, cosine, left_over, mean_change
from ldae.studies.counterfactual.directions import REQUEST, Steps
from ldae.studies.counterfactual.names import (
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
from ldae.studies.counterfactual.truth import Truth


@dataclass(frozen=True)
class Pair:
    """An unedited picture and an edited one, (X, Y, Z), made in the same way; ``decoded``: by the autoencoder."""

    before: np.ndarray
    after: np.ndarray
    decoded: bool = True


@dataclass(frozen=True)
class Bench:
    """Everything that an edit is made and measured with.

    Attributes:
        untrained: the chain before stage 3, or none where there is none.
        steps: of the trained code; ``untrained_step``: along the difference of the class means in the untrained one.
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
    def region(self) -> np.ndarray:
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
    def _generate(decoder: Decoder, x_T: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(B, X, Y, Z) decoded from x_T (1 or B, C, x, y, z) with each of the codes (B, dimension)."""
        noise = np.broadcast_to(x_T, (len(codes), *x_T.shape[1:]))
        return decoder.generate(noise, codes.astype(np.float32))[:, 0]

    def _back(self, name: str, edited: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
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

    def _references(
        self, name: str, true: tuple[np.ndarray, np.ndarray] | None, unedited: np.ndarray
    ) -> dict[str, Pair]:
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

    def _truly(self, row: int, request: float, true: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
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

    def _hippocampus(self, volume: np.ndarray) -> float:
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
