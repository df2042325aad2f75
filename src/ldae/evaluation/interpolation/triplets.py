"""Three visits of one subject: the middle one is to be predicted from the outer two."""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd


@dataclass(frozen=True)
class Triplet:
    """Rows of three scans of one subject in time order; ``alpha`` = (target - start) / (end - start), by the dates of
    the scans; ``alpha_months`` by the months in the visits' names, as in the paper (none: as ``alpha``)."""

    start: int
    target: int
    end: int
    alpha: float
    alpha_months: float | None = None

    @property
    def nearest(self) -> int:
        """The end that is closer in time; the earlier one of two equally close."""
        return self.start if self.alpha <= 0.5 else self.end

    @property
    def nominal_alpha(self) -> float:
        return self.alpha if self.alpha_months is None else self.alpha_months


def find_triplets(scans: pd.DataFrame, limit: int) -> list[Triplet]:
    """Every start < target < end of every test subject, in subject order.

    Time is the age at the scan where all three ages are known and distinct, the months of the visit otherwise.
    """
    triplets = []
    test = scans[scans["split"] == "test"].sort_values(["participant_id", "months", "session_id"])
    for _, own in test.groupby("participant_id"):
        time = own["age"] if own["age"].notna().all() and own["age"].is_monotonic_increasing else own["months"]
        for start, target, end in combinations(own.index, 3):
            span = time[end] - time[start]
            if span > 0:
                months = own["months"] - own.loc[start, "months"]
                nominal = float(months[target] / months[end]) if months[end] > 0 else None
                alpha = float((time[target] - time[start]) / span)
                triplets.append(Triplet(start, target, end, alpha, nominal))
    return triplets[:limit]


def longest(scans: pd.DataFrame, triplets: list[Triplet], count: int) -> list[Triplet]:
    """For the figure: the longest triplet (the first of equals) of each of the ``count`` subjects with the longest."""
    months, best = scans["months"], {}
    for triplet in triplets:
        subject, gap = scans.loc[triplet.start, "participant_id"], months[triplet.end] - months[triplet.start]
        if subject not in best or gap > best[subject][0]:
            best[subject] = gap, triplet
    return [triplet for _, triplet in sorted(best.values(), key=lambda found: -found[0])[:count]]
