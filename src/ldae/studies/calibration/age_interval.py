"""Does the interval of age hold for a group by whose subjects it was not set?

Split conformal prediction promises its coverage to new subjects of the same kind. Those of another site, scanner or
age are of another kind, so here the interval is set by the errors on all subjects outside a group and held against the
ages of those inside: leave one site out, for every grouping.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from ldae.inference.conformal import COVERAGE, fewest, level_of
from ldae.studies.common.scales import Share, on
from ldae.studies.common.statistics import Estimate, estimate_of, not_available


@on(Share())
def covered(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the scans whose first value is 1."""
    share: np.ndarray = weights @ values[:, 0] / weights.sum(axis=1)
    return share


def coverage_of_others(
    predictions: pd.DataFrame, groupings: Sequence[str], bootstrap: int, seed: int
) -> Iterator[tuple[str, str, Estimate]]:
    """(grouping, level, share of the scans of the level whose age lies in the interval).

    Args:
        predictions: of ages, of one feature set and protocol, with a column for each grouping.
    """
    error = (predictions["prediction"] - predictions["target"]).abs()
    for grouping in groupings:
        for level, part in predictions.groupby(grouping, sort=True):
            outside = predictions[grouping].notna() & ~predictions["participant_id"].isin(part["participant_id"])
            width = level_of(error[outside].to_numpy(), list(predictions.loc[outside, "participant_id"]), COVERAGE)
            if width.value is None:
                few = f"{width.subjects} subjects of other groups, and an interval of age needs {fewest(COVERAGE)}"
                yield grouping, str(level), not_available(few)
                continue
            held = part.assign(prediction=(error[part.index] <= width.value).astype(float))
            yield grouping, str(level), estimate_of(held, "age", covered, bootstrap, seed)
