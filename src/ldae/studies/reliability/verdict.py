"""Whether the predictions of a code are as reliable as they should be, in one sentence that comes first."""

import numpy as np
import pandas as pd

from ldae.studies.reliability.names import GOAL, PREDICTIONS, READS

REACHED = "reaches .93"
SHORT = "falls short of .93"
OPEN = ".93 is within its interval"
NOTHING = "does not tell AD from CN"
UNKNOWN = "not known"


def judged(lines: pd.DataFrame) -> str:
    """Of one method.

    Reliable alone is no merit: a code whose probe does not tell AD from CN in test scans (an AUC whose interval holds
    0.5) reaches nothing, and where that AUC is not known nobody knows. It falls short where the ICC(2,1) of one of the
    predictions lies below 0.93, and reaches it where whole intervals of both lie above.

    Args:
        lines: its estimates, by metric.
    """
    wanted = [f"icc_2_1_{task}" for task in PREDICTIONS]
    known = lines.reindex(wanted)[["value", "low"]].astype(float)
    if known["value"].isna().any():
        return UNKNOWN
    short = bool((known["value"] < GOAL).any())
    auc = float(lines.loc[READS, "low"])
    if auc <= 0.5:
        return f"{SHORT}, and {NOTHING}" if short else NOTHING
    if short or np.isnan(auc):
        return SHORT if short else UNKNOWN
    return REACHED if (known["low"] >= GOAL).all() else OPEN
