"""The tables of the arena: every code on every task, y_sem against each, and the codes that were given."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.arena.record import COMPETITORS, DIFFERENCES, RANKS, SUMMARY
from ldae.studies.common.paper_tables import TRAINING_SEEDS, few_words, format_estimate, row_subjects
from ldae.studies.common.statistics import verdict

PROTOCOL_WORDS = {"cv": "cross-validated", "test": "test subjects"}
NOBODY = "no code was given (arena.codes)"


def arena_table(evaluate: Path) -> pd.DataFrame:
    """One row per code and protocol: mean rank, then every task's metric; cells are ``value [low, high]``."""
    estimates, places = read_tsv(evaluate / SUMMARY), read_tsv(evaluate / RANKS)
    rows = []
    for protocol, words in PROTOCOL_WORDS.items():
        own = estimates[estimates["metric"].str.endswith(f"_{protocol}")]
        for method, group in own.groupby("method", sort=False):
            lines = group.set_index("metric")
            subjects = row_subjects(lines)
            row = {"method": method, "protocol": words, "subjects": subjects, "n_training_seeds": TRAINING_SEEDS}
            mean = places[(places["method"] == method) & (places["metric"] == f"rank_mean_{protocol}")]
            row["rank_mean"] = format_estimate(mean.iloc[0], subjects) if len(mean) else "n/a"
            for name, line in lines.iterrows():
                row[str(name).removesuffix(f"_{protocol}")] = format_estimate(line, subjects)
            row["note"] = few_words(lines.set_axis(lines.index.str.removesuffix(f"_{protocol}"))) or None
            rows.append(row)
    table = pd.DataFrame(rows)
    known = {name: place for place, name in enumerate(COMPETITORS)}
    return (
        table[[*(name for name in table if name != "note"), "note"]]
        .sort_values("method", key=lambda names: names.map(lambda name: known.get(name, len(known))), kind="stable")
        .sort_values("protocol", kind="stable", ignore_index=True)
    )


def difference_table(evaluate: Path) -> pd.DataFrame:
    """One row per code and metric: y_sem minus the code ``value [low, high]``, and what it says."""
    lines = read_tsv(evaluate / DIFFERENCES)
    return pd.DataFrame(
        {
            "rival": lines["method"].str.removeprefix("ldae-"),
            "metric": lines["metric"],
            "ldae_minus_rival": [format_estimate(line) for _, line in lines.iterrows()],
            "verdict": [verdict(line, line["metric"].startswith("auc_")) for _, line in lines.iterrows()],
            "p_holm": lines["p_holm"],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
        }
    )


def codes_table(evaluate: Path) -> pd.DataFrame:
    """The codes that were given, and what their guard found; one row that says so where there are none."""
    table = read_tsv(evaluate / "arena" / "codes.tsv")
    return table if len(table) else pd.DataFrame([{"code": NOBODY}]).reindex(columns=table.columns)
