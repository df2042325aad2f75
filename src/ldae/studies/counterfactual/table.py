"""The table of differences: which edit is closer to the truth than none, and which is least wrong."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import table_of_differences
from ldae.studies.common.statistics import verdict
from ldae.studies.counterfactual.names import LARGER
from ldae.studies.counterfactual.record import DIFFERENCES

NOTHING = "nothing was compared: edits were not made"


def difference_table(evaluate: Path) -> pd.DataFrame:
    """One row per comparison: the difference ``value [low, high]``, and what it says of the first."""
    lines = read_tsv(evaluate / DIFFERENCES)
    if lines.empty:
        return pd.DataFrame([{"edit": NOTHING}])
    return table_of_differences(lines, "edit", judged)


def judged(line: pd.Series) -> str:
    """``better``, ``worse`` or ``not told apart``, by the rule of :func:`ldae.studies.common.statistics.verdict`."""
    return verdict(line, line["metric"] in LARGER).removeprefix("ldae ")
