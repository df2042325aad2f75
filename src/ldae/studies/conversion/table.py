"""The table of differences: whether y_sem knows more of conversions than what needs less, and whether it adds."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import table_of_differences
from ldae.studies.common.statistics import verdict
from ldae.studies.conversion.names import COMPARED
from ldae.studies.conversion.record import DIFFERENCES


def difference_table(evaluate: Path) -> pd.DataFrame:
    """One row per comparison: the difference ``value [low, high]``, and what it says of the first."""
    return table_of_differences(read_tsv(evaluate / DIFFERENCES), "features", judged)


def judged(line: pd.Series) -> str:
    """``better``, ``worse`` or ``not told apart``, by the rule of :func:`ldae.studies.common.statistics.verdict`."""
    return verdict(line, COMPARED[str(line["metric"]).rsplit("_", 1)[0]]).removeprefix("ldae ")
