"""What a number is where there is nothing to be found: its values under permutations, and the words for them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

CHANCE = ("chance", "chance_low", "chance_high", "chance_p")


def beside(value: float | None, null: Sequence[float]) -> tuple[float, float, float, float] | tuple[()]:
    """Mean and central 95 % of the permuted numbers, and the share of them that reach the value; none without any."""
    if len(null) == 0 or value is None:
        return ()
    low, high = np.quantile(null, (0.025, 0.975), method="weibull")  # holds a further one in 95 of 100 cases
    reached = 1 + sum(one >= value for one in null)
    return float(np.mean(null)), float(low), float(high), reached / (1 + len(null))


def stand_ins(subjects: np.ndarray, givers: np.ndarray) -> np.ndarray:
    """(rows,) places of the rows that stand in for each row: every subject gets those of its giver, in their order and
    from the first again where the giver has fewer.

    Args:
        subjects: (rows,) whose each row is.
        givers: (subjects,) number of each one's giver, both counted by their names in order.
    """
    _, own, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    order = np.argsort(own, kind="stable")
    starts = np.cumsum(counts) - counts
    turn = np.empty(len(subjects), dtype=int)
    turn[order] = np.arange(len(subjects)) - starts[own[order]]
    given = givers[own]
    return order[starts[given] + turn % counts[given]]


def chance_words(null: float, low: float, high: float, p: float) -> str | None:
    """``0.460 [0.380, 0.560], p = 0.04``; none where nothing was permuted."""
    return None if pd.isna(null) else f"{null:.3f} [{low:.3f}, {high:.3f}], p = {p:.2g}"
