"""The time in the label of a session."""

import re

from ldae.config import Bids

BASELINE_LABELS = {"bl", "baseline", "sc", "screening"}


def months_of(session: str, settings: Bids) -> float | None:
    """``ses-M006`` -> 6, by the configured pattern and unit; None where the name says nothing."""
    label = session.removeprefix("ses-")
    match = re.fullmatch(settings.session_pattern, label)
    if match is None:
        return 0.0 if label.casefold() in BASELINE_LABELS else None
    return float(match.group(1)) / settings.session_units_per_month
