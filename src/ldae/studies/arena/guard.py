"""The guard of the arena: whether a code that was given spells a label, or is not of this cohort.

What no file can show stays unseen: whether the network behind a code was trained on test subjects or on labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ldae.core.keys import KEY
from ldae.studies.arena.given_tables import Given, Refused, read_given
from ldae.studies.arena.matching import match_rows
from ldae.studies.arena.probing import out_of_fold
from ldae.studies.arena.tasks import Task
from ldae.studies.common.feature_sets import fixed

SPELT = 0.99  # AUC or |rank correlation| of one number with a label, from which it is as good as the label
SPELT_TOGETHER = 0.999  # AUC of all numbers together, out of fold
FEWEST = 10  # subjects of a class, or half of those with a number: fewer may be spelled by chance


@dataclass(frozen=True)
class Entry:
    """A code that was given.

    Attributes:
        name: in ``arena.codes``.
        values: (scans, numbers), NaN where missing; None where it does not compete.
        numbers, rows, matched, without_scan, outside: how many numbers a scan, rows of its file, scans of the cohort
            that have one, rows at visits that are not in the cohort, and rows of strangers.
        refused: what its guard found, in sentences that name nobody.
        allowed: why it competes all the same.
        names: (what, whom or what it concerns), for the private list.
    """

    name: str
    values: np.ndarray | None
    numbers: int = 0
    rows: int = 0
    matched: int = 0
    without_scan: int = 0
    outside: int = 0
    refused: tuple[str, ...] = ()
    allowed: str | None = None
    names: tuple[tuple[str, str], ...] = ()

    @property
    def reason(self) -> str:
        """Why it does not compete."""
        return "refused: " + "; ".join(self.refused)

    @property
    def covered(self) -> np.ndarray:
        """(scans,) which have a number at least."""
        assert self.values is not None
        return ~np.isnan(self.values).all(axis=1)


def enter(
    name: str,
    path: str,
    scans: pd.DataFrame,
    tasks: Sequence[Task],
    folds: int,
    seed: int,
    held_out: bool = False,
    allowed: str | None = None,
) -> Entry:
    """Read a code, find its scans, and hold it against the labels.

    Args:
        scans: of the store, in its order.
        folds: of the cross-validation that asks whether all numbers together spell a label.
        held_out: it leaves the test subjects out.
        allowed: why it competes whatever is found; a code that cannot be read or names no scan does not.
    """
    try:
        given = read_given(path)
    except Refused as refused:
        return Entry(name, None, refused=(refused.words,), names=tuple((refused.words, who) for who in refused.names))
    matched = match_rows(given.ids, scans)
    found: list[Refused] = []
    ids = np.array(given.ids, dtype=object)
    if len(matched.outside):
        words = f"{len(matched.outside)} of its {len(ids)} rows are of subjects outside of the cohort: take them out"
        found.append(Refused(words, ids[matched.outside]))
    hit = np.flatnonzero(matched.rows >= 0)
    places, first = np.unique(matched.rows[hit], return_index=True)
    twice = np.setdiff1d(hit, hit[first])
    if len(twice):
        found.append(Refused(f"{len(twice)} of its rows name a scan that another row names", ids[twice]))
    values = np.full((len(scans), len(given.names)), np.nan)
    values[places] = given.values[hit[first]]
    if not len(places):
        found = [Refused(f"none of its {len(ids)} rows names a scan of the cohort", ids[:1]), *found]
    else:
        found += copies(values, scans)
        found += spelt(values, given, scans, tasks, folds, seed, held_out)
    names = [(refused.words, str(who)) for refused in found for who in refused.names]
    names += [("a row at a visit that is not in the cohort", str(who)) for who in ids[matched.without_scan]]
    competes = len(places) > 0 and (not found or allowed is not None)
    return Entry(
        name,
        values if competes else None,
        numbers=len(given.names),
        rows=len(ids),
        matched=len(places),
        without_scan=len(matched.without_scan),
        outside=len(matched.outside),
        refused=tuple(refused.words for refused in found),
        allowed=allowed if found and competes else None,
        names=tuple(names),
    )


def copies(values: np.ndarray, scans: pd.DataFrame) -> list[Refused]:
    """Two scans with one and the same code, or a code that is the same for all.

    Of a single number that is rounded two scans may agree by chance, so that one number is not asked.
    """
    own = np.flatnonzero(~np.isnan(values).all(axis=1))
    filled = np.nan_to_num(values[own], nan=np.inf)
    varied = filled[:, (filled != filled[:1]).any(axis=0)]
    if len(own) > 1 and varied.shape[1] == 0:
        return [Refused("none of its numbers differs between two scans")]
    _, place, times = np.unique(varied, axis=0, return_inverse=True, return_counts=True)
    same = own[times[place.ravel()] > 1]
    if varied.shape[1] < 2 or not len(same):
        return []
    return [Refused(f"{len(same)} scans have the code of another scan, number by number", _scan_ids(scans, same))]


def spelt(
    values: np.ndarray,
    given: Given,
    scans: pd.DataFrame,
    tasks: Iterable[Task],
    folds: int,
    seed: int,
    held_out: bool,
) -> list[Refused]:
    """Labels that one number tells nearly without error, or all together."""
    found: list[Refused] = []
    covered = ~np.isnan(values).all(axis=1)
    for task in tasks:
        if task.reason is not None or not enough(task, scans, covered):
            continue
        alone = np.flatnonzero(alone_tells(values[task.rows], task) >= SPELT)
        if len(alone):
            words = f"{len(alone)} of its numbers nearly tell {task.words} alone"
            found.append(Refused(words, [given.names[place] for place in alone]))
        elif together_tells(values, covered, scans, task, task.folds(scans, folds, seed, held_out), seed):
            found.append(Refused(f"its numbers together tell {task.words} without error"))
    return found


def enough(task: Task, scans: pd.DataFrame, covered: np.ndarray) -> bool:
    """Whether so many subjects have label and code that nothing is spelled by chance."""
    own = covered[task.rows]
    subjects, target = scans["participant_id"].to_numpy()[task.rows[own]], task.target[own]
    if not task.classes:
        return len(np.unique(subjects)) >= 2 * FEWEST and len(np.unique(target)) > 2
    return all(len(np.unique(subjects[target == place])) >= FEWEST for place in range(len(task.classes)))


def alone_tells(columns: np.ndarray, task: Task) -> np.ndarray:
    """(numbers,) how well each tells the label: the largest AUC of a class against the rest, or |rank correlation|."""
    told = np.zeros(columns.shape[1])
    for place, column in enumerate(columns.T):
        known = ~np.isnan(column)
        if known.sum() < 2 * FEWEST or np.ptp(column[known]) == 0:
            continue
        ranks, target = rankdata(column[known]), task.target[known]
        if not task.classes:
            other = rankdata(target)
            told[place] = abs(np.corrcoef(ranks, other)[0, 1]) if np.ptp(other) > 0 else 0.0
            continue
        for kind in range(len(task.classes)):
            positive = target == kind
            n, m = int(positive.sum()), int((~positive).sum())
            if min(n, m) >= FEWEST:
                area = (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)
                told[place] = max(told[place], area, 1 - area)
    return told


def together_tells(
    values: np.ndarray, covered: np.ndarray, scans: pd.DataFrame, task: Task, fold: np.ndarray, seed: int
) -> bool:
    """Whether a probe of all numbers, measured out of fold, is right nearly everywhere."""
    if values.shape[1] < 2:
        return False
    scores = out_of_fold(scans, task, fixed(values), covered[task.rows], fold, seed)
    known = ~np.isnan(scores).any(axis=1)
    if not known.any():
        return False
    if not task.classes:
        return bool(np.corrcoef(scores[known, 0], task.target[known])[0, 1] >= SPELT)
    table = np.column_stack([scores[known], task.target[known]])
    return bool(task.statistic(table, np.ones((1, len(table))))[0] >= SPELT_TOGETHER)


def _scan_ids(scans: pd.DataFrame, rows: np.ndarray) -> list[str]:
    return ["_".join(key) for key in scans.loc[rows, KEY].itertuples(index=False)]
