"""A few scans of every diagnosis."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


def chosen(scans: pd.DataFrame, rows: Sequence[int], count: int, order: np.random.Generator) -> list[int]:
    """``count`` of these scans at most, from each diagnosis in turn (AD, CN, MCI), drawn within it; those of other
    diagnoses are never chosen."""
    diagnosis: Mapping[int, object] = scans.loc[list(rows), "diagnosis"].to_dict()
    piles = []
    for name in ("AD", "CN", "MCI"):
        own = [int(row) for row in rows if diagnosis[row] == name]
        piles.append([own[place] for place in order.permutation(len(own))])
    taken = [pile[place] for place in range(max(map(len, piles))) for pile in piles if place < len(pile)]
    return sorted(taken[:count])
