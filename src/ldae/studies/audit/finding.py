"""What a check of the audit finds, and which checks there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ldae.config.evaluation import Check

Result = Literal["passed", "warning", "blocking", "n/a"]

CHECKS: dict[Check, str] = {  # name -> what it asks
    "splits": "Is every subject in exactly one split?",
    "stores": "Is every scan of every store a scan of the cohort, of a subject with a split?",
    "training_scans": "Has no network been trained or selected on a test subject?",
    "one_person": "Is nobody in the cohort under two names?",
    "twins": "Is no test scan nearly a copy of a training scan of somebody else?",
    "codes": "Is y_sem what the encoder makes of the scans?",
    "labels": "Does no number of y_sem spell a label?",
    "fitted": "Do the fitted probes stay the same when the test labels are exchanged?",
    "scale": "Is the scale factor of the latents that of the training scans alone?",
}


@dataclass(frozen=True)
class Finding:
    """One check's answer.

    Attributes:
        check: one of :data:`CHECKS`.
        result: ``blocking`` stops headline and tables, unless the configuration allows it with a reason.
        looked_at: how many scans, subjects or files were compared.
        words: one sentence, without a name of a subject: it goes into the report.
        names: subjects or scans that it concerns, for the private list.
    """

    check: Check
    result: Result
    looked_at: int
    words: str
    names: Sequence[str] = field(default_factory=tuple)
