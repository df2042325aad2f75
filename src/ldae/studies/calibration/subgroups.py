"""For whom a probe errs: its metrics among the scans of each sex, third of age, site, field strength and phase.

Groups differ by chance, the more the smaller they are. So the largest gap between groups stands beside the gaps of
groups that are as large and hold as many of each class, but whose members are drawn: subjects change groups with
another subject of their class.
"""

from itertools import islice, product
from string import ascii_uppercase

import numpy as np
import pandas as pd

from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.studies.calibration.age_interval import coverage_of_others
from ldae.studies.calibration.names import AGE_COVERAGE, PROTOCOLS
from ldae.studies.common.chance import beside, stand_ins
from ldae.studies.common.statistics import (
    FEW_PER_CLASS,
    FEW_SUBJECTS,
    NEGATIVE,
    Estimate,
    Statistic,
    auc,
    estimate_of,
    estimates_table,
    holm,
    independent_difference,
    mae,
    not_available,
    sensitivity,
    specificity,
)

GROUPINGS = ("sex", "age", "site", "field_strength", "study_phase")
DRAWS = 199  # of five groupings one can then be told from chance
THIRDS = ("youngest third", "middle third", "oldest third")
METRICS: dict[str, tuple[str, Statistic, str]] = {
    "auc_ad": ("ad", auc, ""),
    "sensitivity_ad": ("ad", sensitivity, ""),
    "specificity_ad": ("ad", specificity, ""),
    "age_mae": ("age", mae, "_cn"),  # of controls: else a group with more patients errs more
}
KEYS = ("method", "metric", "grouping", "level")
GAP_KEYS = ("method", "metric", "grouping", "levels", "chance", "chance_low", "chance_high", "p", "p_holm")


def levels_of(scans: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """``participant_id, session_id`` and the level of each scan in every grouping, as words; missing where unknown.

    Args:
        scans: the manifest. Thirds of age are those of the subjects at their first scan.
        sites: of :func:`lettered_sites`.
    """
    table = scans[[*KEY]].copy()
    first = scans.groupby("participant_id")["age"].min()
    third = ((first.rank(method="first") - 1) * len(THIRDS) // max(first.notna().sum(), 1)).dropna().astype(int)
    table["age"] = scans["participant_id"].map(third.map(dict(enumerate(THIRDS))))
    table["sex"] = scans["sex"].map({"F": "women", "M": "men"})
    table["site"] = scans["site"].astype(str).map(sites.set_index("site")["level"])
    for name, words in (("field_strength", "{:g} T"), ("study_phase", "{}")):
        column = scans[name] if name in scans else pd.Series(None, index=scans.index, dtype=object)
        table[name] = [None if pd.isna(value) else words.format(value) for value in column]
    return table


def lettered_sites(scans: pd.DataFrame) -> pd.DataFrame:
    """``level, site``: the sites by their number of subjects, the largest is site A. Their own names are parts of
    ADNI's subject ids and stay out of tables that may leave."""
    subjects = scans[scans["site"].notna()].groupby(scans["site"].astype(str))["participant_id"].nunique()
    ordered = subjects.sort_index().sort_values(ascending=False, kind="stable").index
    letters = 1 + (len(ordered) > len(ascii_uppercase))
    levels = ["site " + "".join(pair) for pair in islice(product(ascii_uppercase, repeat=letters), len(ordered))]
    return pd.DataFrame({"level": levels, "site": ordered})


def subgroups(
    predictions: pd.DataFrame, levels: pd.DataFrame, methods: tuple[str, ...], bootstrap: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every metric of every group, with the coverage of the interval of age that others set, and the largest gap
    between groups that are large enough, beside chance.

    Args:
        predictions: of :func:`ldae.studies.probes.measure.run_probes`.
        levels: of :func:`levels_of`.
        methods: feature sets that are looked at.

    ``p``: share of the draws by chance with a gap at least as large. ``p_holm``: for as many groupings as there are.
    """
    rows, gaps = [], []
    known = predictions.merge(levels, on=KEY, how="left", suffixes=("_years", ""))
    for metric, (task, statistic, suffix) in METRICS.items():
        chosen = known[(known["task"] == task) & known["features"].isin(methods)]
        if task == "age":
            chosen = chosen[chosen["diagnosis"] == NEGATIVE]
        for (method, protocol), group in chosen.groupby(["features", "protocol"], sort=False):
            if protocol not in PROTOCOLS:
                continue
            name = f"{metric}_{protocol}{suffix}"
            for grouping in GROUPINGS:
                own = group[group[grouping].notna()]
                found = {
                    str(level): estimate_of(part, task, statistic, bootstrap, seed)
                    for level, part in own.groupby(grouping, sort=True)
                }
                rows += [
                    one.row(method=method, metric=name, grouping=grouping, level=level) for level, one in found.items()
                ]
                keys = {"method": method, "metric": name, "grouping": grouping}
                gaps.append(largest_gap(own, grouping, task, statistic, found, seed) | keys)
    for (method, protocol), group in known[(known["task"] == "age") & known["features"].isin(methods)].groupby(
        ["features", "protocol"], sort=False
    ):
        if protocol in PROTOCOLS:
            rows += [
                one.row(method=method, metric=f"{AGE_COVERAGE}_{protocol}", grouping=grouping, level=level)
                for grouping, level, one in coverage_of_others(group, GROUPINGS, bootstrap, seed)
            ]
    between = estimates_table(gaps, GAP_KEYS)
    family = between.groupby(["method", "metric"])["p"]
    return estimates_table(rows, KEYS), between.assign(p_holm=family.transform(holm))


def large_enough(part: pd.DataFrame, task: str) -> bool:
    """Ten subjects of each class, or twenty."""
    if task == "age":
        return bool(part["participant_id"].nunique() >= FEW_SUBJECTS)
    counts = part.groupby("target")["participant_id"].nunique()
    return len(counts) == 2 and bool(counts.min() >= FEW_PER_CLASS)


def largest_gap(
    group: pd.DataFrame,
    grouping: str,
    task: str,
    statistic: Statistic,
    found: dict[str, Estimate],
    seed: int,
) -> dict:
    """The row of one grouping: largest less smallest value, and how large that is where subjects change groups.

    Of two groups it has an interval. Of more it has none: the two furthest apart were picked for being so.
    ``n_subjects`` are those of the smaller end, so that a gap never stands where a group may not.
    """
    used = [str(level) for level, part in group.groupby(grouping, sort=True) if large_enough(part, task)]
    used = [level for level in used if found[level].value is not None]
    if len(used) < 2:
        least = f"{FEW_SUBJECTS} controls" if task == "age" else f"{FEW_PER_CLASS} subjects of each class"
        return not_available(f"fewer than two groups of {least}").row(levels=", ".join(used) or None)
    values = {level: found[level].value or 0.0 for level in used}
    high, low = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    gap = independent_difference(found[high], found[low])
    part = group[group[grouping].isin(used)]
    table, level = part[["prediction", "target"]].to_numpy(float), part[grouping].to_numpy()
    places = exchanges(part["participant_id"].to_numpy(), table[:, 1] if task == "ad" else None, DRAWS, seed)
    null = [_gap(table, level[place], used, statistic) for place in places]
    chance = beside(gap.value, [one for one in null if np.isfinite(one)])
    names = dict(zip(("chance", "chance_low", "chance_high", "p"), chance, strict=False))
    smaller = min(found[high].n_subjects, found[low].n_subjects)
    bounds = (gap.low, gap.high) if len(used) == 2 else (None, None)
    estimate = Estimate(gap.value, *bounds, n_subjects=smaller, n_rows=len(part), note=gap.note)
    return estimate.row(levels=", ".join(used), **names)


def _gap(table: np.ndarray, level: np.ndarray, used: list[str], statistic: Statistic) -> float:
    values = [float(statistic(table[level == name], np.ones((1, int((level == name).sum()))))[0]) for name in used]
    return max(values) - min(values)


def exchanges(subjects: np.ndarray, label: np.ndarray | None, times: int, seed: int) -> list[np.ndarray]:
    """(rows,) places, for each draw, of the rows whose groups each row gets: those of another subject of its class.

    Args:
        label: class of each row; a subject's is that of its last row. None: all of one class.
    """
    names, own = np.unique(subjects, return_inverse=True)
    stratum = np.zeros(len(names))
    if label is not None:
        stratum[own] = label
    drawn = []
    for draw in range(times):
        givers = np.empty(len(names), dtype=int)
        for value in np.unique(stratum):
            alike = np.flatnonzero(stratum == value)
            givers[alike] = study_stream(seed, "subgroups", draw, str(value)).permutation(alike)
        drawn.append(stand_ins(subjects, givers))
    return drawn
