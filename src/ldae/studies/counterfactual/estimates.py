"""The benchmark's numbers over subjects, with intervals, and which differences count."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ldae.studies.common.scales import Amount, on
from ldae.studies.common.statistics import (
    Statistic,
    correlation,
    difference_of,
    estimates_table,
    holm,
    interval,
    mean,
    mean_of,
    not_available,
    two_sided_p,
)
from ldae.studies.counterfactual.names import (
    AGAINST_TRUTH,
    AGE,
    CONTROLS,
    EDITS,
    EFFECTS,
    METHODS,
    NO_EDIT,
    NOISE,
    NULL,
    OF_NO_EDIT,
    OVER_SUBJECTS,
    OWN,
    PAPERS,
    RANDOM,
    RIVALS,
    TAKEN_BACK,
    TRUE,
    TRUE_AE,
    TRUE_CODE,
    UNTRAINED,
)

NO_TRUTH = "the true counterfactual is known of phantoms alone"
NO_OPINION = "the independent probe does not tell AD from CN in the training scans"
NO_METRIC_OF = {  # metric -> methods that have none
    "code_cosine": (UNTRAINED, TRUE, TRUE_AE, NOISE),
    **dict.fromkeys(TAKEN_BACK, (*CONTROLS, UNTRAINED, TRUE_CODE, TRUE, TRUE_AE, NOISE)),
}


@on(Amount(signed=True))
def slope(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of column 0 on column 1 through the origin: how much of what should be there is there."""
    total = weights @ values[:, 1] ** 2
    return np.where(total > 0, weights @ (values[:, 0] * values[:, 1]) / np.where(total > 0, total, 1), np.nan)


def summary(
    table: pd.DataFrame, missing: Mapping[str, str], unknown: Mapping[str, str], bootstrap: int, seed: int
) -> list[dict]:
    """One row per method and metric; the intervals are over subjects.

    Args:
        table: scans.tsv of the study, one scan a subject.
        missing: directions that there are not, and why.
        unknown: metrics that nobody has, and why.
    """
    rows = []
    for method in METHODS:
        own = table[table["method"] == method]
        if own.empty and method not in missing:
            continue
        for metric in metrics_of(method):
            if method in missing:
                estimate = not_available(missing[method])
            elif metric in unknown:
                estimate = not_available(unknown[metric])
            else:
                values, statistic = measured(own, metric)
                estimate = interval(values, own["participant_id"].to_numpy(), statistic, bootstrap, seed)
                if estimate.value is None and not own["ventricle_ml_change"].any():
                    estimate = not_available("an edit that changes nothing has none")
            rows.append(estimate.row(method=method, metric=metric))
    return rows


def metrics_of(method: str) -> list[str]:
    """What is measured of a method."""
    if method == NULL:
        return [*OF_NO_EDIT, "back_mae"]
    every = [*dict.fromkeys((*AGAINST_TRUTH, *EFFECTS, OWN, *TAKEN_BACK))]
    return [metric for metric in every if method not in NO_METRIC_OF.get(metric, ())]


def measured(own: pd.DataFrame, metric: str) -> tuple[np.ndarray, Statistic]:
    """The values of a metric, one row a scan, and the statistic of them.

    ``ventricle_ml_amount``, ``hippocampus_region_ml_amount``: slope of our change on the true one.
    ``ventricle_ml_r_truth``: correlation of both, for a whole step each. ``ventricle_ml_r_own``: that of our change for
    a whole step with the subject's own ventricles.
    """
    if metric not in OVER_SUBJECTS:
        return own[metric].to_numpy(float), mean_of(metric)
    step = own["request"].to_numpy(float)
    if metric == "hippocampus_region_ml_amount":
        ours, other = own["hippocampus_region_ml_change"], own["hippocampus_region_ml_change_truth"]
        return np.column_stack([ours, other]), slope
    ours = own["ventricle_ml_change_mapped"] / step
    other = own["scan_ventricle_ml"] if metric == OWN else own["ventricle_ml_change_truth"] / step
    return np.column_stack([ours, other]), slope if metric == "ventricle_ml_amount" else correlation


def differences(table: pd.DataFrame, bootstrap: int, seed: int) -> pd.DataFrame:
    """Paired differences on the same scans, ``first-second``, with their p and ``p_holm``.

    Four questions, each with its own count of comparisons for Holm: whether a change is closer to the true one than no
    edit (whose image error is 1); whether another edit is less wrong than the paper's; whether the independent probe
    sees less of a random direction, as long as the longest edit, than of an edit; whether an edit changes the right
    voxels more than a step along age does.
    """
    rows = []
    for question, first, second, metric in comparisons():
        sides = [table[table["method"] == name].set_index("participant_id")[metric] for name in (first, second)]
        if second == NO_EDIT:
            sides[1] = pd.Series(1.0, index=sides[0].index)
        both = pd.concat(sides, axis=1, join="inner").astype(float).dropna()
        if both.empty:
            continue
        values, subjects, gap = both.to_numpy(), both.index.to_numpy(), difference_of(mean, 1)
        estimate = interval(values, subjects, gap, bootstrap, seed)
        p = two_sided_p(values, subjects, gap) if estimate.low is not None else np.nan
        rows.append(estimate.row(method=f"{first}-{second}", metric=metric) | {"p": p, "question": question})
    found = estimates_table(rows).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    questions = pd.Series([row["question"] for row in rows], dtype=object)
    return found.assign(p_holm=found.groupby(questions)["p"].transform(holm) if len(found) else found["p"])


def comparisons() -> list[tuple[str, str, str, str]]:
    """(question, first, second, metric)."""
    against_nothing = (*EDITS, *CONTROLS, UNTRAINED, NOISE, TRUE_CODE, TRUE_AE)
    return [
        *(("closer than no edit", method, NO_EDIT, "image_error") for method in against_nothing),
        *(
            ("less wrong than the paper's", method, PAPERS, metric)
            for method in EDITS
            if method != PAPERS
            for metric in RIVALS
        ),
        *(("more than chance", RANDOM, method, "independent_effect") for method in EDITS),  # a control, and no rival
        *(("not mere ageing", method, AGE, "image_cosine") for method in EDITS),
    ]


def no_summary(reason: str) -> pd.DataFrame:
    """The summary of a benchmark that could not be run."""
    return estimates_table(
        [not_available(reason).row(method=name, metric=metric) for name in EDITS for metric in metrics_of(name)]
    )
