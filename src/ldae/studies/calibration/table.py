"""The tables of the study: calibration, every group, and the largest gap between groups beside chance."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.calibration.names import METRICS, PROTOCOLS
from ldae.studies.calibration.record import GAPS, SUBGROUPS, SUMMARY
from ldae.studies.common.chance import chance_words
from ldae.studies.common.paper_tables import TRAINING_SEEDS, estimate_cells, few_words, format_estimate


def calibration_table(evaluate: Path) -> pd.DataFrame:
    """One row per feature set and protocol; cells are ``value [low, high]``."""
    estimates, rows = read_tsv(evaluate / SUMMARY), []
    for protocol, words in PROTOCOLS.items():
        names = {f"{metric}_{protocol}": metric for metric in METRICS}
        own = estimates[estimates["metric"].isin(names)]
        for method, group in own.groupby("method", sort=False):
            lines = group.assign(metric=group["metric"].map(names)).set_index("metric")
            rows.append({"method": method, "protocol": words} | _counted(lines))
    return pd.DataFrame(rows, columns=["method", "protocol", "subjects", "n_training_seeds", *METRICS, "note"])


def subgroup_table(evaluate: Path) -> pd.DataFrame:
    """One row per feature set, grouping, level and metric."""
    lines = read_tsv(evaluate / SUBGROUPS)
    return pd.DataFrame(
        {
            "method": lines["method"],
            "metric": lines["metric"],
            "grouping": by(lines["grouping"]),
            "level": lines["level"],
            "estimate": [format_estimate(line) for _, line in lines.iterrows()],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
            "note": lines["note"].where(lines["value"].notna()),
        }
    )


def gap_table(evaluate: Path) -> pd.DataFrame:
    """One row per feature set, metric and grouping: the largest gap, what it is by chance, and whether it is more.

    ``subjects``: of the smaller end.
    """
    lines = read_tsv(evaluate / GAPS)
    beside = lines[["chance", "chance_low", "chance_high", "p"]].to_numpy(float)
    return pd.DataFrame(
        {
            "method": lines["method"],
            "metric": lines["metric"],
            "grouping": by(lines["grouping"]),
            "gap": [format_estimate(line) for _, line in lines.iterrows()],
            "chance": [chance_words(*row) for row in beside],
            "p_holm": lines["p_holm"],
            "subjects": lines["n_subjects"],
            "n_training_seeds": TRAINING_SEEDS,
        }
    )


def by(groupings: pd.Series) -> pd.Series:
    """``by study phase``: a cell ``sex`` would read as a column of people."""
    return "by " + groupings.astype(str).str.replace("_", " ")


def _counted(lines: pd.DataFrame) -> dict[str, object]:
    subjects, cells = estimate_cells(lines)
    return {"subjects": subjects, "n_training_seeds": TRAINING_SEEDS} | cells | {"note": few_words(lines) or None}
