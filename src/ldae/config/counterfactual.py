"""The counterfactual benchmark: how many test scans it edits, and with which solver."""

from pydantic import Field

from ldae.config.evaluation import Sampling
from ldae.config.section import Positive, Section


class Counterfactual(Section):
    """Edits of y_sem held to what a counterfactual must be."""

    subjects: Positive = Field(
        100, description="test subjects whose first scan is edited at most, of AD, CN and MCI in turn"
    )
    sampling: Sampling | None = Field(
        None, description="solver and steps of its edits, there and back; none: those of evaluation.sampling"
    )
