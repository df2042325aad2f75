"""What is known of a scan's true counterfactual: of phantoms all, of people nothing."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from ldae.config import Phantom
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.true_twins import Twins, twins_of
from ldae.studies.counterfactual.directions import class_gap


class Truth(Protocol):
    """What is known of a scan's true counterfactual. ``request``: whole steps, from control to patient."""

    def pictures(self, row: int, request: float) -> tuple[np.ndarray, np.ndarray]:
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

    def pictures(self, row: int, request: float) -> tuple[np.ndarray, np.ndarray]:
        """As the protocol says."""
        now, then, _ = self.twins.pictures(row, self.twins.stage(row) + request * self.gap)
        return now, then

    def ventricle_change(self, row: int, request: float) -> float:
        """As the protocol says."""
        return self.twins.ventricle_change(row, self.twins.stage(row) + request * self.gap)


def true_stages(inputs: Inputs, phantom: Phantom | None, seed: int, anatomy: str | Path | None) -> TrueStages | None:
    """Of a phantom cohort whose truth was read; none of any other."""
    twins = twins_of(inputs, phantom, seed, anatomy)
    return TrueStages(twins) if twins else None
