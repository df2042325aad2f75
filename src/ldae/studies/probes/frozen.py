"""The probes of a frozen model on another cohort: scored as they are. Whatever would have to be fitted is n/a."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation, Method
from ldae.core.files import read_json, read_tsv, write_json, write_tsv
from ldae.core.keys import KEY_TYPES
from ldae.inference.probe import Probe
from ldae.studies.common.feature_sets import TASKS
from ldae.studies.common.frozen import NO_BASELINE, NOT_FITTED
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import Task
from ldae.studies.common.statistics import OURS, POSITIVE, estimate_of, estimates_table, not_available
from ldae.studies.probes import checks, reading
from ldae.studies.probes.discriminant_plane import lda_projection
from ldae.studies.probes.estimates import AD_METRICS, AGE_METRICS, CN_METRICS, COMPARED
from ldae.studies.probes.measure import COLUMNS, TRAINED_RIVALS, prediction_rows, task_rows, with_probability

RIVALS = {
    **dict.fromkeys(TRAINED_RIVALS, NO_BASELINE),
    **dict.fromkeys(
        (
            "untrained_encoder",
            "pca_voxels",
            "pca_voxels_once",
            "tissue_volumes",
            "region_volumes",
            "demographics",
            "oracle",
        ),
        NOT_FITTED,
    ),
}
PROTOCOLS = ("cv", "test_paper")  # in which probes are fitted on the cohort


def score_probes(inputs: Inputs, probes: Path, settings: Evaluation, seed: int, out: Path, method: Method) -> None:
    """Write the files of :func:`ldae.studies.probes.measure.run_probes` into ``out``.

    Args:
        probes: ``probes.json`` of the model, by task.
        method: ``positive_class`` is read.
    """
    known = {task: Probe.from_json(content) for task, content in read_json(probes).items()}
    predictions = with_probability(scored(inputs, known))
    write_tsv(out / "predictions.tsv", predictions[list(COLUMNS)])
    write_json(out / "predictions.json", {name: {"Description": words} for name, words in COLUMNS.items()})
    write_tsv(out / "summary.tsv", summary(predictions, known, settings.bootstrap, seed, method.positive_class))
    write_tsv(out / "differences.tsv", no_differences())
    write_json(out / "fitted.json", {f"test {task} {OURS}": probe.as_json() for task, probe in known.items()})
    write_json(out / "probe_ad.json", direction(known) | {"codes": inputs.code_store("y_sem").digest})
    nothing = inputs.scans.iloc[:0]
    write_tsv(out / "lda.tsv", lda_projection(nothing, inputs.code("y_sem", nothing.index)))


def scored(inputs: Inputs, probes: dict[Task, Probe]) -> pd.DataFrame:
    """One prediction per scan with a target and task with a probe, in the protocol ``test``."""
    tables = []
    for task in TASKS:
        rows, target = task_rows(inputs.scans, task)
        if task in probes and len(rows):
            keys = {"protocol": "test", "features": OURS, "task": task, "fold": np.nan}
            score = probes[task].score(inputs.code("y_sem", rows))
            tables.append(prediction_rows(inputs.scans, rows, target, score, keys))
    empty = pd.DataFrame(columns=[name for name in COLUMNS if name != "probability"])
    return pd.concat(tables, ignore_index=True) if tables else empty


def summary(
    predictions: pd.DataFrame, probes: dict[Task, Probe], bootstrap: int, seed: int, positive_class: str
) -> pd.DataFrame:
    """Every metric of the model's own probes, and why there is nothing else."""
    diagnosis = AD_METRICS | CN_METRICS if positive_class == "AD" else CN_METRICS | AD_METRICS
    rows = []
    for task, metrics in (("ad", diagnosis), ("age", AGE_METRICS)):
        group = predictions[predictions["task"] == task]
        for metric, statistic in metrics.items():
            if task not in probes:
                estimate = not_available(f"the model has no probe of {task}")
            elif group.empty:
                estimate = not_available("no scan of this cohort has what the probe predicts")
            else:
                estimate = estimate_of(group, task, statistic, bootstrap, seed)
            rows.append(estimate.row(method=OURS, metric=f"{metric}_test"))
            rows += [not_available(NOT_FITTED).row(method=OURS, metric=f"{metric}_{name}") for name in PROTOCOLS]
    for name, reason in RIVALS.items():
        rows += [not_available(reason).row(method=name, metric=f"{metric}_test") for metric in COMPARED]
    return estimates_table(rows)


def no_differences() -> pd.DataFrame:
    """y_sem against each rival: n/a."""
    return estimates_table(
        [
            not_available(reason).row(method=f"{OURS}-{name}", metric=f"{metric}_test")
            for metric in COMPARED
            for name, reason in RIVALS.items()
        ]
    ).assign(p=np.nan, p_holm=np.nan)


def direction(probes: dict[Task, Probe]) -> dict:
    """The model's AD probe as that along which scans are moved, with the one of age for the control."""
    if "ad" not in probes:
        return {"reason": "the model has no probe of AD"}
    age = probes["age"].as_json() if "age" in probes else None
    return probes["ad"].as_json() | {"positive": POSITIVE, "features": OURS, "frozen": True, "age": age}


def check_scores(inputs: Inputs, predictions: Path, settings: Evaluation, seed: int, out: Path) -> None:
    """Write the files of :func:`ldae.studies.probes.checks.run_probe_checks` into ``out``: the results by field
    strength and of controls alone; confounds, components and label efficiency are n/a."""
    known = read_tsv(predictions, dtype=KEY_TYPES)
    rows = [
        not_available(NOT_FITTED).row(method=OURS, metric=f"{metric}_{confound}_cv", classes=None)
        for confound in checks.CONFOUNDS
        for metric in ("auc", "balanced_accuracy")
    ]
    rows += checks.within_field_strength(inputs.scans, known, settings.bootstrap, seed)
    rows += checks.age_of_controls(known, settings.bootstrap, seed)
    write_tsv(out / "confounds.tsv", estimates_table(rows, checks.COLUMNS))
    component = not_available(NOT_FITTED).row(method=OURS, metric=reading.COMPONENT_R2, component=1)
    write_tsv(out / "components.tsv", estimates_table([component], reading.COMPONENT_KEYS))
    labels = [
        not_available(NOT_FITTED).row(**dict(zip(checks.KEYS, (OURS, metric, fraction, 0, 0, 0, None), strict=True)))
        for metric, _ in checks.METRICS.values()
        for fraction in settings.label_fractions
    ]
    write_tsv(out / "label_efficiency.tsv", estimates_table(labels, checks.KEYS))
