"""Moving a scan's semantic code along the AD probe: does the anatomy follow (paper 4.6, Figs. 6 and 7)?

A calibrated step ends where the probe gives a wanted probability; the paper's fixed alphas stand beside. The
original's x_T is kept. What changes is measured in the decoded volume (ventricles, hippocampal region, brain tissue,
everything outside those regions) and by encoding it again. Controls of equal length: the direction of age, a random
one. In a phantom the true counterfactual is known.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Phantom
from ldae.core.batches import batches
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_tsv
from ldae.core.keys import KEY
from ldae.core.lineage import require
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE, CodeKey
from ldae.inference.probe import SAME_SCORE, Probe, sigmoid
from ldae.studies.common.codes_read import Reads
from ldae.studies.common.frozen import NOT_FITTED
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.pieces import WHOLE, Pieces, Rows
from ldae.studies.common.references import example_rows
from ldae.studies.common.statistics import estimates_table
from ldae.studies.common.true_twins import twins_of
from ldae.studies.common.ventricle_truth import VentricleCalibration
from ldae.studies.manipulation import counterfactual as shown_scans
from ldae.studies.manipulation.counterfactual import Counterfactuals
from ldae.studies.manipulation.directions import Directions, Move, plan, reported_probabilities
from ldae.studies.manipulation.effects import (
    DOSE_KEYS,
    VOLUMES,
    Ruler,
    dose_table,
    no_summary,
    summary,
    with_calibrated,
)

EXAMPLES = 2
COLUMNS = [
    "participant_id",
    "session_id",
    "diagnosis",
    "direction",
    "calibration",
    "target_probability",
    "alpha",
    "probability_before",
    "probability_code",
    "probability_reencoded",
    "ssim_w11_outside",
    "ssim_w11_outside_scan",
    "ssim_w11_outside_ae_gap",
    "intensity_outside_change",
    "scan_ventricle_ml",
    "ventricle_ml",
    "ventricle_ml_change",
    "ventricle_ml_mapped",
    "ventricle_ml_change_mapped",
    "hippocampus_region_ml",
    "hippocampus_region_ml_change",
    "brain_ml",
    "brain_ml_change",
    "ventricle_ml_change_truth",
    "ventricle_ml_change_error_truth",
    "ventricle_ml_change_mapped_error_truth",
    "ventricle_ml_change_calibrated",
    "ventricle_ml_change_calibrated_error_truth",
]


def run_manipulation(
    ldae: LDAE,
    inputs: Inputs,
    probe_json: Path,
    settings: Evaluation,
    seed: int,
    out: Path,
    phantom: Phantom | None = None,
    anatomy: Path | None = None,
    pieces: Pieces = WHOLE,
) -> None:
    """Write scans, summary, doses, reads (.tsv), examples/ and nifti/ into ``out``.

    Read: y_sem of every scan, and the x_T of ``ldae``'s solver with y_sem (:class:`Reads`).

    Args:
        probe_json: written by run_probes.
        phantom, anatomy: settings of a phantom cohort, and where make_phantom keeps its anatomy; needs the truth.
        pieces: where the rows of every batch are kept until all are there; those of shown scans are made again.

    Raises:
        UserError: a probability outside (0, 1), a probe of other codes, or no x_T of that key.
    """
    if not all(0 < probability < 1 for probability in [*settings.probabilities, *settings.dose_probabilities]):
        raise UserError("evaluation.probabilities must lie between 0 and 1: no finite step leads to 0 or 1.")
    for folder in ("examples", "nifti"):  # no figure and no viewer shows what an earlier run left
        shutil.rmtree(out / folder, ignore_errors=True)
    content, reads = read_json(probe_json), Reads(inputs, [(ldae, True)])
    if "imported" not in content:
        require(f"{probe_json} was fitted to other codes", content.get("codes"), inputs.code_store("y_sem").digest)
    reason = content.get("reason") or (SAME_SCORE if Probe.from_json(content).flat else None)
    if reason:
        write_tsv(out / "reads.tsv", reads.table())
        write_tsv(out / "scans.tsv", pd.DataFrame(columns=COLUMNS))
        write_tsv(out / "doses.tsv", estimates_table([], DOSE_KEYS))
        write_tsv(out / "summary.tsv", no_summary(reason))
        return
    probe, decoder = Probe.from_json(content), Decoder(ldae, settings.batch, settings.volumes)
    rows = inputs.first_scans("test")
    if inputs.code("y_sem", rows[:1]).shape[1] != len(probe.weight):
        raise UserError(f"{probe_json} belongs to codes of another length; run fit_probes again.")
    scale = ldae.method.manipulation_scale
    absent, age_probe = [], None
    if "frozen" in content:
        age_probe = Probe.from_json(content["age"]) if content["age"] else None
        age_probe = None if age_probe is None or age_probe.flat else age_probe
        absent = ["adjusted", *([] if age_probe else ["age"])]
        settings = settings.model_copy(
            update={"directions": [name for name in settings.directions if name not in absent]}
        )
    moves = plan(inputs, Directions(inputs, probe, seed, scale, age_probe), rows, settings)
    twins, seen = twins_of(inputs, phantom, seed, anatomy), len(inputs.rows("train")) > 0
    truth = Counterfactuals(probe, twins) if twins and seen else None
    shown = example_rows(inputs, EXAMPLES)
    table, kept = decode(decoder, reads, probe, moves, truth, shown, pieces)
    write_tsv(out / "reads.tsv", reads.table())
    calibration = VentricleCalibration.fit(decoder, inputs, settings.calibration_scans, seed)
    table = with_calibrated(table, calibration)
    write_tsv(out / "scans.tsv", table[COLUMNS])
    reported = reported_probabilities(scale, settings)
    found = summary(table, settings.directions, reported, settings.bootstrap, seed)
    without = [row for name in absent for row in no_summary(NOT_FITTED, name).to_dict("records")]
    write_tsv(out / "summary.tsv", estimates_table([*found.to_dict("records"), *without]) if without else found)
    write_tsv(out / "doses.tsv", dose_table(table, settings.bootstrap, seed))
    pictures = shown_scans.example_table(table, shown)
    originals, scans = shown_scans.original_rows(inputs, shown)
    true, heads = shown_scans.truth_rows(inputs, probe, truth, pictures)
    volumes = [kept[place] for place in pictures.index] + scans + heads
    shown_scans.write_examples(inputs, [pictures, originals, true], volumes, out)
    pieces.clear()


def decode(
    decoder: Decoder,
    reads: Reads,
    probe: Probe,
    moves: list[Move],
    truth: Counterfactuals | None = None,
    keep: Sequence[int] = (),
    pieces: Pieces = WHOLE,
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Decode every move with its scan's own x_T and measure it.

    The first move of a scan must be the unmoved one: changes are measured against its decoded volume.

    Args:
        keep: rows of the scans whose volumes are returned too, by the place of the move.
        pieces: of the rows of every batch without such scans.
    """
    inputs = reads.inputs
    ruler, kept = Ruler(inputs.grid, decoder.ldae.device), {}
    parts = [[moves[i] for i in part] for part in batches(np.arange(len(moves)), decoder.batch)]
    beginnings = Beginnings(decoder, inputs, parts)

    def made(number: int) -> Rows:
        chosen, lines = parts[number], []
        own = np.array([move.row for move in chosen])
        decoded = decoder.generate(reads.x_T(decoder.ldae, True, own), np.stack([move.code for move in chosen]))
        again = sigmoid(probe.score(decoder.encode_semantic(decoded)))
        scans, edited = volumes_of(inputs, own)[:, 0], decoded[:, 0]
        measured = ruler.measure(scans, *beginnings.of(chosen, edited), edited)
        for i, (move, values) in enumerate(zip(chosen, measured, strict=True)):
            values |= {"probability_reencoded": again[i]}
            values |= {"scan_ventricle_ml": ruler.volumes(scans[i], scans[i])["ventricle_ml"]}
            lines.append(_describe(inputs, probe, move) | values | _true_change(probe, move, truth, inputs))
            if move.row in keep:
                kept[number * decoder.batch + i] = edited[i]
        return lines

    rows: Rows = []
    for number, chosen in enumerate(parts):
        rows += pieces.rows(str(number), reads, partial(made, number), not {move.row for move in chosen} & set(keep))
    table = pd.DataFrame(rows)
    before = table[table["direction"] == "none"].set_index("row")
    for name in VOLUMES:
        table[f"{name}_change"] = table[name] - table["row"].map(before[name])
    error = (table["ventricle_ml_change"] - table["ventricle_ml_change_truth"]).abs()
    return table.assign(ventricle_ml_change_error_truth=error), kept


class Beginnings:
    """What the moves of a scan are measured against: the decoding of its unmoved code, and its reconstruction.

    Those of the scans of the last batch are at hand. Where an earlier attempt has written down the batch that a scan
    begins in, that batch is decoded again: in another one its last bits could differ.
    """

    def __init__(self, decoder: Decoder, inputs: Inputs, parts: list[list[Move]]):
        self.decoder, self.inputs = decoder, inputs
        self.begins = {move.row: part for part in parts for move in part if move.direction == "none"}
        self.known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, chosen: list[Move], edited: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reconstructions and unmoved decodings, each (B, X, Y, Z), of the scans of a batch that was decoded."""
        rows = [move.row for move in chosen]
        self._take(chosen, edited)
        while missing := [row for row in rows if row not in self.known]:
            first = self.begins[missing[0]]
            key = CodeKey.of(self.decoder.ldae, True)
            x_T = self.inputs.x_T(key, [move.row for move in first])  # read before, and counted then
            self._take(first, self.decoder.generate(x_T, np.stack([move.code for move in first]))[:, 0])
        self.known = {row: self.known[row] for row in rows}
        rebuilt, unmoved = zip(*(self.known[row] for row in rows), strict=True)
        return np.stack(rebuilt), np.stack(unmoved)

    def _take(self, chosen: list[Move], edited: np.ndarray) -> None:
        begun = {move.row: volume for move, volume in zip(chosen, edited, strict=True) if move.direction == "none"}
        rebuilt = _autoencoded(self.decoder, self.inputs, np.array(list(begun), dtype=int))
        self.known |= {row: (rebuilt[row], volume) for row, volume in begun.items()}


def _autoencoded(decoder: Decoder, inputs: Inputs, rows: np.ndarray) -> dict[int, np.ndarray]:
    """Row -> the scan's reconstruction by the autoencoder."""
    if len(rows) == 0:
        return {}
    volumes = decoder.autoencode(volumes_of(inputs, rows), [inputs.scan_id(row) for row in rows])
    return {int(row): volume for row, volume in zip(rows, volumes[:, 0], strict=True)}


def _true_change(probe: Probe, move: Move, truth: Counterfactuals | None, inputs: Inputs) -> dict[str, float]:
    """The true counterfactual's change of the ventricles, for moves that aim at another probability of AD."""
    change = np.nan
    if truth is not None and move.direction in ("none", "probe", "adjusted"):
        now = probe.score(inputs.code("y_sem", [move.row]))[0]
        change = truth.ventricle_change(move.row, float(probe.score(move.code[None])[0] - now))
    return {"ventricle_ml_change_truth": change}


def _describe(inputs: Inputs, probe: Probe, move: Move) -> dict:
    before = probe.score(inputs.code("y_sem", [move.row]))[0]
    return {
        "row": move.row,
        **inputs.scans.loc[move.row, [*KEY, "diagnosis"]],
        "direction": move.direction,
        "calibration": move.calibration,
        "target_probability": move.target,
        "alpha": move.alpha,
        "probability_before": sigmoid(before),
        "probability_code": sigmoid(probe.score(move.code[None])[0]),
    }
