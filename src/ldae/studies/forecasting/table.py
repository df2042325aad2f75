"""The table of differences: which forecast beats copying, the decoded last visit, and the latents."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import table_of_differences
from ldae.studies.common.statistics import verdict
from ldae.studies.forecasting.names import LARGER
from ldae.studies.forecasting.record import DIFFERENCES

WORDS = {1: "one", 2: "two"}  # no number of people, which a public table would have to hide
NOTHING = "nothing was compared: no next visit was forecast"


def difference_table(evaluate: Path) -> pd.DataFrame:
    """One row per comparison: the difference ``value [low, high]``, and what it says of the first."""
    lines = read_tsv(evaluate / DIFFERENCES)
    if lines.empty:
        return pd.DataFrame([{"forecast": NOTHING}])
    return table_of_differences(lines, "forecast", judged, visits_known=lines["visits_known"].map(WORDS))


def judged(line: pd.Series) -> str:
    """``better``, ``worse`` or ``not told apart``, by the rule of :func:`ldae.studies.common.statistics.verdict`."""
    return verdict(line, line["metric"] in LARGER).removeprefix("ldae ")
