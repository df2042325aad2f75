"""The table of differences: which forecast beats copying, the decoded last visit, and the latents."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import TRAINING_SEEDS, format_estimate
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
    sides = lines["method"].str.split("-", n=1, expand=True)
    return pd.DataFrame(
        {
            "visits_known": lines["visits_known"].map(WORDS),
            "forecast": sides[0],
            "compared_with": sides[1],
            "metric": lines["metric"],
            "difference": [format_estimate(line) for _, line in lines.iterrows()],
            "verdict": [judged(line) for _, line in lines.iterrows()],
            "p_holm": lines["p_holm"],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
        }
    )


def judged(line: pd.Series) -> str:
    """``better``, ``worse`` or ``not told apart``, by the rule of :func:`ldae.studies.common.statistics.verdict`."""
    return verdict(line, line["metric"] in LARGER).removeprefix("ldae ")
