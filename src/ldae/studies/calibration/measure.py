"""Calibration and decision curves of the probes' probabilities, and their metrics in subgroups."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.files import write_tsv
from ldae.studies.calibration.names import CALL_ALL, METRICS, PROTOCOLS
from ldae.studies.calibration.subgroups import lettered_sites, levels_of, subgroups
from ldae.studies.common.probability_scores import brier, in_the_large, net_benefit, slope
from ldae.studies.common.scales import Amount, Share, on
from ldae.studies.common.statistics import (
    CONSTANT,
    FEW_PER_CLASS,
    OURS,
    PERMUTED,
    Estimate,
    cv_widening,
    estimate_of,
    estimates_table,
    interval,
)

CALIBRATION = dict(zip(METRICS, (brier, slope, in_the_large), strict=True))
THRESHOLDS = tuple(round(0.1 * place, 1) for place in range(1, 10))
BINS = 5
IN_SUBGROUPS = (OURS, "supervised", "pca_voxels")


@on(Share())
def share(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of AD; column 0 is the label."""
    return weights @ values[:, 0] / weights.sum(axis=1)


@on(Amount(most=1.0))
def mean_probability(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of column 0."""
    return weights @ values[:, 0] / weights.sum(axis=1)


def calibration(groups: dict[tuple[str, str], pd.DataFrame], bootstrap: int, seed: int) -> pd.DataFrame:
    """Brier score, calibration slope and calibration in the large of every feature set and protocol."""
    rows = [
        estimate_of(group, "ad", statistic, bootstrap, seed).row(method=method, metric=f"{metric}_{protocol}")
        for (method, protocol), group in groups.items()
        for metric, statistic in CALIBRATION.items()
    ]
    return estimates_table(rows)


def curve(group: pd.DataFrame, bootstrap: int, seed: int) -> list[tuple[int, Estimate, Estimate]]:
    """Number, mean probability and share of AD of each part of the scans: five as large as each other, fewer where that
    leaves fewer than ten subjects to each."""
    subjects = group["participant_id"].nunique()
    parts = max(1, min(BINS, subjects // FEW_PER_CLASS))
    rank = group["probability"].rank(method="first").to_numpy() - 1
    part = (rank * parts / len(group)).astype(int)
    widen, found = cv_widening(group["fold"]), []
    for number in range(parts):
        own = group[part == number]
        names = own["participant_id"]
        said = interval(own["probability"].to_numpy(), names, mean_probability, bootstrap, seed, widen=widen)
        seen = interval(own["target"].to_numpy(float), names, share, bootstrap, seed, widen=widen)
        found.append((number + 1, said, seen))
    return found


def curves(groups: dict[tuple[str, str], pd.DataFrame], bootstrap: int, seed: int) -> pd.DataFrame:
    """Two estimates for each part of each calibration curve: ``probability_ad_*`` and ``share_ad_*``."""
    rows = []
    for (method, protocol), group in groups.items():
        for number, said, seen in curve(group, bootstrap, seed):
            for name, estimate in (("probability_ad", said), ("share_ad", seen)):
                rows.append(estimate.row(method=method, metric=f"{name}_{protocol}", part=number))
    return estimates_table(rows, ("method", "metric", "part"))


def decisions(groups: dict[tuple[str, str], pd.DataFrame], bootstrap: int, seed: int) -> pd.DataFrame:
    """Net benefit of every feature set at every threshold, and of calling everybody; calling nobody is 0."""
    rows = []
    for protocol in PROTOCOLS:
        own = {method: group for (method, place), group in groups.items() if place == protocol}
        if OURS not in own:
            continue
        everybody = own[OURS].assign(prediction=np.inf)
        for method, group in (own | {CALL_ALL: everybody}).items():
            for threshold in THRESHOLDS:
                values = group[["prediction", "target"]].to_numpy(float)
                widen = 1.0 if method == CALL_ALL else cv_widening(group["fold"])
                one = interval(values, group["participant_id"], net_benefit(threshold), bootstrap, seed, widen=widen)
                rows.append(one.row(method=method, metric=f"net_benefit_ad_{protocol}", threshold=threshold))
    return estimates_table(rows, ("method", "metric", "threshold"))


def run_calibration(predictions: pd.DataFrame, scans: pd.DataFrame, settings: Evaluation, seed: int, out: Path) -> None:
    """Write summary.tsv, curves.tsv, decisions.tsv, subgroups.tsv, gaps.tsv and sites.tsv into ``out``.

    Args:
        predictions: predictions.tsv of :func:`ldae.studies.probes.measure.run_probes`.
        scans: the manifest.
        settings: ``bootstrap`` is read.
    """
    told = predictions[
        (predictions["task"] == "ad")
        & predictions["protocol"].isin(PROTOCOLS)
        & ~predictions["features"].isin([PERMUTED, CONSTANT["ad"]])
    ]
    groups = {(str(one), str(two)): group for (one, two), group in told.groupby(["features", "protocol"], sort=False)}
    write_tsv(out / "summary.tsv", calibration(groups, settings.bootstrap, seed))
    write_tsv(out / "curves.tsv", curves(groups, settings.bootstrap, seed))
    write_tsv(out / "decisions.tsv", decisions(groups, settings.bootstrap, seed))
    included = scans[scans["status"] == "included"]
    sites = lettered_sites(included)
    write_tsv(out / "sites.tsv", sites)
    levels = levels_of(included, sites)
    of_groups, gaps = subgroups(predictions, levels, IN_SUBGROUPS, settings.bootstrap, seed)
    write_tsv(out / "subgroups.tsv", of_groups)
    write_tsv(out / "gaps.tsv", gaps)
