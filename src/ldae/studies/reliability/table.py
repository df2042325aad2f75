"""The table of reliability: whether the goal is reached, then every number."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import paper_table
from ldae.studies.common.study import PaperTable
from ldae.studies.reliability.record import IN_TABLE, SUMMARY
from ldae.studies.reliability.verdict import judged


def reliability_table(evaluate: Path) -> pd.DataFrame:
    """One row per code: ``goal``, what became of the ICC of .93, and each estimate ``value [low, high]``."""
    table = paper_table(PaperTable(SUMMARY, IN_TABLE), evaluate)
    lines = read_tsv(evaluate / SUMMARY).set_index("metric")
    table.insert(1, "goal", [judged(lines[lines["method"] == name]) for name in table["method"]])
    return table
