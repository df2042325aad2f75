"""Where the semantic code of each scan is moved to: directions in its standardised space, and steps along them.

Steps are calibrated (to a probability of the probe), the paper's fixed ones, and their controls.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ldae.config import Direction, Evaluation
from ldae.inference.probe import Probe, moved, step_to, unit
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import fit_with_penalty
from ldae.studies.common.random_direction import random_direction

PAPER_ALPHA = 2.5
Calibration = Literal["none", "probability", "alpha"]


class Directions:
    """Unit vectors by name, and how far to go along each.

    ``probe``: the AD probe. ``adjusted``: the same without its part along the directions of age and sex. ``age``: the
    direction of age. ``random``: at right angles to the probe, one per scan.

    Args:
        probe: the AD probe, whose standardisation all directions share.
        scale: ``method.manipulation_scale``; ``sqrt_dimension`` takes the same step for every scan, alpha = 2.5 times
            the square root of the code's length, towards AD (target 1) and away from it (target 0).
        age_probe: of a frozen model: nothing is fitted, and there is no direction ``adjusted``.
    """

    def __init__(
        self, inputs: Inputs, probe: Probe, seed: int, scale: str = "calibrated", age_probe: Probe | None = None
    ):
        self.probe, self.seed, self.scale = probe, seed, scale
        self.unit = unit(probe.weight)
        if age_probe is not None:
            self.age, self.adjusted = unit(age_probe.weight / age_probe.std * probe.std), self.unit
            return
        rows = inputs.rows("train", "validation")
        codes, scans = inputs.code("y_sem", rows), inputs.scans.loc[rows]
        age = fitted_direction(probe, codes, scans["age"].to_numpy(float), scans["participant_id"].to_numpy(), seed)
        male = scans["sex"].map({"M": 1.0, "F": 0.0}).to_numpy(float)
        sex = fitted_direction(probe, codes, male, scans["participant_id"].to_numpy(), seed)
        self.age = self.unit if age is None else age
        self.adjusted = without(self.unit, [direction for direction in (age, sex) if direction is not None])

    def of(self, name: Direction, scan_id: str) -> np.ndarray:
        """(dimension,) unit vector; that of ``random`` is fixed by (seed, scan)."""
        if name == "random":
            return random_direction(self.probe, self.seed, scan_id)
        return {"probe": self.unit, "adjusted": self.adjusted, "age": self.age}[name]

    def step(self, name: Direction, code: np.ndarray, probability: float) -> float:
        """Alpha along a direction: to the probe probability where the direction is the probe's or its adjusted one,
        otherwise as long as along the probe (controls of equal length)."""
        if self.scale == "sqrt_dimension":
            return paper_step(self.probe, probability)
        along_probe = step_to(self.probe, code, probability)
        return along_probe / float(self.adjusted @ self.unit) if name == "adjusted" else along_probe

    def fixed_step(self, alpha: float) -> float:
        """The paper's step, which is the same for every scan: alpha unit vectors; with the scale ``sqrt_dimension``
        times the square root of the code's length."""
        return alpha * (len(self.unit) ** 0.5 if self.scale == "sqrt_dimension" else 1)


def paper_step(probe: Probe, target: float, alpha: float = PAPER_ALPHA) -> float:
    """The step of the authors' code: alpha sqrt(dimension) unit vectors, towards AD for target 1, away for 0."""
    return (1 if target > 0.5 else -1) * alpha * len(probe.weight) ** 0.5


def without(direction: np.ndarray, confounds: list[np.ndarray]) -> np.ndarray:
    """The unit vector of what remains of ``direction`` when its part in the span of ``confounds`` is taken out; the
    direction itself when nothing remains."""
    if not confounds:
        return direction
    basis, _ = np.linalg.qr(np.stack(confounds, axis=1))
    rest = direction - basis @ (basis.T @ direction)
    length = np.linalg.norm(rest)
    return rest / length if length > 1e-6 else direction


def fitted_direction(
    probe: Probe, codes: np.ndarray, target: np.ndarray, subjects: np.ndarray, seed: int
) -> np.ndarray | None:
    """Unit weight of a ridge regression of ``target`` on the standardised codes; none where the target does not vary,
    or the codes do not.

    Fitted on training and validation subjects, with the penalty chosen by subject-grouped cross-validation.
    """
    known = np.isfinite(target)
    if known.sum() < 3 or np.ptp(target[known]) == 0:
        return None
    strata = np.where(target[known] > np.median(target[known]), "high", "low")
    fitted = fit_with_penalty("age", probe.standardise(codes[known]), target[known], subjects[known], strata, seed)
    return None if fitted.flat else unit(fitted.weight / fitted.std)


@dataclass(frozen=True)
class Move:
    """One manipulated code (dimension,) of one scan.

    ``alpha``: steps of the unit direction in standardised space. ``calibration``: the step ends at the probability
    ``target``, or is a fixed ``alpha``, or there is none (the unmoved scan).
    """

    row: int
    direction: str
    calibration: Calibration
    target: float
    alpha: float
    code: np.ndarray


def plan(inputs: Inputs, directions: Directions, rows: np.ndarray, settings: Evaluation) -> list[Move]:
    """For each scan: unmoved first, every probability along the probe, the extreme ones along the other directions,
    the fixed alphas along the probe.

    Targets are probabilities; with the scale ``sqrt_dimension`` 1 is a fixed step towards AD and 0 the same away.
    """
    reported = reported_probabilities(directions.scale, settings)
    extremes = [min(reported), max(reported)]
    moves = []
    for row, code in zip(rows, inputs.code("y_sem", rows).astype(float), strict=True):
        moves.append(Move(int(row), "none", "none", np.nan, 0.0, code))
        for name in settings.directions:
            direction = directions.of(name, inputs.scan_id(row))
            for probability in sweep_probabilities(directions.scale, settings) if name == "probe" else extremes:
                alpha = directions.step(name, code, probability)
                there = moved(directions.probe, code, direction, alpha)
                moves.append(Move(int(row), name, "probability", probability, alpha, there))
        for alpha in settings.alphas:
            step = directions.fixed_step(alpha) * side(inputs.scans.loc[row, "diagnosis"])
            there = moved(directions.probe, code, directions.unit, step)
            moves.append(Move(int(row), "probe", "alpha", np.nan, step, there))
    return moves


def reported_probabilities(scale: str, settings: Evaluation) -> list[float]:
    """The targets whose effects stand in the tables, in order."""
    return [0.0, 1.0] if scale == "sqrt_dimension" else sorted(set(settings.probabilities))


def sweep_probabilities(scale: str, settings: Evaluation) -> list[float]:
    """All targets along the probe, in order."""
    further = [] if scale == "sqrt_dimension" else settings.dose_probabilities
    return sorted({*reported_probabilities(scale, settings), *further})


def side(diagnosis: object) -> int:
    """Sign of the paper's fixed steps: a scan with AD moves towards CN, any other towards AD."""
    return -1 if diagnosis == "AD" else 1
