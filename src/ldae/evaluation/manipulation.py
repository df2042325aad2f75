"""Moving a scan's semantic code along the AD probe: does the anatomy follow (paper 4.6, Figs. 6 and 7)?

The step is calibrated: it ends where the probe gives a wanted probability. The original's x_T is kept. What changes
is measured in the decoded volume (ventricles, hippocampal region, brain tissue, everything outside those regions) and
by encoding it again. A random direction of the same length is the control.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ldae.config import Evaluation
from ldae.errors import UserError
from ldae.evaluation.directions import Directions, moved, paper_step, step_to, unit
from ldae.evaluation.hippocampus import hippocampus_region, hippocampus_region_ml
from ldae.evaluation.inputs import Inputs, write_volumes
from ldae.evaluation.linear import Probe, sigmoid
from ldae.evaluation.metrics import ssim_brain
from ldae.evaluation.reconstruction import example_rows
from ldae.evaluation.sampling import Decoder, batches, volumes_of
from ldae.evaluation.statistics import estimates_table, interval, median, not_available
from ldae.evaluation.ventricles import Grid, brain_ml, ventricle_ml
from ldae.files import read_json, write_tsv
from ldae.training.pipeline import LDAE

SWEEP = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
SWEPT_SCANS = 2
PAPER_SWEEP = (-5.0, -2.5, -1.0, 1.0, 2.5, 5.0)
CHANGES = ("ventricle_ml_change", "hippocampus_region_ml_change", "brain_ml_change")
VOLUMES = ("ventricle_ml", "hippocampus_region_ml", "brain_ml")
COLUMNS = [
    "participant_id",
    "session_id",
    "diagnosis",
    "direction",
    "target_probability",
    "alpha",
    "probability_before",
    "probability_code",
    "probability_reencoded",
    "ssim_w11_outside",
    "ventricle_ml",
    "ventricle_ml_change",
    "hippocampus_region_ml",
    "hippocampus_region_ml_change",
    "brain_ml",
    "brain_ml_change",
]
SWEEP_COLUMNS = [
    "participant_id",
    "session_id",
    "diagnosis",
    "alpha",
    "probability",
    "ventricle_ml",
    "probability_reencoded",
]


@dataclass(frozen=True)
class Move:
    """One manipulated code of one scan. ``alpha``: steps of the unit direction in standardised space."""

    row: int
    direction: str
    target: float
    alpha: float
    code: np.ndarray


def run_manipulation(ldae: LDAE, inputs: Inputs, probe_json: Path, settings: Evaluation, seed: int, out: Path) -> None:
    """Write scans, summary, sweep (.tsv) and examples/ into ``out``. ``probe_json``: written by run_probes."""
    if not all(0 < probability < 1 for probability in settings.probabilities):
        raise UserError("evaluation.probabilities must lie between 0 and 1: no finite step leads to 0 or 1.")
    write_volumes(out / "examples", [], [])
    content = read_json(probe_json)
    if "reason" in content:
        write_tsv(out / "scans.tsv", pd.DataFrame(columns=COLUMNS))
        write_tsv(out / "sweep.tsv", pd.DataFrame(columns=SWEEP_COLUMNS))
        write_tsv(out / "summary.tsv", _no_summary(content["reason"]))
        return
    probe, decoder = Probe.from_json(content), Decoder(ldae, settings.batch)
    rows = inputs.first_scans("test")
    if inputs.code("y_sem", rows[:1]).shape[1] != len(probe.weight):
        raise UserError(f"{probe_json} belongs to codes of another length; run fit_probes again.")
    scale = ldae.method.manipulation_scale
    moves = plan(inputs, Directions(inputs, probe, seed, scale), rows, settings)
    table, _ = decode(decoder, inputs, probe, moves)
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "summary.tsv", summary(table, settings.directions, settings.bootstrap, seed))
    _write_sweep(decoder, inputs, probe, out, scale)


def plan(inputs: Inputs, directions: Directions, rows: np.ndarray, settings: Evaluation) -> list[Move]:
    """For each scan: unchanged, each target along the probe, the extreme ones along the other directions.

    Targets are probabilities; with the scale ``sqrt_dimension`` 1 is a fixed step towards AD and 0 the same away.
    """
    probabilities = [0.0, 1.0] if directions.scale == "sqrt_dimension" else settings.probabilities
    extremes = {min(probabilities), max(probabilities)}
    moves = []
    for row, code in zip(rows, inputs.code("y_sem", rows).astype(float), strict=True):
        moves.append(Move(int(row), "none", np.nan, 0.0, code))
        for name in settings.directions:
            direction = directions.of(name, inputs.scan_id(row))
            for probability in probabilities:
                if name == "probe" or probability in extremes:
                    alpha = directions.step(name, code, probability)
                    there = moved(directions.probe, code, direction, alpha)
                    moves.append(Move(int(row), name, probability, alpha, there))
    return moves


def decode(
    decoder: Decoder, inputs: Inputs, probe: Probe, moves: list[Move], keep: bool = False
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Decode every move with its scan's own x_T and measure it; the volumes too when ``keep``.

    The first move of a scan must be the unchanged one: changes are measured against its decoded volume.
    """
    rows, volumes, unchanged = [], [], {}
    region = hippocampus_region(inputs.grid)
    for part in batches(np.arange(len(moves)), decoder.batch):
        chosen = [moves[i] for i in part]
        own = np.array([move.row for move in chosen])
        decoded = decoder.generate(inputs.code("x_T", own), np.stack([move.code for move in chosen]))
        again = sigmoid(probe.score(decoder.encode_semantic(decoded)))
        scans = volumes_of(inputs, own)
        for i, move in enumerate(chosen):
            volume, brain = decoded[i, 0], scans[i, 0] > 0
            if move.direction == "none":
                unchanged[move.row] = volume
            measured = {
                "probability_reencoded": again[i],
                "ssim_w11_outside": ssim_outside(unchanged[move.row], volume, brain, region, inputs.grid),
                "ventricle_ml": ventricle_ml(volume, inputs.grid),
                "hippocampus_region_ml": hippocampus_region_ml(volume, inputs.grid, region),
                "brain_ml": brain_ml(volume, brain, inputs.grid),
            }
            rows.append(_describe(inputs, probe, move) | measured)
        volumes += list(decoded[:, 0]) if keep else []
    table = pd.DataFrame(rows)
    before = table[table["direction"] == "none"].set_index("row")
    for name in VOLUMES:
        table[f"{name}_change"] = table[name] - table["row"].map(before[name])
    return table[COLUMNS], volumes


def ssim_outside(before: np.ndarray, after: np.ndarray, brain: np.ndarray, region: np.ndarray, grid: Grid) -> float:
    """SSIM (window 11) of two volumes in the brain outside the periventricular box and the hippocampal region: 1 for
    an edit that changes nothing else; one that darkens the whole image shows here."""
    elsewhere = brain & ~region
    elsewhere[grid.box()] = False
    pair = (torch.from_numpy(np.ascontiguousarray(volume))[None, None] for volume in (before, after))
    return float(ssim_brain(*pair, mask=torch.from_numpy(elsewhere)[None, None]))


def _describe(inputs: Inputs, probe: Probe, move: Move) -> dict:
    before = probe.score(inputs.code("y_sem", [move.row]))[0]
    return {
        "row": move.row,
        **inputs.scans.loc[move.row, ["participant_id", "session_id", "diagnosis"]],
        "direction": move.direction,
        "target_probability": move.target,
        "alpha": move.alpha,
        "probability_before": sigmoid(before),
        "probability_code": sigmoid(probe.score(move.code[None])[0]),
    }


def summary(table: pd.DataFrame, directions: Sequence[str], bootstrap: int, seed: int) -> pd.DataFrame:
    """Medians over subjects of the change towards AD (largest probability), away from it (smallest), and between; and
    of Spearman's rho of the ventricles over all doses."""
    rows = []
    for direction in directions:
        part = table[table["direction"] == direction]
        for measure in (*CHANGES, "probability_reencoded", "ssim_w11_outside"):
            wide = part.pivot(index="participant_id", columns="target_probability", values=measure)
            values = {"plus_ad": wide[wide.columns.max()], "minus_ad": wide[wide.columns.min()]}
            if measure in CHANGES:
                values["plus_minus_ad"] = values["plus_ad"] - values["minus_ad"]
            for name, change in values.items():
                estimate = interval(change.to_numpy(float), change.index.to_numpy(), median, bootstrap, seed)
                rows.append(estimate.row(method=direction, metric=f"{measure}_{name}"))
        rho = dose_response(table[table["direction"].isin([direction, "none"])])
        estimate = interval(rho.to_numpy(float), rho.index.to_numpy(), median, bootstrap, seed)
        rows.append(estimate.row(method=direction, metric="ventricle_ml_spearman"))
    return estimates_table(rows)


def dose_response(table: pd.DataFrame) -> pd.Series:
    """Spearman's rho of ventricle volume and alpha, by subject; the unchanged scan is one of the doses."""
    return pd.Series(
        {
            subject: own["alpha"].rank().corr(own["ventricle_ml"].rank())
            for subject, own in table.groupby("participant_id")
        },
        dtype=float,
    )


def _no_summary(reason: str) -> pd.DataFrame:
    names = [f"ventricle_ml_change_{end}" for end in ("plus_ad", "minus_ad", "plus_minus_ad")]
    return estimates_table([not_available(reason).row(method="probe", metric=name) for name in names])


def _write_sweep(decoder: Decoder, inputs: Inputs, probe: Probe, out: Path, scale: str) -> None:
    """A finer walk for the figure: an AD and a CN subject through seven probabilities (or alphas), volumes kept."""
    along = unit(probe.weight)
    shown = example_rows(inputs, SWEPT_SCANS)
    moves = []
    for row, code in zip(shown, inputs.code("y_sem", shown).astype(float), strict=True):
        targets, steps = list(SWEEP), [step_to(probe, code, probability) for probability in SWEEP]
        if scale == "sqrt_dimension":
            targets = [float(alpha > 0) for alpha in PAPER_SWEEP]
            steps = [paper_step(probe, 1, alpha) for alpha in PAPER_SWEEP]
        moves.append(Move(row, "none", np.nan, 0.0, code))
        moves += [Move(row, "probe", p, a, moved(probe, code, along, a)) for p, a in zip(targets, steps, strict=True)]
    table, volumes = decode(decoder, inputs, probe, moves, keep=True)
    table["probability"] = table["probability_code"]
    write_tsv(out / "sweep.tsv", table.loc[table["direction"] == "probe", SWEEP_COLUMNS])
    labels = []
    for move, (_, line) in zip(moves, table.iterrows(), strict=True):
        kind = "reconstruction" if move.direction == "none" else "sweep"
        scan = line[["participant_id", "session_id", "diagnosis"]].to_dict()
        labels.append(scan | {"kind": kind, "alpha": move.alpha, "probability": line["probability"]})
    originals = list(volumes_of(inputs, np.array(shown))[:, 0])
    for row in shown:
        scan = inputs.scans.loc[row, ["participant_id", "session_id", "diagnosis"]].to_dict()
        labels.append(scan | {"kind": "original", "alpha": np.nan, "probability": np.nan})
    write_volumes(out / "examples", volumes + originals, labels)
