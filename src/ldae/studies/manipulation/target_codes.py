"""Where the semantic code of each scan is moved to: calibrated steps, the paper's fixed ones, and their controls."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ldae.config import Evaluation
from ldae.studies.common.inputs import Inputs
from ldae.studies.manipulation.directions import Directions, moved

Calibration = Literal["none", "probability", "alpha"]


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
