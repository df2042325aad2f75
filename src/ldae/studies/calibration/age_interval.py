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
from ldae.studies.common.statistics import Estimate, cv_widening, interval, not_available


@on(Share())
def covered(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the scans whose first value is 1."""
    share: np.ndarray = weights @ values[:, 0] / weights.sum(axis=1)
    return share


def coverage_of_others(
    predictions: pd.DataFrame, groupings: Sequence[str], bootstrap: int, seed: int
) -> Iterator[tuple[str, str, Estimate]]:
    """(grouping, level, share of the scans of the level whose age lies in the interval).

    The share varies with the subjects inside and with those outside, whose errors set the interval: .9 is promised on
    average over both. Its variance over the latter is to that over the former as the numbers of subjects inside and
    outside are.

    Args:
        predictions: of ages, of one feature set and protocol, with ``fold`` and a column for each grouping. A scan
            without a prediction or an age has no part.
    """
    error = (predictions["prediction"] - predictions["target"]).abs()
    for grouping in groupings:
        for level, part in predictions.groupby(grouping, sort=True):
            others = predictions[grouping].notna() & ~predictions["participant_id"].isin(part["participant_id"])
            outside = others & error.notna()
            width = level_of(error[outside].to_numpy(), list(predictions.loc[outside, "participant_id"]), COVERAGE)
            if width.value is None:  # the reason counts nobody: the table may leave, and these are few people
                few = f"fewer than {fewest(COVERAGE)} subjects of other groups, which an interval of age needs"
                yield grouping, str(level), not_available(few)
                continue
            own = part[error[part.index].notna()]
            held, names = (error[own.index] <= width.value).to_numpy(float), own["participant_id"]
            widen = float(np.hypot(cv_widening(own["fold"]), np.sqrt(names.nunique() / width.subjects)))
            yield grouping, str(level), interval(held, names, covered, bootstrap, seed, widen=widen)
