"""The study's numbers over subjects, with intervals, and which differences count."""

import numpy as np
import pandas as pd

from ldae.studies.common.statistics import (
    Estimate,
    cv_widening,
    difference_of,
    estimates_table,
    holm,
    interval,
    not_available,
    two_sided_p,
)
from ldae.studies.conversion.names import (
    ADDED,
    CLINICAL,
    COMPARED,
    FREE,
    HORIZON,
    METHODS,
    METRICS,
    MONTHS,
    OURS,
    PROTOCOLS,
    RIVALS,
    SAID,
    SEEN,
    THIRDS,
)
from ldae.studies.conversion.statistics import STATISTICS, mean_risk, not_converted

KEYS = ("method", "metric", "part", "month")
UNDEFINED = "of a class there is nobody, all risks are equal, or they part the classes"
PAIRS = (*((OURS, rival) for rival in RIVALS), (ADDED, CLINICAL))


def summary(predictions: pd.DataFrame, reasons: dict[str, str], bootstrap: int, seed: int) -> pd.DataFrame:
    """Every metric of every feature set and protocol, or why it has none."""
    rows = []
    for protocol in PROTOCOLS:
        for method in METHODS:
            group = _of(predictions, method, protocol)
            for metric in METRICS:
                estimate = (
                    not_available(_why(reasons, method, protocol))
                    if group.empty
                    else measured(group, metric, bootstrap, seed)
                )
                rows.append(estimate.row(method=method, metric=f"{metric}_{protocol}"))
    return estimates_table(rows)


def measured(group: pd.DataFrame, metric: str, bootstrap: int, seed: int) -> Estimate:
    """One metric of the predictions of one feature set and protocol; a subject of whom it is not known is left out."""
    statistic, columns = STATISTICS[metric]
    own = group[list(columns)].to_numpy(float)
    found = interval(own, group["participant_id"], statistic, bootstrap, seed, widen=cv_widening(group["fold"]))
    return found if found.value is not None else not_available(UNDEFINED)


def differences(predictions: pd.DataFrame, reasons: dict[str, str], bootstrap: int, seed: int) -> pd.DataFrame:
    """y_sem minus every rival, and y_sem with the clinical facts minus these alone, on the same subjects.

    ``p``: two-sided, of the interval. ``p_holm``: for as many comparisons as the protocol has (Holm 1979).
    """
    rows = []
    for protocol in PROTOCOLS:
        for first, second in PAIRS:
            sides = [_of(predictions, name, protocol).set_index("participant_id") for name in (first, second)]
            empty = [name for name, side in zip((first, second), sides, strict=True) if side.empty]
            for metric in COMPARED:
                keys, p = {"method": f"{first}-{second}", "metric": f"{metric}_{protocol}"}, np.nan
                if empty:
                    estimate = not_available(_why(reasons, empty[0], protocol))
                else:
                    statistic, columns = STATISTICS[metric]
                    pair = [side.loc[sides[0].index, list(columns)].to_numpy(float) for side in sides]
                    values, gap = np.hstack(pair), difference_of(statistic, len(columns))
                    widen = cv_widening(sides[0]["fold"])
                    estimate = interval(values, sides[0].index, gap, bootstrap, seed, widen=widen)
                    if estimate.low is not None:
                        p = two_sided_p(values, sides[0].index, gap, widen)
                rows.append(estimate.row(**keys) | {"p": p})
    table = estimates_table(rows).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    family = table["metric"].str.extract(f"_({'|'.join(PROTOCOLS)})$")[0]
    return table.assign(p_holm=table.groupby(family)["p"].transform(holm))


def thirds(predictions: pd.DataFrame, reasons: dict[str, str], bootstrap: int, seed: int) -> pd.DataFrame:
    """Of the thirds of the subjects by the risk that y_sem says: the share without AD at each month, and at 36 months
    the mean risk that is said beside the share who converted (Kaplan and Meier)."""
    rows = []
    for protocol in PROTOCOLS:
        group = _of(predictions, OURS, protocol)
        if group.empty:
            why = not_available(_why(reasons, OURS, protocol))
            rows += [why.row(method=OURS, metric=f"{name}_{protocol}") for name in (FREE, SAID, SEEN)]
            continue
        rank = group["risk"].rank(method="first").to_numpy() - 1
        third = (rank * len(THIRDS) / len(group)).astype(int)
        for place, part in enumerate(THIRDS):
            own = group[third == place]
            names, widen = own["participant_id"], cv_widening(own["fold"])
            course = own[["months", "converted"]].to_numpy(float)
            for month in MONTHS:
                free = interval(course, names, not_converted(month), bootstrap, seed, widen=widen)
                rows.append(free.row(method=OURS, metric=f"{FREE}_{protocol}", part=part, month=month))
            keys = {"method": OURS, "part": part, "month": HORIZON}
            said = interval(own["risk"].to_numpy(), names, mean_risk, bootstrap, seed, widen=widen)
            seen = _complement(free)
            rows.append(said.row(metric=f"{SAID}_{protocol}", **keys))
            rows.append(seen.row(metric=f"{SEEN}_{protocol}", **keys))
    return estimates_table(rows, KEYS)


def _complement(share: Estimate) -> Estimate:
    """One minus a share."""
    if share.value is None:
        return share
    low, high = (None if end is None else 1 - end for end in (share.high, share.low))
    counts = {name: getattr(share, name) for name in ("n_subjects", "n_rows", "redrawn", "n_replicates", "note")}
    return Estimate(1 - share.value, low, high, **counts)


def _of(predictions: pd.DataFrame, method: str, protocol: str) -> pd.DataFrame:
    return predictions[(predictions["features"] == method) & (predictions["protocol"] == protocol)]


def _why(reasons: dict[str, str], method: str, protocol: str) -> str:
    """Of a protocol first: nobody asks for a feature set's reason where nothing was fitted."""
    return reasons.get(protocol) or reasons.get(method) or "nothing was fitted"
