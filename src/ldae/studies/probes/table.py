"""Table 7 from the probes' estimates: one row per feature set and protocol, the paper's numbers beside ours."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_json, read_tsv
from ldae.studies.common.chance import CHANCE, chance_words
from ldae.studies.common.linear_probes import Task
from ldae.studies.common.paper_tables import TRAINING_SEEDS, few_words, format_estimate, row_subjects
from ldae.studies.common.statistics import OURS, PERMUTED
from ldae.studies.probes.estimates import AGE_METRICS, CORRECTED, LARGER_IS_BETTER, PROTOCOLS, verdict
from ldae.studies.probes.record import PUBLISHED

PROTOCOL_WORDS = {
    "cv": "cross-validated, logistic / ridge",
    "test": "test subjects, logistic / ridge",
    "test_paper": "test subjects, the paper's gradient descent",
}
OWN_HEAD = "test subjects, own head"
SUBJECTS: dict[Task, str] = {"ad": "subjects_ad", "age": "subjects_age"}
TASK_WORDS: dict[str, str] = {"ad": "the diagnosis", "age": "age"}
SUPERVISED = ("supervised", "supervised_features")
CONSTANTS = ("majority_class", "mean_predictor")


def probe_table(evaluate: Path) -> pd.DataFrame:
    """One row per feature set and protocol; cells are ``value [low, high]``.

    Columns: method, protocol, the subjects that the numbers of each task rest on (``subjects_ad``: those with AD or
    CN, ``subjects_age``: those whose age is known; 0: no number), n_training_seeds, every metric, the paper's number
    beside it (in the row of the paper's protocol, or of the own head), the verdicts of the paired differences
    (``ldae better``, ``ldae worse``, ``not told apart``), note (too few subjects; how the step of a supervised encoder
    was chosen).
    """
    estimates = read_tsv(evaluate / "probes" / "summary.tsv")
    against = read_tsv(evaluate / "probes" / "differences.tsv")
    metrics = metric_names(estimates)
    rows = []
    for protocol in PROTOCOLS:
        chosen = {metric: f"{metric}_{protocol}" for metric in metrics}
        of_protocol = estimates[estimates["metric"].isin(chosen.values())]
        for method, group in of_protocol.groupby("method", sort=False):
            lines = group.set_index("metric")
            row = {"method": method, "protocol": protocol_words(method, protocol)}
            row |= subject_columns(lines, chosen) | {"n_training_seeds": TRAINING_SEEDS}
            for metric, name in chosen.items():
                if name in lines.index:
                    row[metric] = format_estimate(lines.loc[name], row[f"subjects_{task_of(metric)}"])
                if (method, metric) in PUBLISHED and protocol == ("test" if method == "supervised" else "test_paper"):
                    row[f"{metric}_published"] = PUBLISHED[method, metric]
            for metric in LARGER_IS_BETTER:
                row[f"{metric}_verdict"] = _verdict(against, method, f"{metric}_{protocol}")
            few = few_words(lines.rename(index={name: metric for metric, name in chosen.items()}))
            steps = supervised_steps(evaluate) if method in SUPERVISED else None
            row["note"] = "; ".join(words for words in (few, steps) if words) or None
            rows.append(row)
    shown = [f"{metric}{suffix}" for metric in metrics for suffix in ("", "_published", "_verdict")]
    order = ["method", "protocol", *SUBJECTS.values(), "n_training_seeds", *shown, "note"]
    table = pd.DataFrame(rows)
    return table[[column for column in order if column in table]]


def supervised_steps(evaluate: Path) -> str | None:
    """How the delivered step of each supervised encoder was chosen; none where they are not known to have been."""
    path = evaluate / "probes" / "supervised.json"
    chosen = read_json(path) if path.is_file() else {}
    return "; ".join(f"encoder of {TASK_WORDS[task]}: {words}" for task, words in chosen.items()) or None


def task_of(metric: str) -> Task:
    """The task that a metric (without its protocol) measures."""
    return "age" if metric in AGE_METRICS | CORRECTED else "ad"


def subjects_of(column: str) -> str:
    """Which column of :func:`probe_table` counts the subjects that a metric's cells and verdicts rest on."""
    return SUBJECTS[task_of(column.removesuffix("_verdict"))]


def subject_columns(lines: pd.DataFrame, chosen: dict[str, str]) -> dict[str, int]:
    """How many subjects the numbers of each task rest on.

    Args:
        lines: the estimates of one feature set and protocol, by their full name.
        chosen: metric -> its name with the protocol.
    """
    named = pd.Series({name: task_of(metric) for metric, name in chosen.items()})
    tasks = named.reindex(lines.index)
    return {column: row_subjects(lines[tasks == task]) for task, column in SUBJECTS.items()}


def metric_names(estimates: pd.DataFrame) -> list[str]:
    """Metrics without their protocol, in the table's order, the diagnosis first."""
    found = [name.removesuffix("_paper").rsplit("_", 1)[0] for name in estimates["metric"]]
    return sorted(dict.fromkeys(found), key=lambda name: task_of(name) == "age")


def protocol_words(method: str, protocol: str) -> str:
    """A protocol as Table 7 names it; constants and supervised encoders are not fitted as the probes are."""
    if method == "supervised":
        return OWN_HEAD
    words = PROTOCOL_WORDS[protocol]
    return f"{words.split(',')[0]}, constant" if method in CONSTANTS else words


def _verdict(against: pd.DataFrame, method: str, metric: str) -> str | None:
    found = against[(against["method"] == f"{OURS}-{method}") & (against["metric"] == metric)]
    return None if found.empty else verdict(found.iloc[0])


def difference_table(evaluate: Path) -> pd.DataFrame:
    """One row per rival and metric: LDAE minus the rival ``value [low, high]``, and what it says."""
    lines = read_tsv(evaluate / "probes" / "differences.tsv")
    return pd.DataFrame(
        {
            "rival": lines["method"].str.removeprefix(f"{OURS}-"),
            "metric": lines["metric"],
            "ldae_minus_rival": [format_estimate(line) for _, line in lines.iterrows()],
            "verdict": [verdict(line) for _, line in lines.iterrows()],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
        }
    )


def lost_to(differences: pd.DataFrame) -> dict[str, list[str]]:
    """Metric with protocol -> rivals that LDAE loses to: the paired interval lies on their side of zero."""
    found: dict[str, list[str]] = {}
    for _, line in differences.iterrows():
        rival = line["method"].removeprefix(f"{OURS}-")
        if rival != PERMUTED and verdict(line) == "ldae worse":
            found.setdefault(line["metric"], []).append(rival)
    return found


def check_table(path: Path) -> pd.DataFrame:
    """confounds.tsv or label_efficiency.tsv for reading: keys, ``value [low, high]``, subjects, n_training_seeds.

    Of a confound also what is read by chance, ``mean [low, high], p = 0.04``.
    """
    table = read_tsv(path)
    keys = table.loc[:, : table.columns[table.columns.get_loc("value") - 1]]
    shown = keys.drop(columns=[name for name in CHANCE if name in keys]).assign(
        estimate=[format_estimate(line) for _, line in table.iterrows()]
    )
    if set(CHANCE) <= set(keys):
        shown["chance"] = [chance_words(*line) for line in keys[list(CHANCE)].to_numpy(float)]
    return shown.assign(
        subjects=table["n_subjects"],
        n_training_seeds=TRAINING_SEEDS,
        note=table["note"].where(table["value"].notna()),
    )
