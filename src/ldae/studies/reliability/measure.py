"""Reliability of codes and predictions on travelling heads, with intervals over heads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Reliability
from ldae.core.files import write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.core.store import Store
from ldae.inference.pipeline import LDAE
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import moments
from ldae.studies.common.scales import Share, on
from ldae.studies.common.statistics import (
    Estimate,
    Statistic,
    auc,
    difference_of,
    estimates_table,
    holm,
    interval,
    not_available,
    percentile_bounds,
    two_sided_p,
)
from ldae.studies.common.statistics import mean as mean_of_rows
from ldae.studies.reliability.agreement import Kind, median_of_many, of_one, share_good, share_of
from ldae.studies.reliability.codes import Code, Cohort, all_codes
from ldae.studies.reliability.names import (
    DIMENSIONS,
    HARMONISED,
    ICC,
    NOT_HARMONISED,
    OF,
    OURS,
    PARTS,
    PREDICTIONS,
    READS,
    SCANNER,
)
from ldae.studies.reliability.scanners import harmonised, read_scanner

KINDS: dict[str, Kind] = {"icc_2_1": "icc_2_1", "icc_3_1": "icc_3_1", "icc_retest": "icc_1_1"}
COLUMNS = [*KEY, "diagnosis", "scanner", "repeat", "method", "logit_ad", "age_predicted"]
NO_PROBE = "the training subjects have no scan with AD, none of a control, or no age"

share_of_rows = on(Share())(mean_of_rows.function)


@dataclass(frozen=True)
class Design:
    """Heads x scanners x repeats, the order of the travelling scans.

    Attributes:
        heads: (heads,) participant_id.
        diagnosis: (heads,) its number.
        bootstrap, seed: of the intervals.
    """

    index: pd.DataFrame
    heads: np.ndarray
    diagnosis: np.ndarray
    scanners: int
    repeats: int
    bootstrap: int
    seed: int

    @classmethod
    def of(cls, index: pd.DataFrame, bootstrap: int, seed: int) -> "Design":
        """From the index of the travelling volumes."""
        first = index[(index["scanner"] == 0) & (index["repeat"] == 0)]
        counts = int(index["scanner"].max()) + 1, int(index["repeat"].max()) + 1
        diagnosis = pd.factorize(first["diagnosis"], sort=True)[0]
        return cls(index, first["participant_id"].to_numpy(), diagnosis, *counts, bootstrap, seed)

    def by_head(self, values: np.ndarray) -> np.ndarray:
        """(heads, scanners x repeats x quantities) of values (scans, ...)."""
        return values.reshape(len(self.heads), -1)

    def interval(self, values: np.ndarray, statistic: Statistic) -> Estimate:
        """Of a statistic of :mod:`ldae.studies.reliability.agreement`."""
        return interval(values, self.heads, statistic, self.bootstrap, self.seed)


@dataclass(frozen=True)
class Read:
    """A code of the travelling heads, and what its probes say.

    Attributes:
        code: (scans, dimension) standardised by the training subjects' scans.
        own: in its own units, before any ComBat.
        said: prediction -> (scans,) logit of AD or years; none where no probe could be fitted.
        reads: AUC of the diagnosis in the test subjects' own scans.
        combat: whether it went through ComBat.
    """

    code: np.ndarray
    own: np.ndarray
    said: dict[str, np.ndarray]
    reads: Estimate
    combat: bool = False


def run_reliability(
    ldae: LDAE,
    untrained: Callable[[], LDAE],
    inputs: Inputs,
    travellers: Store,
    settings: Reliability,
    evaluation: Evaluation,
    seed: int,
    out: Path,
) -> None:
    """Write scans (private), summary and differences (.tsv) into ``out``.

    Args:
        untrained: loads the chain as it was before stage 3.
        travellers: of :func:`ldae.studies.reliability.travel.make_travellers`.
    """
    cohort = Cohort(inputs, seed)
    codes = all_codes(ldae, untrained, cohort, travellers, evaluation)
    reliability_of(codes, cohort, travellers.index, settings, evaluation.bootstrap, seed, out)


def reliability_of(
    codes: dict[str, Code],
    cohort: Cohort,
    index: pd.DataFrame,
    settings: Reliability,
    bootstrap: int,
    seed: int,
    out: Path,
) -> None:
    """:func:`run_reliability` of given codes."""
    design = Design.of(index, bootstrap, seed)
    reads: dict[str, Read] = {}
    for name, code in codes.items():
        reads |= read_code(name, code, cohort, design, settings.harmonise)
    write_tsv(out / "scans.tsv", scans_table(design, reads))
    rows = [row for name, read in reads.items() for row in summary_rows(name, read, design, settings.permutations)]
    write_tsv(out / "summary.tsv", estimates_table(rows))
    write_tsv(out / "differences.tsv", differences(reads, design))


def read_code(name: str, code: Code, cohort: Cohort, design: Design, harmonise: bool) -> dict[str, Read]:
    """A code, and its harmonised twin."""
    probes = {task: cohort.probe(task, code.known) for task in PREDICTIONS}
    mean, std = moments(code.known[cohort.fitted])
    test = ~cohort.fitted & cohort.ends
    reads = not_available(NO_PROBE)
    if probes["ad"] is not None:
        scores, label = probes["ad"].score(code.known[test]), cohort.scans.loc[test, "diagnosis"] == "AD"
        subjects = cohort.scans.loc[test, "participant_id"].to_numpy()
        reads = interval(np.column_stack([scores, label]), subjects, auc, design.bootstrap, design.seed)

    def read(travelled: np.ndarray, combat: bool) -> Read:
        said = {task: probe.score(travelled) for task, probe in probes.items() if probe is not None}
        return Read((travelled - mean) / std, code.travelled, said, reads, combat)

    found = {name: read(code.travelled, False)}
    if harmonise and name not in NOT_HARMONISED:
        heads, scanner = (design.index[column].to_numpy() for column in ("participant_id", "scanner"))
        order = study_stream(design.seed, "folds of heads")
        found[name + HARMONISED] = read(harmonised(code.travelled, heads, scanner, order), True)
    return found


def scans_table(design: Design, reads: dict[str, Read]) -> pd.DataFrame:
    """One row per travelling scan and method: what its probes say."""
    known = design.index[[*KEY, "diagnosis", "scanner", "repeat"]]
    tables = [
        known.assign(method=name, logit_ad=read.said.get("ad", np.nan), age_predicted=read.said.get("age", np.nan))
        for name, read in reads.items()
    ]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def summary_rows(name: str, read: Read, design: Design, permutations: int) -> list[dict]:
    """Every estimate of one method."""
    size = design.scanners, design.repeats
    found: dict[str, Estimate] = {}
    for task in PREDICTIONS:
        for metric in ICC:
            statistic = of_one(KINDS[metric], *size)
            said = read.said.get(task)
            estimate = not_available(NO_PROBE) if said is None else design.interval(design.by_head(said), statistic)
            found[f"{metric}_{task}"] = estimate
    table = design.by_head(read.code)
    statistics: tuple[Statistic, ...] = (
        median_of_many("icc_2_1", *size),
        median_of_many("icc_3_1", *size),
        share_good(*size),
    )
    found |= {metric: design.interval(table, one) for metric, one in zip(DIMENSIONS, statistics, strict=True)}
    for target in OF:
        values = table if target == "code" else design.by_head(read.said[target]) if target in read.said else None
        for part in PARTS:
            estimate = not_available(NO_PROBE)
            if values is not None:
                estimate = design.interval(np.column_stack([values, design.diagnosis]), share_of(part, *size))
            found[f"share_{part}_{target}"] = estimate
    found |= _scanner(read, design, permutations)
    found[READS] = read.reads
    return [estimate.row(method=name, metric=metric) for metric, estimate in found.items()]


def _scanner(read: Read, design: Design, permutations: int) -> dict[str, Estimate]:
    """How often the scanner is read rightly, how often in permuted data (its interval holds 95 % of the permutations),
    and the p of that."""
    heads, scanner = (design.index[column].to_numpy() for column in ("participant_id", "scanner"))
    folds, order = study_stream(design.seed, "folds of heads"), study_stream(design.seed, "permuted scanners")
    hits, null = read_scanner(read.own, heads, scanner, permutations, read.combat, folds, order)
    low, high = percentile_bounds(null)
    heads_read, scans_read = len(design.heads), len(hits)
    p = (1 + (null >= hits.mean() - 1e-9).sum()) / (1 + len(null))
    chance = Estimate(float(null.mean()), float(low), float(high), heads_read, scans_read, n_replicates=len(null))
    accuracy = interval(hits.astype(float), heads, share_of_rows, design.bootstrap, design.seed)
    return dict(zip(SCANNER, (accuracy, chance, Estimate(float(p), None, None, heads_read, scans_read)), strict=True))


def differences(reads: dict[str, Read], design: Design) -> pd.DataFrame:
    """ICC(2,1) of y_sem's predictions minus that of every rival's, on the same heads; ``p_holm`` counts all of them.

    Rivals are the other codes as they are, and the untrained encoder; neither harmonised codes nor truth and noise.
    """
    statistic, rows = of_one("icc_2_1", design.scanners, design.repeats), []
    gap = difference_of(statistic, design.scanners * design.repeats)
    for name, read in reads.items():
        if name in (OURS, *NOT_HARMONISED) or read.combat:
            continue
        for task in PREDICTIONS:
            if task not in read.said:
                continue
            both = np.hstack([design.by_head(one.said[task]) for one in (reads[OURS], read)])
            estimate = design.interval(both, gap)
            p = two_sided_p(both, design.heads, gap) if estimate.low is not None else np.nan
            rows.append(estimate.row(method=f"{OURS}-{name}", metric=f"icc_2_1_{task}") | {"p": p})
    table = estimates_table(rows).assign(p=pd.Series([row["p"] for row in rows], dtype=float))
    return table.assign(p_holm=holm(table["p"]))
