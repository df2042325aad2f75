"""Moving a scan's semantic code along the AD probe: does the anatomy follow (paper 4.6, Figs. 6 and 7)?

The step is calibrated: it ends where the probe gives a wanted probability. The original's x_T is kept. What changes
is measured in the decoded volume (ventricles, brain tissue) and by encoding it again; a random direction of the same
length is the control.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.errors import UserError
from ldae.evaluation.inputs import Inputs, write_volumes
from ldae.evaluation.linear import Probe, sigmoid
from ldae.evaluation.reconstruction import example_rows
from ldae.evaluation.sampling import Decoder, batches, volumes_of
from ldae.evaluation.statistics import estimates_table, generator, interval, median, not_available
from ldae.evaluation.ventricles import brain_ml, ventricle_ml
from ldae.files import read_json, write_tsv
from ldae.training.pipeline import LDAE

SWEEP = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
SWEPT_SCANS = 2
PAPER_ALPHA, PAPER_SWEEP = 2.5, (-5.0, -2.5, -1.0, 1.0, 2.5, 5.0)
DIRECTIONS = ("probe", "random")
MEASURES = ("ventricle_ml_change", "brain_ml_change", "probability_reencoded")
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
    "ventricle_ml",
    "ventricle_ml_change",
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
    moves = plan(inputs, probe, rows, settings.probabilities, seed, ldae.method.manipulation_scale)
    table, _ = decode(decoder, inputs, probe, moves)
    write_tsv(out / "scans.tsv", table)
    write_tsv(out / "summary.tsv", summary(table, settings.bootstrap, seed))
    _write_sweep(decoder, inputs, probe, out, ldae.method.manipulation_scale)


def step_to(probe: Probe, code: np.ndarray, probability: float) -> float:
    """Alpha that takes a code (dimension,) to a probe probability: (logit(p) - logit now) / |w|."""
    wanted = np.log(probability) - np.log1p(-probability)
    return float((wanted - probe.score(code[None])[0]) / np.linalg.norm(probe.weight))


def paper_step(probe: Probe, target: float, alpha: float = PAPER_ALPHA) -> float:
    """The step of the authors' code: alpha sqrt(dimension) unit vectors, towards AD for target 1, away for 0."""
    return (1 if target > 0.5 else -1) * alpha * len(probe.weight) ** 0.5


def moved(probe: Probe, code: np.ndarray, direction: np.ndarray, alpha: float) -> np.ndarray:
    """Code moved by ``alpha`` unit vectors in standardised space, back in its own units."""
    return code + alpha * direction * probe.std


def random_direction(probe: Probe, seed: int, scan_id: str) -> np.ndarray:
    """A unit vector at right angles to the probe, fixed by (seed, scan); the probe itself in one dimension."""
    vector = generator(seed, "random direction", scan_id).standard_normal(len(probe.weight))
    unit = probe.weight / np.linalg.norm(probe.weight)
    across = vector - (vector @ unit) * unit
    length = np.linalg.norm(across)
    return across / length if length > 1e-9 else unit


def plan(
    inputs: Inputs, probe: Probe, rows: np.ndarray, probabilities: list[float], seed: int, scale: str = "calibrated"
) -> list[Move]:
    """For each scan: unchanged, each probability along the probe, the extreme ones along a random direction.

    Args:
        scale: ``method.manipulation_scale``; ``sqrt_dimension`` takes the same step for every scan, alpha = 2.5 times
            the square root of the code's length, towards AD (target 1) and away from it (target 0).
    """
    unit = probe.weight / np.linalg.norm(probe.weight)
    if scale == "sqrt_dimension":
        probabilities = [0.0, 1.0]
    extremes = {min(probabilities), max(probabilities)}
    moves = []
    for row, code in zip(rows, inputs.code("y_sem", rows).astype(float), strict=True):
        moves.append(Move(int(row), "none", np.nan, 0.0, code))
        random = random_direction(probe, seed, inputs.scan_id(row))
        for probability in probabilities:
            alpha = paper_step(probe, probability) if scale == "sqrt_dimension" else step_to(probe, code, probability)
            moves.append(Move(int(row), "probe", probability, alpha, moved(probe, code, unit, alpha)))
            if probability in extremes:
                moves.append(Move(int(row), "random", probability, alpha, moved(probe, code, random, alpha)))
    return moves


def decode(
    decoder: Decoder, inputs: Inputs, probe: Probe, moves: list[Move], keep: bool = False
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Decode every move with its scan's own x_T and measure it; the volumes too when ``keep``."""
    rows, volumes = [], []
    for part in batches(np.arange(len(moves)), decoder.batch):
        chosen = [moves[i] for i in part]
        own = np.array([move.row for move in chosen])
        decoded = decoder.generate(inputs.code("x_T", own), np.stack([move.code for move in chosen]))
        again = sigmoid(probe.score(decoder.encode_semantic(decoded)))
        scans = volumes_of(inputs, own)
        for i, move in enumerate(chosen):
            measured = {
                "probability_reencoded": again[i],
                "ventricle_ml": ventricle_ml(decoded[i, 0], inputs.grid),
                "brain_ml": brain_ml(decoded[i, 0], scans[i, 0] > 0, inputs.grid),
            }
            rows.append(_describe(inputs, probe, move) | measured)
        volumes += list(decoded[:, 0]) if keep else []
    table = pd.DataFrame(rows)
    for name in ("ventricle_ml", "brain_ml"):
        unchanged = table[table["direction"] == "none"].set_index("row")[name]
        table[f"{name}_change"] = table[name] - table["row"].map(unchanged)
    return table[COLUMNS], volumes


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


def summary(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Medians over subjects of the change towards AD (largest probability), away from it (smallest), and between."""
    rows = []
    for direction in DIRECTIONS:
        part = table[table["direction"] == direction]
        for measure in MEASURES:
            wide = part.pivot(index="participant_id", columns="target_probability", values=measure)
            values = {"plus_ad": wide[wide.columns.max()], "minus_ad": wide[wide.columns.min()]}
            if measure != "probability_reencoded":
                values["plus_minus_ad"] = values["plus_ad"] - values["minus_ad"]
            for name, change in values.items():
                estimate = interval(change.to_numpy(float), change.index.to_numpy(), median, bootstrap, seed)
                rows.append(estimate.row(method=direction, metric=f"{measure}_{name}"))
    return estimates_table(rows)


def _no_summary(reason: str) -> pd.DataFrame:
    names = [f"ventricle_ml_change_{end}" for end in ("plus_ad", "minus_ad", "plus_minus_ad")]
    return estimates_table([not_available(reason).row(method="probe", metric=name) for name in names])


def _write_sweep(decoder: Decoder, inputs: Inputs, probe: Probe, out: Path, scale: str) -> None:
    """A finer walk for the figure: an AD and a CN subject through seven probabilities (or alphas), volumes kept."""
    unit = probe.weight / np.linalg.norm(probe.weight)
    shown = example_rows(inputs, SWEPT_SCANS)
    moves = []
    for row, code in zip(shown, inputs.code("y_sem", shown).astype(float), strict=True):
        targets, steps = list(SWEEP), [step_to(probe, code, probability) for probability in SWEEP]
        if scale == "sqrt_dimension":
            targets = [float(alpha > 0) for alpha in PAPER_SWEEP]
            steps = [paper_step(probe, 1, alpha) for alpha in PAPER_SWEEP]
        moves.append(Move(row, "none", np.nan, 0.0, code))
        moves += [Move(row, "probe", p, a, moved(probe, code, unit, a)) for p, a in zip(targets, steps, strict=True)]
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
