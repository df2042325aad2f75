"""MMSE and CDR that follow the disease stage, with noise, inside the study's entry limits."""

from dataclasses import dataclass

import numpy as np

from ldae.core.keyed import stream
from ldae.phantom.visit_schedule import Plan, Visit

CDR_LEVELS = (0.0, 0.5, 1.0, 2.0, 3.0)
BOXES = ("CDMEMORY", "CDORIENT", "CDJUDGE", "CDCOMMUN", "CDHOME", "CDCARE")
MMSE_RANGE = {"CN": (24, 30), "MCI": (23, 30), "AD": (0, 27)}


@dataclass(frozen=True)
class Cognition:
    """MMSE (0-30), CDR global (0, 0.5, 1, 2) and the six boxes; their sum is CDR-SB (0-18)."""

    mmse: int
    cdr_global: float
    boxes: tuple[float, ...]

    @property
    def cdr_sum(self) -> float:
        return sum(self.boxes)


def cognition_at(seed: int, plan: Plan, visit: Visit) -> Cognition:
    """Expected MMSE 29.2 - 6 s^1.7 (CN 29, MCI 27, AD 23); CDR global 0 for CN, 0.5 for MCI, from 0.5 up for AD.

    Memory has the global rating; each other box has it too, or one level less, more often the same with higher stage.
    """
    random = stream(seed, "cognition", plan.subject.rid, visit.months)
    stage, diagnosis = plan.subject.stage_at(visit.elapsed_years), plan.diagnosis(visit)
    expected = 29.2 - 6.0 * max(stage, 0.0) ** 1.7
    mmse = round(expected + random.normal(0, 1.0 + max(stage, 0.0)))
    level = {"CN": 0, "MCI": 1}.get(diagnosis, 1 + int(np.searchsorted((1.0, 1.6), stage + random.normal(0, 0.15))))
    same = random.random(len(BOXES) - 1) < np.clip(0.25 + 0.5 * stage, 0.05, 0.95)
    boxes = [CDR_LEVELS[level], *(CDR_LEVELS[level if equal else max(level - 1, 0)] for equal in same)]
    return Cognition(int(np.clip(mmse, *MMSE_RANGE[diagnosis])), CDR_LEVELS[level], tuple(boxes))
